#!/usr/bin/env python3
"""An ime-edge between programs of others: Kamailio and phones as the company inside, Kamailio with TLS as the edges of other companies, baresip and
linphone with SRTP behind them. Media is heard at both ends; certificates and tickets that are no good let nobody in."""
import glob
import os
import sys
import time

import neighbors
import sipp
import sound
import tickets
from authority import Authority
from libsrtp import Libsrtp, Refused, new_key
from linphonec import Linphone
from peers import SIP, SIPS, Lab, run, wait_for
from phone import Phone
from rtpengine import Rtpengine
from scripted import Described, End, Media, audio, call, describe, rtcp, rtp
from sipp import AUDIO, Callee, Caller, Sipp, check, expect, keep, pause, response, sdp

OURS, THEIRS = "a.example", "b.example"
DESK, OUR_END = "+49301000001", "+49301000002"  # inside: a baresip, an end of the test's own
SIPP = "+49301000003"  # a call agent of its own, over TCP
FAR, LINPHONE, THEIR_END, THEIR_SIPP = "+49892000001", "+49892000002", "+49892000003", "+49892000004"  # behind the edge of b.example
STRANGER, LIAR = "+49892000007", "+49892000008"  # of b.example, but with routes to others
STRANGER_HOST, LIAR_HOST = 6, 7
WITHOUT_TICKET, FOREIGN_TICKET = "+49301000008", "+49301000009"
PASSWORD = "only-in-this-laboratory"
DAY = 86400
DESK_HERTZ, FAR_HERTZ = 600, 1000
TALK_SECONDS = 1.2
MEDIA = 22000  # port of the test's own ends
IPV6_MEDIA = 40000  # there is one ::1 only: each network has ports of its own
QUIET_SECONDS = 0.3
SUITES = "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"  # as the edge prefers them


KEYS = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:" + new_key("AES_CM_128_HMAC_SHA1_32")  # the suite that the edge likes least
AGAIN_KEYS = KEYS.replace(":4", ":1", 1)  # offered again, it is the only one
SECURE = [AUDIO[0].replace("AVP", "SAVP"), *AUDIO[1:], KEYS]
SECURE_AGAIN = [*SECURE[:-1], AGAIN_KEYS]
FAX = ["m=image 40010 udptl t38", "a=T38FaxVersion:0", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF", "a=T38FaxUdpEC:t38UDPRedundancy"]
BARE_AUDIO, SECURE_AUDIO, ANY_FAX = (check("", media) for media in ("m=audio [0-9]+ RTP/AVP 8 0 101", "m=audio [0-9]+ RTP/SAVP 8 0 101", "m=image [0-9]+ udptl t38"))
MANY, RATE = 200, 50
SIPP_SECONDS = 60


class Agent(Caller):
    """sipp as the call agent, which says in a Route where a call goes, as ime-agent does."""

    def __init__(self, edge):
        super().__init__(SIPP, THEIR_SIPP, "tcp")
        self.route = f"Route: <sip:{THEIRS}:{SIPS};maddr={edge};transport=tls;lr>"

    def first(self, method, *fields, body=""):
        """To a number at the far domain."""
        return super().first(method, self.route, *fields, body=body).replace(f"{self.called}@[remote_ip]:[remote_port]", f"{self.called}@{THEIRS}")

    def cancel(self):
        """The same way."""
        return super().cancel().replace(f"{self.called}@[remote_ip]:[remote_port]", f"{self.called}@{THEIRS}").replace("Call-ID", self.route + "\nCall-ID")

    def give_up(self):
        """The same way."""
        return super().give_up().replace(f"{self.called}@[remote_ip]:[remote_port]", f"{self.called}@{THEIRS}").replace("Call-ID", self.route + "\nCall-ID")

    def fields(self, method, cseq, tag="[peer_tag_param]"):
        """From our domain to theirs."""
        return [field.replace("@[local_ip]>;tag", f"@{OURS}>;tag").replace(f"{self.called}@[remote_ip]>", f"{self.called}@{THEIRS}>") for field in super().fields(method, cseq, tag)]

    def answered(self, *actions, ack=True):
        """From ringing to the conversation; ports are the edge's."""
        return [expect(100, optional=True), expect(180, optional=True), expect(200, BARE_AUDIO, *actions), self.request("ACK", 1)]


def answers(*media, **more):
    """The far sipp picks up, with SRTP if nothing else is said. Kamailio's processes may overtake each other, even after a while."""
    return [pause(50), response(200, tag=True, body=sdp(*(media or SECURE), **more), again=True), expect("ACK")]


def plain(caller):
    """The caller hangs up."""
    return caller.answered() + caller.hang_up(), answers() + Callee.hears("BYE")


def callee_ends(caller):
    """The callee hangs up."""
    return caller.answered() + caller.hears("BYE"), answers() + [Callee.request("BYE", 1), expect(200)]


def reinvite(caller):
    """The caller holds the call and takes it back; then the callee does."""
    held, holds, again = ({"version": 2, "direction": "sendonly"}, {"version": 2, "direction": "recvonly"}, {"version": 3})
    return (caller.answered() + caller.reinvite(2, sdp(*AUDIO, **held), BARE_AUDIO, check("", "a=recvonly")) + caller.reinvite(3, sdp(*AUDIO, **again), BARE_AUDIO) +
            [expect("INVITE", BARE_AUDIO, check("", "a=sendonly")), response(200, body=sdp(*AUDIO, version=4, direction="recvonly"), again=True), expect("ACK")] +
            caller.hang_up(4),
            answers() + Callee.reinvited(sdp(*SECURE_AGAIN, **holds), SECURE_AUDIO, check("", "a=sendonly")) + Callee.reinvited(sdp(*SECURE_AGAIN, **again), SECURE_AUDIO) +
            [Callee.request("INVITE", 1, sdp(*SECURE_AGAIN, version=4, direction="sendonly")), expect(100, optional=True),
             expect(200, SECURE_AUDIO, check("", "a=recvonly")), Callee.request("ACK", 1)] + Callee.hears("BYE"))


def fax(caller):
    """The call becomes one of faxes (T.38)."""
    body = sdp(*FAX, version=2)
    return (caller.answered() + caller.reinvite(2, body, ANY_FAX) + caller.hang_up(3),
            answers() + Callee.reinvited(body, ANY_FAX, check("", "a=T38FaxUdpEC:t38UDPRedundancy")) + Callee.hears("BYE"))


def canceled(caller):
    """The caller gives up while it rings."""
    return ([expect(100, optional=True), expect(180), caller.cancel(), expect(200), expect(487), caller.give_up()],
            Callee.hears("CANCEL") + [Callee.late(487, "Request Terminated").replace("Via:[$via]", "Via:[$via]\nVia:[$behind]"), expect("ACK")])


def busy(caller):
    """The callee is busy."""
    return [expect(100, optional=True), expect(180), expect(486), caller.give_up()], [response(486, "Busy Here", tag=True, again=True), expect("ACK")]


BEHIND = keep("Via", "behind").replace("check_it", 'occurrence="2" check_it')  # Kamailio's Via stands before that of the edge
SIPP_CALLS = plain, callee_ends, reinvite, fax, canceled, busy


class Edge(Lab):
    """Addresses: inside 1.1 the edge, 1.2 Kamailio as its call agent, 1.3 a baresip, 1.4 sipp as a call agent, 1.5 the test's own end; outside 2.1 the edge, 2.2 Kamailio as the edge of b.example,
    2.3 a baresip, 2.4 a linphone, 2.5 the test's own end, 2.6 an edge whose certificate is for c.example, 2.7 one whose certificate nobody vouches for, 2.8 rtpengine, 2.9 sipp."""

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
        self.linphone = Linphone(self, "linphone", self.outside(4), LINPHONE, self.outside(2), sections={
            "sip": {"media_encryption": "srtp", "media_encryption_mandatory": 1}})
        self.rtpengine = Rtpengine(self, "rtpengine", self.outside(8))
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
            ("outside", {"tls": f"{self.outside(1)}:{SIPS}", "networks": self.outside(0) + "/24", "private": "yes", "media-address": f"{self.outside(1)}, ::1"}),
            ("tls", {"ca": self.authority.ca, "system-store": "no"}),
            (f"domain {OURS}", {"certificate": certificate, "key": key, "ticket-password": PASSWORD}),
            ("agent kamailio", {"address": f"{self.inside(2)}:{SIP}"}),
            ("agent sipp", {"address": f"{self.inside(4)}:{SIP}"}),
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
                  ((FAR, 2), (LINPHONE, 2), (THEIR_END, 2), (THEIR_SIPP, 2), (STRANGER, 6), (LIAR, 7))}
        neighbors.agent(self, "agent", self.inside(2), self.inside(1), {DESK: self.inside(3), OUR_END: self.inside(5)}, routes)
        for name, host, identity in (("company-b", 2, self.authority.issue(THEIRS, "DNS:" + THEIRS)),
                                     ("company-c", 6, self.authority.issue("c.example", "DNS:c.example")),
                                     ("liar", 7, others.issue("liar", "DNS:" + THEIRS))):
            neighbors.company(self, name, self.outside(host), self.outside(1), OURS, *identity, self.authority.ca,
                              {FAR: self.outside(3), LINPHONE: self.outside(4), THEIR_END: self.outside(5), THEIR_SIPP: self.outside(9), STRANGER: self.outside(5), LIAR: self.outside(5)},
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
        other.expect("ended" if other is self.linphone else "CALL_CLOSED")
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
        """403, and an event that says why; the edge writes its log a little later."""
        events = self.count("edge", reason)
        status = self.comes(number, proxy).status
        assert status == 403, status
        wait_for(lambda: self.count("edge", reason) == events + 1, lambda: self.log_tail("edge"))

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
            assert final.status >= 500, final.first
            wait_for(lambda events=events, reason=reason: self.count("edge", reason) > events, lambda: self.log_tail("edge"))
        self.nothing_kept()

    # -- media by libsrtp2 ----------------------------------------------------------------------------------------------------------

    def libsrtp(self, suite, inward, media=None, mux=False):
        """What the edge sends is decrypted by libsrtp2, and what that sends is accepted; once. media: of the far end. mux: RTCP there comes and goes at
        the port of RTP, as nobody inside does."""
        media = media or self.far_media
        peer = Libsrtp()
        ours, theirs = new_key(suite), {}

        def far(body):
            """The far end's answer, or its offer."""
            offered = Described(body).streams[0] if body else None
            tag = offered["crypto"][suite][0] if offered else "1"
            if offered:
                theirs.update(at=offered["at"], key=offered["crypto"][suite][1], protocol=offered["protocol"], mux="rtcp-mux" in offered["attributes"])
            return describe(media.address, audio(media.port, *(["a=rtcp-mux"] if mux else []), crypto=f"{tag} {suite} inline:{ours}"))
        near = describe(self.inside(5), audio(MEDIA))
        try:
            if inward:
                arrived, came_back = call(self.far_end, self.near_end, far(None), lambda _: near)
                far(came_back)
            else:
                _, arrived = call(self.near_end, self.far_end, near, far)
            assert theirs["protocol"] == "RTP/SAVP" and (theirs["mux"] or not mux), theirs
            stream = Described(arrived).streams[0]
            assert stream["protocol"] == "RTP/AVP" and not stream["crypto"] and ("rtcp-mux" not in stream["attributes"] or mux), arrived
            peer.keys(suite, ours, theirs["key"])
            self.exchange(peer, media, stream["at"], theirs["at"])
            self.reports(peer, media, stream["at"], theirs["at"], mux)
            (self.far_end if inward else self.near_end).bye(self.near_end if inward else self.far_end)
            self.nothing_kept()
        finally:
            peer.end()

    def exchange(self, peer, far, inner, outer):
        """Packets both ways, the far end's first, and some that must not pass."""
        near = self.near_media
        first = rtp(65532)
        far.send(peer.protect(first), outer)
        assert near.receive() == first
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

    def reports(self, peer, far, inner, outer, mux):
        """RTCP both ways, the far end's first."""
        far.send(peer.protect_rtcp(rtcp(7)), (outer[0], outer[1] + (not mux)), rtcp=not mux)
        assert self.near_media.receive(rtcp=True)[1] == 200
        self.near_media.send(rtcp(), (inner[0], inner[1] + 1), rtcp=True)
        report = peer.unprotect_rtcp(far.receive(rtcp=not mux))
        assert report[1] == 200, report

    def over_ipv6(self):
        """The far end's media is at ::1, that inside at an IPv4 address. ::1 is the edge's own, and no place for others: the far end names another one, and
        its first authentic packet shows where it is."""
        media = Media("::1", IPV6_MEDIA + 2 * int(self.network.split(".")[1]), "2001:db8::5")
        try:
            self.libsrtp(SUITES[0], True, media)
        finally:
            media.end()

    def video(self):
        """A second stream with a codec that nobody knows: its parameters arrive, and packets of it both ways."""
        codec = "a=rtpmap:120 X-LAB/90000", "a=fmtp:120 all=kept;as=it-is"
        suite, keys, peer, video = SUITES[2], [new_key(SUITES[2]), new_key(SUITES[2])], Libsrtp(), Media(self.outside(5), MEDIA + 100)
        seen = {}

        def answers(arrived):
            seen["outer"] = Described(arrived).streams
            tags = [stream["crypto"][suite][0] for stream in seen["outer"]]
            streams = [audio(MEDIA, crypto=f"{tags[0]} {suite} inline:{keys[0]}"),
                       "\r\n".join([f"m=video {video.port} RTP/SAVP 120", *codec, f"a=crypto:{tags[1]} {suite} inline:{keys[1]}"])]
            return describe(self.outside(5), *streams)
        try:
            arrived, came_back = call(self.near_end, self.far_end, describe(self.inside(5), audio(MEDIA - 100), "\r\n".join([f"m=video {MEDIA} RTP/AVP 120", *codec])), answers)
            for body in (arrived, came_back):
                assert all(line in body for line in codec), body
            inner = Described(came_back).streams[1]
            assert inner["protocol"] == "RTP/AVP" and not inner["crypto"], came_back
            peer.keys(suite, keys[1], seen["outer"][1]["crypto"][suite][1])
            self.exchange(peer, video, inner["at"], seen["outer"][1]["at"])
            self.near_end.bye(self.far_end)
            self.nothing_kept()
        finally:
            video.end()
            peer.end()

    # -- sipp and linphone ----------------------------------------------------------------------------------------------------------

    def by_sipp(self, kind, calls=1):
        """sipp calls sipp, with plain RTP here and SRTP there."""
        caller = Agent(self.outside(2))
        steps, callee_steps = kind(caller)
        home = os.path.join(self.directory, f"sipp-{kind.__name__}-{calls}")
        os.makedirs(home)
        callee = Sipp(home, "callee", Callee.takes(check("X-Lab", "kept as it is"), SECURE_AUDIO, BEHIND) + Callee.rings() + callee_steps, "udp", (self.outside(9), SIP), calls=calls, seconds=SIPP_SECONDS)
        caller = Sipp(home, "caller", [caller.invite(), *steps], "tcp", (self.inside(4), SIP), (self.inside(1), SIP), calls=calls, rate=RATE, seconds=SIPP_SECONDS)
        try:
            problem = caller.join() or callee.join()
            assert not problem, problem
        finally:
            caller.end()
            callee.end()
        self.nothing_kept()

    def with_linphone(self):
        """It takes nothing but SRTP. A call each way, and tones both ways in each."""
        self.desk.command("dial", f"sip:{LINPHONE}@{THEIRS}")
        self.linphone.expect("Receiving new incoming call")
        self.linphone.command("answer")
        self.talk_with_linphone()
        self.hang_up(self.desk, self.linphone)
        self.linphone.command(f"call sip:{DESK}@{OURS}")
        self.desk.expect("CALL_INCOMING")
        self.desk.command("accept")
        self.talk_with_linphone()
        self.linphone.command("terminate")
        self.desk.expect("CALL_CLOSED")
        self.nothing_kept()

    def talk_with_linphone(self):
        """Tones as events in RTP, in the middle of a call."""
        self.desk.expect("CALL_ESTABLISHED")
        self.linphone.expect("Media streams established")
        self.protected()
        self.linphone.command("5")
        assert self.desk.expect("CALL_DTMF_START")["param"] == "5"
        self.desk.command("sndcode", "7")
        self.linphone.expect("Receiving tone 7")

    # -- rtpengine ----------------------------------------------------------------------------------------------------------------

    def by_rtpengine(self, inward, *suites):
        """It ends the SRTP of the edge for an end without. Out it takes the edge's best suite; in it offers these, or all that it knows, and DTLS."""
        near, far = describe(self.inside(5), audio(MEDIA)), describe(self.outside(5), audio(MEDIA))
        told = {}

        def answers(arrived):
            told["far"] = self.rtpengine.offer(arrived, "RTP/AVP")
            return self.rtpengine.answer(far)
        if inward:
            offer = self.rtpengine.offer(far, "RTP/SAVP", *suites)
            offered = list(Described(offer).streams[0]["crypto"])
            assert offered == list(suites) or not suites and len(offered) > len(SUITES), offer
            arrived, came_back = call(self.far_end, self.near_end, offer, lambda _: near)
            told["far"] = self.rtpengine.answer(came_back)
        else:
            _, arrived = call(self.near_end, self.far_end, near, answers)
        (shown,) = self.edge_calls()
        assert shown["suite"] == (suites or SUITES)[0], shown
        inner, outer = (Described(body).streams[0]["at"] for body in (arrived, told["far"]))
        for number in range(10):
            for sender, receiver, at in ((self.near_media, self.far_media, inner), (self.far_media, self.near_media, outer)):
                packet = rtp(number, os.urandom(160))
                sender.send(packet, at)
                assert receiver.receive() == packet, "a packet has not come through as it was"
        self.rtpengine.delete()
        (self.far_end if inward else self.near_end).bye(self.near_end if inward else self.far_end)
        self.nothing_kept()

    def steps(self):
        """All of them."""
        yield "baresip calls baresip with SRTP: Kamailio is reached over TLS", self.out
        yield "Kamailio brings a call over TLS with a ticket", self.into
        yield "baresip: hold and tones, each way", self.holds
        yield "linphone with SRTP, each way", self.with_linphone
        for kind in SIPP_CALLS:
            yield f"sipp: {kind.__name__.replace('_', ' ')}", lambda kind=kind: self.by_sipp(kind)
        yield f"sipp: {MANY} calls", lambda: self.by_sipp(plain, MANY)
        for what, *refusal in (("without a ticket", "edge.ticket.missing", WITHOUT_TICKET), ("with the ticket for another number", "reason=wrong_number", FOREIGN_TICKET),
                               ("with the ticket of another company", "reason=wrong_domain", OUR_END, STRANGER_HOST)):
            yield f"a call from outside {what}", lambda refusal=refusal: self.refused(*refusal)
        yield "a call from outside with a certificate that nobody vouches for", self.bad_certificate
        yield "routes that lead to others", self.misled
        for suite in SUITES:
            for way, inward in (("out", False), ("in", True)):
                yield f"libsrtp2: a call {way}, {suite}", lambda suite=suite, inward=inward: self.libsrtp(suite, inward)
        yield "libsrtp2: RTCP at the port of RTP on the far side only", lambda: self.libsrtp(SUITES[0], True, mux=True)
        yield "libsrtp2: IPv6 outside, IPv4 inside", self.over_ipv6
        yield "libsrtp2: video with a codec that nobody knows", self.video
        yield "rtpengine: a call out", lambda: self.by_rtpengine(False)
        yield "rtpengine: a call in, with all that it knows", lambda: self.by_rtpengine(True)
        for suite in SUITES:
            yield f"rtpengine: a call in, {suite}", lambda suite=suite: self.by_rtpengine(True, suite)


if __name__ == "__main__":
    LAB = Edge()
    sys.exit(run(LAB))
