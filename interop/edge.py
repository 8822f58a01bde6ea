#!/usr/bin/env python3
"""An ime-edge between programs of others: Kamailio and phones as the company inside, Kamailio with TLS as the edges of other companies, baresip and
linphone with SRTP behind them. Media is heard at both ends; certificates and tickets that are no good let nobody in."""
import glob
import os
import sys
import time

import neighbors
import sound
import tickets
from authority import Authority
from libsrtp import MASTER_OCTETS, Libsrtp, Refused, new_key
from linphonec import Linphone
from peers import SIP, SIPS, Lab, run, wait_for
from phone import Phone
from scripted import Described, End, Media, audio, call, describe, rtcp, rtp

OURS, THEIRS = "a.example", "b.example"
DESK, OUR_END = "+49301000001", "+49301000002"  # inside: a baresip, an end of the test's own
FAR, LINPHONE, THEIR_END = "+49892000001", "+49892000002", "+49892000003"  # behind the edge of b.example
STRANGER, LIAR = "+49892000007", "+49892000008"  # of b.example, but with routes to others
STRANGER_HOST, LIAR_HOST = 6, 7
WITHOUT_TICKET, FOREIGN_TICKET = "+49301000008", "+49301000009"
PASSWORD = "only-in-this-laboratory"
DAY = 86400
DESK_HERTZ, FAR_HERTZ = 600, 1000
TALK_SECONDS = 1.2
MEDIA = 22000  # port of the test's own ends
QUIET_SECONDS = 0.3


class Edge(Lab):
    """Addresses: inside 1.1 the edge, 1.2 Kamailio as its call agent, 1.3 a baresip, 1.5 the test's own end; outside 2.1 the edge, 2.2 Kamailio as the edge of b.example,
    2.3 a baresip, 2.4 a linphone, 2.5 the test's own end, 2.6 an edge whose certificate is for c.example, 2.7 one whose certificate nobody vouches for."""

    def __init__(self):
        super().__init__("edge")

    def inside(self, host):
        """An address of our company's network."""
        return f"{self.network}.1.{host}"

    def outside(self, host):
        """An address of others."""
        return f"{self.network}.2.{host}"

    def start_all(self):
        """The edge, its neighbors, and the phones."""
        self.authority = Authority(os.path.join(self.directory, "authority"))
        others = Authority(os.path.join(self.directory, "others"), "others")
        certificate, key = self.authority.issue(OURS, "DNS:" + OURS)
        self.start_daemon_edge(certificate, key)
        self.start_neighbors(others)
        for name, hertz in (("desk", DESK_HERTZ), ("far", FAR_HERTZ)):
            sound.write_tone(self.tone(name), hertz)
        self.desk = Phone(self, "desk", self.inside(3), f'<sip:{DESK}@{OURS}>;regint=0;outbound="sip:{self.inside(2)}"', sound=self.tone("desk"),
                          media="127.0.0.1")
        self.far = Phone(self, "far", self.outside(3), f'<sip:{FAR}@{THEIRS}>;regint=0;outbound="sip:{self.outside(2)}";mediaenc=srtp-mand',
                         "module srtp.so\n", sound=self.tone("far"))
        self.near_end = End(self.inside(5), OUR_END, OURS, self.inside(2))
        self.far_end = End(self.outside(5), THEIR_END, THEIRS, self.outside(2))
        self.near_media, self.far_media = Media(self.inside(5), MEDIA), Media(self.outside(5), MEDIA)

    def tone(self, name):
        """What a phone plays."""
        return os.path.join(self.directory, name + ".wav")

    def start_daemon_edge(self, certificate, key):
        """ime-edge."""
        self.configure("edge", "edge", [
            ("edge", {}),
            ("inside", {"tcp": f"{self.inside(1)}:{SIP}", "networks": f"{self.inside(0)}/24, 127.0.0.1/32"}),
            ("outside", {"tls": f"{self.outside(1)}:{SIPS}", "networks": self.outside(0) + "/24"}),
            ("tls", {"ca": self.authority.ca, "system-store": "no"}),
            (f"domain {OURS}", {"certificate": certificate, "key": key, "ticket-password": PASSWORD}),
            ("agent kamailio", {"address": f"{self.inside(2)}:{SIP}"}),
            ("media", {"workers": 1}),
        ])
        self.start_daemon("edge", "edge")
        self.wait_daemon("edge")

    def start_neighbors(self, others):
        """The Kamailios. A ticket is for one number and one company."""
        granter, now, node = tickets.Granter(OURS, PASSWORD), time.time(), os.urandom(16)

        def ticket(number, to=THEIRS):
            return granter.grant(number, node, to, now - DAY, now + DAY)
        routes = {number: (THEIRS, self.outside(place)) for number, place in
                  ((FAR, 2), (LINPHONE, 2), (THEIR_END, 2), (STRANGER, 6), (LIAR, 7))}
        neighbors.agent(self, "agent", self.inside(2), self.inside(1), {DESK: self.inside(3), OUR_END: self.inside(5)}, routes)
        for name, host, identity in (("company-b", 2, self.authority.issue(THEIRS, "DNS:" + THEIRS)),
                                     ("company-c", 6, self.authority.issue("c.example", "DNS:c.example")),
                                     ("liar", 7, others.issue("liar", "DNS:" + THEIRS))):
            neighbors.company(self, name, self.outside(host), self.outside(1), OURS, *identity, self.authority.ca,
                              {FAR: self.outside(3), LINPHONE: self.outside(4), THEIR_END: self.outside(5), STRANGER: self.outside(5), LIAR: self.outside(5)},
                              {DESK: ticket(DESK), OUR_END: ticket(OUR_END), FOREIGN_TICKET: ticket(DESK)})

    # -- what the edge says -------------------------------------------------------------------------------------------------

    def edge_calls(self):
        """Calls in progress, a row for each stream."""
        return self.ctl(self.control("edge"), "edge", "show", "calls")["streams"]

    def nothing_kept(self):
        """Neither calls nor media."""
        wait_for(lambda: not self.edge_calls(), lambda: f"the edge keeps {self.edge_calls()}")

    # -- calls ----------------------------------------------------------------------------------------------------------------

    def connect(self, caller, callee, uri):
        """One baresip calls the other one."""
        for phone in (caller, callee):
            for path in glob.glob(os.path.join(phone.home, "dump-*.wav")):
                os.remove(path)
        caller.command("dial", uri)
        callee.expect("CALL_INCOMING")
        caller.expect("CALL_RINGING")
        callee.command("accept")
        callee.expect("CALL_ESTABLISHED")
        caller.expect("CALL_ESTABLISHED")

    def hang_up(self, phone, other):
        """One of them ends the call."""
        phone.command("hangup")
        other.expect("CALL_CLOSED")
        self.nothing_kept()

    def both_heard(self):
        """What each has written down in the call that has ended is the other one's tone."""
        for phone, hertz in ((self.desk, FAR_HERTZ), (self.far, DESK_HERTZ)):
            wait_for(lambda phone=phone, hertz=hertz: any(sound.heard(sound.read(path), hertz) for path in glob.glob(os.path.join(phone.home, "dump-*-dec.wav"))),
                     f"{phone.name} has not heard {hertz} Hz: {os.listdir(phone.home)}")

    def protected(self):
        """The edge says so of the call in progress."""
        (call,) = self.edge_calls()
        assert call["suite"].startswith("A"), call

    def out(self):
        """To b.example, with SRTP from the edge on."""
        self.connect(self.desk, self.far, f"sip:{FAR}@{THEIRS}")
        self.protected()
        time.sleep(TALK_SECONDS)
        self.hang_up(self.desk, self.far)
        self.both_heard()

    def into(self):
        """From b.example, with a ticket; who was called hangs up."""
        self.connect(self.far, self.desk, f"sip:{DESK}@{OURS}")
        self.protected()
        time.sleep(TALK_SECONDS)
        self.hang_up(self.desk, self.far)
        self.both_heard()

    def holds(self):
        """Each holds the other one and takes the call back, by re-INVITE; then tones go both ways as events in RTP."""
        self.connect(self.desk, self.far, f"sip:{FAR}@{THEIRS}")
        for holder, held in ((self.desk, self.far), (self.far, self.desk)):
            stopped, resumed = self.count(held.name, "a=sendonly"), self.count(held.name, "a=sendrecv")
            holder.command("hold")
            wait_for(lambda: self.count(held.name, "a=sendonly") > stopped, lambda: self.log_tail(held.name))
            holder.command("resume")
            wait_for(lambda: self.count(held.name, "a=sendrecv") > resumed, lambda: self.log_tail(held.name))
        for phone, other, key in ((self.desk, self.far, "5"), (self.far, self.desk, "7")):
            phone.command("sndcode", key)
            assert other.expect("CALL_DTMF_START")["param"] == key
        self.hang_up(self.far, self.desk)

    # -- certificates and tickets ------------------------------------------------------------------------------------------------

    def comes(self, number, proxy=2):
        """Somebody outside calls us by way of a Kamailio: the answer."""
        suite = "AES_CM_128_HMAC_SHA1_80"
        self.far_end.proxy = self.outside(proxy)
        try:
            self.far_end.invite(number, OURS, describe(self.outside(5), audio(MEDIA, crypto=f"1 {suite} inline:{new_key(suite)}")))
            return self.far_end.joined() if proxy != LIAR_HOST else None
        finally:
            self.far_end.proxy = self.outside(2)

    def refused(self, reason, number, proxy=2):
        """403, and an event that says why."""
        events = self.count("edge", reason)
        status = self.comes(number, proxy).status
        assert status == 403 and self.count("edge", reason) == events + 1, (status, self.log_tail("edge"))

    def bad_certificate(self):
        """TLS does not come to an end with it: the call is not even looked at."""
        reason = "reason=tls_unknown_ca"
        events, calls = self.count("edge", reason), self.counter("edge", "edge.requests_in")
        self.comes(OUR_END, LIAR_HOST)
        wait_for(lambda: self.count("edge", reason) > events, lambda: self.log_tail("edge"))
        assert 0 < calls == self.counter("edge", "edge.requests_in")

    def misled(self):
        """Calls whose routes lead to an edge with the certificate of another domain, and to one whose certificate nobody vouches for: not sent there."""
        for number, reason in ((STRANGER, "reason=tls_wrong_name"), (LIAR, "reason=tls_unknown_ca")):
            events = self.count("edge", reason)
            self.near_end.invite(number, THEIRS, describe(self.inside(5), audio(MEDIA)))
            final = self.near_end.joined()
            assert final.status >= 500 and self.count("edge", reason) > events, (final.first, self.log_tail("edge"))
        self.nothing_kept()

    # -- media by libsrtp2 ----------------------------------------------------------------------------------------------------------

    def libsrtp(self, suite, inward):
        """What the edge sends is decrypted by libsrtp2, and what that sends is accepted; once."""
        peer = Libsrtp()
        ours, theirs = new_key(suite), {}

        def far(body):
            """The far end's answer, or its offer."""
            offered = Described(body).streams[0] if body else None
            tag = offered["crypto"][suite][0] if offered else "1"
            if offered:
                theirs.update(at=offered["at"], key=offered["crypto"][suite][1], protocol=offered["protocol"])
            return describe(self.outside(5), audio(MEDIA, crypto=f"{tag} {suite} inline:{ours}"))
        near = describe(self.inside(5), audio(MEDIA))
        try:
            if inward:
                arrived, came_back = call(self.far_end, self.near_end, far(None), lambda _: near)
                far(came_back)
            else:
                _, arrived = call(self.near_end, self.far_end, near, far)
            assert theirs["protocol"] == "RTP/SAVP", theirs
            stream = Described(arrived).streams[0]
            assert stream["protocol"] == "RTP/AVP" and not stream["crypto"], arrived
            peer.keys(suite, ours, theirs["key"])
            self.exchange(peer, stream["at"], theirs["at"])
            (self.far_end if inward else self.near_end).bye(self.near_end if inward else self.far_end)
            self.nothing_kept()
        finally:
            peer.end()

    def exchange(self, peer, inner, outer):
        """Packets both ways, their reports, and some that must not pass."""
        near, far = self.near_media, self.far_media
        for number in range(65533, 65533 + 8):  # over the end of the numbers
            packet = rtp(number % 65536, os.urandom(160))
            near.send(packet, inner)
            heard = far.receive()
            assert heard and packet[12:] not in heard and peer.unprotect(heard) == packet
            last = peer.protect(packet)
            far.send(last, outer)
            assert near.receive() == packet
        try:
            peer.unprotect(heard)
            raise AssertionError("libsrtp2 takes a packet twice")
        except Refused:
            pass
        forged = bytearray(peer.protect(rtp(10)))
        forged[20] ^= 1
        for packet in (last, bytes(forged), rtp(11)):
            far.send(packet, outer)
        assert near.receive(seconds=QUIET_SECONDS) is None, "a replayed, a forged or a bare packet came through"
        near.send(rtcp(), (inner[0], inner[1] + 1), rtcp=True)
        report = peer.unprotect_rtcp(far.receive(rtcp=True))
        assert report[1] == 200, report
        far.send(peer.protect_rtcp(rtcp(7)), (outer[0], outer[1] + 1), rtcp=True)
        assert near.receive(rtcp=True)[1] == 200

    def steps(self):
        """All of them."""
        yield "baresip calls baresip with SRTP: Kamailio is reached over TLS", self.out
        yield "Kamailio brings a call over TLS with a ticket", self.into
        yield "hold and tones, each way", self.holds
        for what, *refusal in (("without a ticket", "edge.ticket.missing", WITHOUT_TICKET), ("with the ticket for another number", "reason=wrong_number", FOREIGN_TICKET),
                               ("with the ticket of another company", "reason=wrong_domain", OUR_END, STRANGER_HOST)):
            yield f"a call from outside {what}", lambda refusal=refusal: self.refused(*refusal)
        yield "a call from outside with a certificate that nobody vouches for", self.bad_certificate
        yield "routes that lead to others", self.misled
        for suite in MASTER_OCTETS:
            for way, inward in (("out", False), ("in", True)):
                yield f"libsrtp2: a call {way}, {suite}", lambda suite=suite, inward=inward: self.libsrtp(suite, inward)


if __name__ == "__main__":
    LAB = Edge()
    sys.exit(run(LAB))
