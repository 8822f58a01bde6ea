#!/usr/bin/env python3
"""Attacks on the running ime-edge, from the Internet that it faces: certificates and tickets of others, requests that belong to nobody, media from
elsewhere, messages that mean two things, connections that never end, session descriptions that point at the inside. Each is refused or dropped, counted
and logged, while calls in progress go on, with media both ways, and new ones come through; at the end nothing is left of any of it.

    test_edge_attacks.py IME-EDGE IMECTL
"""
import collections
import contextlib
import os
import resource
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "interop"))

import srtp_end  # noqa: E402
from authority import Authority  # noqa: E402
from edge_peers import INSIDE_PORT, OUTSIDE_PORT, TICKET, Far, Loop, Office, Port, Talk, describe, media_of  # noqa: E402
from sip_peers import PATIENCE, Agent, SipError, free_hosts, is_sanitized  # noqa: E402
from srtp_end import Srtp, rtp  # noqa: E402
from tickets import Granter, forged  # noqa: E402

OURS, PASSWORD, NODE, DAY = "b.example", "a-password-of-tickets", b"n" * 16, 86400
NUMBER, OTHER_NUMBER, RINGS, CALLER = "+498900001", "+498900002", "+49895550000", "+493000001"
CONNECTIONS, RESERVED, PER_SOURCE, HALF_OPEN = 1500, 300, 64, 1000
INVALID_TICKET, EXPIRED_TICKET = 147, 140  # causes in Reason (doc/profile.md)
RSS_GROWTH_KIB, SANITIZED_GROWTH_KIB = 64 * 1024, 700 * 1024
LOG_LINES_MAX = 1000
LOSS_MAX = 0.05
FLOOD, FLOOD_AT_ONCE, GOOD_IN_FLOOD = 1500, 30, 50
CONF = """[inside]
tcp = {inside}.1:5060
networks = {inside}.0/24
[outside]
tls = {outside}.1:5061
networks = {outside}.0/24
[tls]
ca = {ca}
system-store = no
crl = {crl}
[domain b.example]
certificate = {certificate}
key = {key}
ticket-password-file = {password}
[agent office]
address = {inside}.2:5060
[media]
workers = 1
port-min = 20000
port-max = 20999
[limits]
connections = {connections}
connections-reserved = {reserved}
connections-per-source = {per_source}
handshake-timeout = 2s
first-timeout = 2s
message-timeout = 1s
late = 30s
"""


def answers_of(far, call_id):
    """Responses to what belongs to no leg."""
    return [m for m in far.strays if m.call_id == call_id]


class Attacks:
    """In order; the first step begins the calls that the others must leave alone, the last one ends them.

    Networks: `inside`, and `outside`, which is where other companies are; the edge is the first address of both. a.example (.2) is the good
    company, c.example (.3) one that has a good certificate and bad manners, the others are in their steps."""

    def __init__(self, programs, folder):
        network = free_hosts(71).rsplit(".", 1)[0]
        self.inside, self.outside, self.elsewhere = (f"{network}.{i}" for i in range(3))
        self.claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # so that others see that the network is taken
        self.claim.bind((f"{self.inside}.1", INSIDE_PORT))
        self.authority = Authority(os.path.join(folder, "authority"))
        self.foreign = Authority(os.path.join(folder, "foreign"), "foreign")
        self.gone = self.authority.issue("gone", "DNS:a.example")
        password = os.path.join(folder, "ticket.password")
        with open(password, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(PASSWORD + "\n")
        certificate, key = self.authority.issue("ours", "DNS:" + OURS)
        self.edge = Agent(*programs, folder, CONF.format(
            inside=self.inside, outside=self.outside, ca=self.authority.ca, crl=self.authority.revoke(self.gone[0]), certificate=certificate, key=key,
            password=password, connections=CONNECTIONS, reserved=RESERVED, per_source=PER_SOURCE), "edge")
        self.sanitized = is_sanitized(programs[0])
        self.granter = Granter(OURS, PASSWORD)
        self.loop = Loop()
        self.office = Office(self.loop, f"{self.inside}.2", OURS, f"{self.inside}.1")
        self.a, self.c = self.company(2, "a.example"), self.company(3, "c.example")
        self.ticket = self.grant()
        self.calls, self.expected = [], collections.Counter()
        self.before, self.log_before, self.resident = {}, 0, 0
        self.sockets = []

    # -- who is there ----------------------------------------------------------------------------------------------------

    def company(self, host, domain, files=None, **how):
        """Another one, with a certificate of ours if no other one is given."""
        files = self.authority.issue(domain, "DNS:" + domain, **how) if files is None else files
        return Far(self.loop, f"{self.outside}.{host}", domain, files, self.authority.ca, (f"{self.outside}.1", OURS))

    def grant(self, number=NUMBER, to="a.example", begins=-DAY, ends=DAY, granter=None):
        """A ticket, good unless told otherwise."""
        now = time.time()
        return (granter or self.granter).grant(number, NODE, to, now + begins, now + ends)

    def trap(self, host):
        """A UDP port that nothing must ever come to."""
        port = Port(self.loop, host)
        self.sockets.append(port)
        return port

    # -- what must hold all the time -------------------------------------------------------------------------------------

    def serves(self):
        """The calls in progress are there at both ends, media passes, and another call is possible."""
        for far, _, talk in self.calls:
            assert far.ask("INVITE", far.describe()).status == 200, "a call in progress is lost"
            talk.flows()
            assert not far.ended and not talk.office.ended
        leg = self.a.connect(CALLER, NUMBER, self.ticket)
        assert leg.hang_up() == 200

    def expect(self, counter, by=1):
        """What has to be counted by the end of the step."""
        self.expected[counter] += by

    def counted(self):
        """All of it has been. Counters of media workers come once a second."""
        missing = []

        def is_complete():
            now = self.edge.counters()
            missing[:] = [f"{name}: {sum(now[n] - self.before[n] for n in name.split())} of {by}" for name, by in self.expected.items()
                          if sum(now[n] - self.before[n] for n in name.split()) < by]
            return not missing
        self.loop.until(is_complete, lambda: "not counted: " + ", ".join(missing))

    def logged(self, *events):
        """These stand in the log of this step, or will soon: who was refused may know it before the log does."""
        for event in events:
            self.loop.until(lambda event=event: event in self.edge.log()[self.log_before:], f"{event} is not in the log")

    def begin_step(self):
        """What it has to be compared with."""
        self.expected.clear()
        self.before, self.log_before = self.edge.counters(), len(self.edge.log())

    def end_step(self):
        """Nothing of it is open anymore."""
        self.counted()
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()

    # -- steps: who may come in ------------------------------------------------------------------------------------------

    def step_calls(self):
        """One call in, one out, both with media; they last."""
        srtp_end.check()
        self.office.listen(INSIDE_PORT)
        self.a.listen(OUTSIDE_PORT)
        self.edge.start()
        self.begin_step()
        far = self.a.connect(CALLER, NUMBER, self.ticket)
        near = self.office.with_called(NUMBER)
        self.calls.append((far, near, Talk(self.loop, near, far)))
        near = self.office.call(self.a, NUMBER, CALLER)
        self.loop.until(near.final, "no answer from a.example")
        assert near.finish("INVITE").status == 200
        far = self.a.with_called(CALLER)
        self.calls.append((far, near, Talk(self.loop, near, far)))
        self.serves()
        for name, by in (("calls_in", 2), ("calls_out", 1), ("tickets_good", 2), ("calls_ended", 1)):
            self.expect("edge." + name, by)
        self.resident = self.edge.resident()

    def tries(self, far, session=None):
        """What comes back over a connection of its own for an INVITE with a good ticket."""
        with contextlib.suppress(OSError), socket.create_connection(far.edge_address, PATIENCE, (far.host, 0)) as plain, \
                far.client.wrap_socket(plain, server_hostname=OURS, session=session) as sock:
            sock.sendall(self.invite(far))
            return sock.recv(65536)
        return b""

    def invite(self, far, number=NUMBER, more=None, body="", method="INVITE", call_id=None, uri=None, **how):
        """A request outside of dialogs, with a good ticket unless `more` says otherwise."""
        mark = secrets.token_hex(8)
        return far.request(method, uri or f"sip:{number}@{OURS};user=phone", f"<sip:{CALLER}@{far.domain}>;tag={mark}", f"<sip:{number}@{OURS}>",
                           call_id or mark, 1, body, f"{TICKET}: {self.ticket}\r\n" if more is None else more, **how).encode()

    def step_certificates(self):
        """Without a good one there is not even an answer; one that is revoked later loses its connection, and does not come back by resumption."""
        alone = Authority(self.authority.directory, "alone")
        cases = [
            ("none", (), "tls_no_certificate"),
            ("of a foreign authority", self.foreign.issue("a.example", "DNS:a.example"), "tls_unknown_ca"),
            ("of nobody but itself", (alone.ca, alone.file("alone.key")), "tls_self_signed"),
            ("expired", self.authority.issue("old", "DNS:a.example", expired=True), "tls_expired"),
            ("revoked", self.gone, "tls_revoked"),
        ]
        for number, (name, files, counter) in enumerate(cases):
            far = self.company(40 + number, "a.example", files)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                far.client.maximum_version = far.client.minimum_version = version
                assert self.tries(far) == b"", f"a certificate that is {name} got an answer with {version.name}"
                self.expect("connections." + counter)
            self.logged(f"connection.refused service=sip reason={counter}")
        nameless = self.company(46, "a.example", self.authority.issue("nameless", "IP:127.0.0.1"))
        assert self.tries(nameless) == b"", "a certificate for no domain got an answer"
        self.expect("connections.tls_wrong_name edge.refused_certificate")
        self.impostor()
        self.revoked_later()
        self.serves()

    def impostor(self):
        """A route that leads to another company's edge: its certificate is good, but not for the domain that is called."""
        self.c.listen(OUTSIDE_PORT)
        self.c.server.load_cert_chain(*self.authority.issue("c.example", "DNS:c.example"))
        came = len(self.c.requests)
        near = self.office.call(self.a, NUMBER, CALLER, host=self.c.host)
        self.loop.until(near.final, "no answer")
        assert near.finish("INVITE").status == 503 and len(self.c.requests) == came, "a call went to another company"
        near.port.close()
        self.expect("connections.tls_wrong_name")
        self.expect("edge.far_unreachable")

    def revoked_later(self):
        """While it is in a call."""
        far = self.company(4, "d.example")
        far.client.maximum_version = ssl.TLSVersion.TLSv1_2  # whose sessions are there at once
        far.listen(OUTSIDE_PORT)
        leg = far.connect(CALLER, NUMBER, self.grant(to="d.example"))
        session, came = leg.line.socket.session, len(far.requests)
        self.authority.revoke(self.authority.file("d.example.pem"))
        self.edge.ctl("edge", "reload")
        self.loop.until(lambda: leg.line.over, "a certificate was revoked, and its connection goes on")
        self.logged("sip.connection.distrusted")
        assert self.tries(far, session) == self.tries(far) == b"", "a revoked certificate got an answer"
        self.expect("connections.tls_revoked", 3)
        near = self.office.with_called(NUMBER)
        near.line = self.office.dial(self.office.edge)
        assert near.hang_up() >= 400, "somebody with a revoked certificate has heard BYE"
        assert len(far.requests) == came
        leg.closed()

    def step_tickets(self):
        """403 and why, so that the call goes by phone network at once."""
        other = Granter(OURS, "another-password")
        good = self.ticket
        cases = [
            ("missing", None, "ticket_missing", INVALID_TICKET),
            ("no base64", "???", "ticket_syntax", INVALID_TICKET),
            ("cut", good[:40], "ticket_syntax", INVALID_TICKET),
            ("altered", forged(good), "ticket_integrity", INVALID_TICKET),
            ("of another password", self.grant(granter=other), "ticket_integrity", INVALID_TICKET),
            ("of another epoch", self.grant(granter=Granter(OURS, PASSWORD, 7)), "ticket_epoch", INVALID_TICKET),
            ("of another granting domain", self.grant(granter=Granter("c.example", PASSWORD)), "ticket_integrity", INVALID_TICKET),
            ("expired", self.grant(begins=-2 * DAY, ends=-DAY), "ticket_expired", EXPIRED_TICKET),
            ("of tomorrow", self.grant(begins=DAY, ends=2 * DAY), "ticket_not_yet_valid", INVALID_TICKET),
            ("for another number", self.grant(OTHER_NUMBER), "ticket_number", INVALID_TICKET),
            ("for another domain", self.grant(to="c.example"), "ticket_domain", INVALID_TICKET),
        ]
        came = len(self.office.requests)
        for name, ticket, counter, cause in cases:
            _, answer = self.a.call(CALLER, NUMBER, ticket)
            assert answer.status == 403 and f"cause={cause}" in answer.get("reason"), f"ticket {name}: {answer.status} {answer.get('reason')}"
            self.expect("edge." + counter)
        _, answer = self.c.call(CALLER, NUMBER, good)  # of a.example's connection
        assert answer.status == 403 and f"cause={INVALID_TICKET}" in answer.get("reason"), f"replayed: {answer.status}"
        self.expect("edge.ticket_domain")
        _, answer = self.a.call(CALLER, NUMBER, good, more=f"{TICKET}: {forged(good)}\r\n")
        assert answer.status == 400, f"two tickets: {answer.status}"
        self.expect("edge.refused_headers")
        leg = self.a.leg(self.a.connected(), CALLER, NUMBER, "c.example", self.a.domain)
        assert leg.ask("INVITE", leg.describe(), f"{TICKET}: {good}\r\n").status == 404, "another domain is served"
        self.expect("edge.refused_domain")
        self.logged("edge.ticket.missing from=a.example", "edge.ticket.invalid from=a.example", "edge.ticket.invalid from=c.example")
        assert good not in self.edge.log() and PASSWORD not in self.edge.log(), "a secret is in the log"
        self.serves()
        invites = [m for m in self.office.requests[came:] if m.method == "INVITE" and ";tag=" not in m.get("to")]
        assert len(invites) == 1, f"{len(invites)} calls have come through in place of the good one"

    # -- steps: what belongs to nobody -----------------------------------------------------------------------------------

    def dropped(self, far, *texts):
        """Nobody answers, and nobody inside hears of it: what comes next is answered."""
        strays, came = len(far.strays), len(self.office.requests)
        for text in texts:
            far.connected().send(text)
        assert far.probe(far.line, NUMBER) == 403
        self.expect("edge.ticket_missing")
        answers = [m.start + " " + m.get("cseq") for m in far.strays[strays:]]
        inside = [m.start for m in self.office.requests[came:]]
        assert not answers and not inside, f"it was answered with {answers}, {inside} came through"

    def step_requests_outside_of_dialogs(self):
        """Those that need one are dropped, others need a ticket, REGISTER is nobody's; answers that nobody asked for come to nothing."""
        in_dialogs = {"BYE": "", "INFO": "", "UPDATE": "", "PRACK": "RAck: 1 1 INVITE\r\n", "NOTIFY": "Event: presence\r\nSubscription-State: active\r\n"}
        for method, more in in_dialogs.items():
            self.dropped(self.c, self.invite(self.c, method=method, more=more))
        with_tag = [self.invite(self.c, method=method, more=more).replace(f"\r\nTo: <sip:{NUMBER}@{OURS}>".encode(),
                                                                          f"\r\nTo: <sip:{NUMBER}@{OURS}>;tag=x".encode())
                    for method, more in {**in_dialogs, "INVITE": "", "REFER": "Refer-To: <sip:x@a.example>\r\n"}.items()]
        self.dropped(self.c, *with_tag)
        self.expect("edge.dropped_dialog", len(in_dialogs) + len(with_tag))
        self.logged("edge.dialog.unknown from=c.example")
        self.dropped(self.c, with_tag[0].replace(b"BYE", b"ACK"))
        self.expect("edge.blocked_ack")
        for method, more in {"MESSAGE": "", "OPTIONS": "", "SUBSCRIBE": "Event: presence\r\n", "PUBLISH": "Event: presence\r\n",
                             "REFER": "Refer-To: <sip:x@a.example>\r\n"}.items():
            assert self.refused(self.c, self.invite(self.c, method=method, more=more)) == 403, method
            self.expect("edge.ticket_missing")
        for method in ("REGISTER", "INVENT"):
            assert self.refused(self.c, self.invite(self.c, method=method)) == 405, method
            self.expect("edge.refused_method")
        assert self.refused(self.c, self.invite(self.c, method="CANCEL", more="")) == 481
        self.expect("sip.cancels_stray")
        response = self.invite(self.c).replace(f"INVITE sip:{NUMBER}@{OURS};user=phone SIP/2.0".encode(), b"SIP/2.0 %d OK").replace(
            f"\r\nTo: <sip:{NUMBER}@{OURS}>".encode(), f"\r\nTo: <sip:{NUMBER}@{OURS}>;tag=x".encode())
        requests = len(self.c.requests)
        self.dropped(self.c, *(response.replace(b"%d", status) for status in (b"100", b"180", b"200", b"486")))
        self.expect("sip.responses_stray", 4)
        assert len(self.c.requests) == requests, f"an answer that nobody asked for was answered with {self.c.requests[-1].start}"
        self.serves()

    @staticmethod
    def call_id(octets):
        """Of a message that was made here."""
        return octets.split(b"Call-ID: ", 1)[1].split(b"\r", 1)[0].decode()

    def refused(self, far, octets):
        """The status of what is refused at once; 0: it was dropped. The connection goes on."""
        far.connected().send(octets)
        assert far.probe(far.line, NUMBER) == 403
        self.expect("edge.ticket_missing")
        return next((m.status for m in answers_of(far, self.call_id(octets))), 0)

    def step_dialogs_of_others(self):
        """Who knows all about a call of two others, but has another certificate, changes nothing."""
        far, near, _ = self.calls[0]
        refer = "Refer-To: <sip:x@c.example>\r\n"
        spoofed = [self.c.request(method, far.target, far.local, far.remote, far.call_id, 50 + i, body, more)
                   for i, (method, body, more) in enumerate((("BYE", "", ""), ("INVITE", far.describe(), ""), ("UPDATE", far.describe(), ""),
                                                             ("INFO", "", ""), ("REFER", "", refer), ("MESSAGE", "", "")))]
        self.dropped(self.c, *spoofed)
        self.expect("edge.dropped_peer", len(spoofed))
        self.logged("edge.dialog.foreign from=c.example")
        mirrored = self.c.request("BYE", far.target, far.remote, far.local, far.call_id, 90)  # as if it came from inside
        self.dropped(self.c, mirrored, self.c.request("ACK", far.target, far.local, far.remote, far.call_id, far.cseq))
        self.expect("edge.dropped_dialog")
        self.expect("edge.blocked_ack")
        assert not far.ended and not near.ended
        self.cancelled_by_others()
        self.answered_by_others()
        self.serves()

    def cancelled_by_others(self):
        """A call that rings goes on ringing."""
        leg = self.a.begin(CALLER, RINGS, self.grant(RINGS))
        self.loop.until(lambda: leg.answers and leg.answers[-1].status == 180, "it does not ring")
        near = self.office.with_called(RINGS)
        cancel = self.a.request("CANCEL", f"sip:{RINGS}@{OURS};user=phone", leg.local, leg.remote, leg.call_id, leg.cseq, branch=leg.branch)
        self.c.connected().send(cancel)
        self.c.probe(self.c.line, NUMBER)
        self.expect("edge.blocked_cancel")
        self.logged("edge.dialog.foreign from=c.example method=CANCEL")
        assert not near.requests[1:] and not leg.final(), "somebody else's CANCEL has ended a call"
        self.office.answer(near)
        self.loop.until(leg.final, "no answer")
        assert leg.finish("INVITE").status == 200
        assert leg.hang_up() == 200

    def answered_by_others(self):
        """Nor does an answer count that another company gives, even if it knows the branch."""
        near = self.office.call(self.a, NUMBER, self.a.rings)
        self.loop.until(lambda: self.a.with_called(self.a.rings), "the call does not arrive")
        far = self.a.with_called(self.a.rings)
        self.loop.until(lambda: near.answers, "it does not ring")
        stolen = far.describe().replace(f"{self.a.host}", f"{self.c.host}")
        tag = far.local.rsplit("tag=", 1)[1]
        far.hear(far.invite.body)
        self.c.respond(self.c.connected(), far.invite, 200, "OK", tag, stolen)
        self.c.respond(self.c.line, far.invite, 486, "Busy Here", tag)
        assert self.c.probe(self.c.line, NUMBER) == 403
        assert not near.final(), "another company has answered a call"
        self.expect("edge.blocked_response", 2)
        self.logged("edge.dialog.foreign from=c.example of=a.example")
        self.a.answer(far)
        self.loop.until(near.final, "no answer")
        assert near.finish("INVITE").status == 200 and near.hang_up() == 200
        self.loop.until(lambda: far.ended, "BYE has not come")

    # -- steps: media ----------------------------------------------------------------------------------------------------

    def step_media_of_others(self):
        """Only the other end's packets pass, each once."""
        far, near, talk = self.calls[0]
        talk.flows()
        outside, inside = self.trap(f"{self.outside}.66"), self.trap(f"{self.inside}.66")
        sibling = self.trap(near.party.host)  # another port of the agent
        noise = rtp(7, 1, b"\x55" * 160)
        strange = Srtp()
        for sender, target in ((outside, far.peer), (inside, near.peer), (sibling, near.peer), (inside, far.peer)):
            for packet in (noise, strange.protect(noise), talk.last, far.sends.protect(rtp(9, 1, b"\x66" * 160))):
                sender.send(packet, target)
                self.expect("relay.refused_foreign")
        again = talk.last
        for _ in range(3):
            far.port.send(again, far.peer)
        self.expect("relay.refused_replayed", 3)
        new = far.sends.protect(rtp(talk.ssrcs[far], talk.sent[far] + 50, b"\x66" * 160))
        for packet in (new[:-1] + bytes([new[-1] ^ 1]), new[:20] + bytes([new[20] ^ 1]) + new[21:], strange.protect(noise), noise):
            far.port.send(packet, far.peer)
        self.expect("relay.refused_forged", 4)
        for packet in (b"", b"\x80", b"\x80\x08\x00\x01", b"\x16\x03\x01\x02\x00\x01", secrets.token_bytes(1400)[:1] + b"\0" * 11, b"\xff" * 1500):
            far.port.send(packet, far.peer)
        self.expect("relay.refused_malformed", 3)
        talk.flows()
        self.before_latching()
        self.many_sources()
        self.after_the_end()
        assert not outside.got and not inside.got and not sibling.got, "media has gone elsewhere"
        self.serves()

    def before_latching(self):
        """Who is first does not win without the key, or from another host inside."""
        leg = self.a.connect(CALLER, NUMBER, self.ticket)
        near = self.office.with_called(NUMBER)
        outside, inside = self.trap(f"{self.outside}.66"), self.trap(f"{self.inside}.66")
        for packet in (rtp(7, 1, b"\x55" * 160), Srtp().protect(rtp(7, 1, b"\x55" * 160))):
            outside.send(packet, leg.peer)
            self.expect("relay.refused_forged")
        inside.send(rtp(7, 1, b"\x55" * 160), near.peer)
        self.expect("relay.refused_foreign")
        self.counted()
        talk = Talk(self.loop, near, leg)
        talk.flows()
        talk.stop()
        assert not outside.got and not inside.got
        assert leg.hang_up() == 200

    def many_sources(self):
        """A company that sends from ever new SSRCs has so many, and no more; its call goes on."""
        leg = self.a.connect(CALLER, NUMBER, self.ticket)
        near = self.office.with_called(NUMBER)
        for ssrc in range(1000, 1600):
            leg.port.send(leg.sends.protect(rtp(ssrc, 1, b"\x55" * 160)), leg.peer)
            if ssrc % 50 == 0:
                self.loop.turn()
        self.expect("relay.refused_no_key", 100)
        self.counted()
        self.loop.turn()
        assert 1 <= len(near.port.got) <= 128, f"{len(near.port.got)} sources have come through"
        before = len(near.port.got)
        leg.port.send(leg.sends.protect(rtp(1000, 2, b"\x55" * 160)), leg.peer)
        self.loop.until(lambda: len(near.port.got) > before, "its first source was forgotten")
        assert leg.hang_up() == 200

    def open_ports(self):
        """Of the edge for media: (host, port), from the kernel. What is connected to itself is kept for another call: nothing gets in there."""
        found = set()
        with open("/proc/net/udp") as f:
            for fields in (line.split() for line in list(f)[1:]):
                if fields[1] == fields[2]:
                    continue
                host, port = fields[1].split(":")
                found.add((socket.inet_ntoa(bytes.fromhex(host)[::-1]), int(port, 16)))
        return {point for point in found if point[0] in (f"{self.inside}.1", f"{self.outside}.1")} - {self.claim.getsockname()}

    def after_the_end(self):
        """Nothing comes through its ports anymore, nobody answers there, and they are not open to who knocks."""
        leg = self.a.connect(CALLER, NUMBER, self.ticket)
        near = self.office.with_called(NUMBER)
        points, key = {leg.peer, near.peer}, leg.sends
        assert points <= self.open_ports()
        assert leg.hang_up() == 200
        late, listener = self.trap(self.a.host), self.trap(near.party.host)
        for point in points:
            late.send(key.protect(rtp(7, 1, b"\x55" * 160)), point)
        self.are_shut(points)
        assert not late.got and not listener.got

    def are_shut(self, points):
        """Ports of calls that are over. The edge may keep them for other calls; it throws away what comes first, and from then on the kernel tells whoever sends
        there that nobody is there."""
        for point in points:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.setblocking(False)
                probe.connect(point)
                self.loop.until(lambda point=point, probe=probe: self.is_refused(point, probe), f"a port of a call that is over is open: {point}")
        assert not points & self.open_ports(), f"open: {points & self.open_ports()}"

    @staticmethod
    def is_refused(point, probe):
        """Whether the kernel says so. Anything else that comes back is an answer."""
        try:
            probe.send(b"x")
            octets = probe.recv(1)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            return True
        raise AssertionError(f"{point} answers with {octets}")

    # -- steps: messages that mean two things ----------------------------------------------------------------------------

    def step_smuggling(self):
        """What two readers could read in two ways ends the connection, or gets 400; limits have their answers."""
        far, head = self.c, f"{TICKET}: {self.grant(to='c.example')}\r\n"

        def cut(old, new):
            octets = self.invite(far, more=head)
            assert old in octets
            return octets.replace(old, new, 1)
        bye = self.c.request("BYE", "sip:x@x", "<sip:x@x>;tag=1", "<sip:x@x>;tag=2", "smuggled", 1).encode()
        framing = {
            "two lengths": self.invite(far, more=head + "Content-Length: 5\r\n"),
            "two lengths, one of them compact": self.invite(far, more=head + "l: 0\r\n"),
            "a negative length": self.invite(far, more=head, length=-1),
            "a length with a sign": self.invite(far, more=head, length="+0"),
            "a length that is hexadecimal": self.invite(far, more=head, length="0x0"),
            "two lengths in one": self.invite(far, more=head, length="0, 5"),
            "a length that no number holds": self.invite(far, more=head, length="9" * 40),
            "a length beyond all limits": self.invite(far, more=head, length=1 << 30),
            "no length": cut(b"Content-Length: 0\r\n", b""),
            "a length behind a bare LF": self.invite(far, more=head + "X-A: b\nContent-Length: 0\r\n"),
            "lines that end with bare LFs": self.invite(far, more=head).replace(b"\r\n", b"\n"),
            "a head that ends with bare LFs": cut(b"\r\n\r\n", b"\n\n") + bye,
            "an empty line that is a bare LF": cut(b"\r\n\r\n", b"\r\n\n") + bye,
            "a giant head": self.invite(far, more=head + "X-Giant: " + "g" * 70000 + "\r\n"),
            "a head without end": b"INVITE sip:a SIP/2.0\r\nCall-ID: x\r\n" + b"X: y\r\n" * 20000,
            "a giant body": self.invite(far, more=head, body="b" * 200000, kind="text/plain"),
            "garbage": b"\x80" + secrets.token_bytes(500).replace(b"\n", b" ") + b"Call-ID: x\r\n",
        }
        for name, octets in framing.items():  # one after the other: who is silent for long, or slow, is ended for that
            line = far.dial(far.edge_address)
            line.send(octets)
            self.loop.until(lambda line=line: line.over, f"{name}: the connection is still open")
        self.expect("net.bad_framing", len(framing))
        statuses = [m.status for octets in framing.values() for m in answers_of(far, self.call_id(octets))]
        assert set(statuses) <= {400, 413}, statuses
        cases = [
            ("a field behind a bare LF", self.invite(far, more=head + "X-A: b\nX-IME-Domain: evil.example\r\n"), (0, 400), "sip.refused_syntax"),
            ("a field behind a bare CR", self.invite(far, more=head + "X-A: b\rX-IME-Domain: evil.example\r\n"), (0, 400), "sip.refused_syntax"),
            ("an octet 0", self.invite(far, more=head + "X-A: b\0c\r\n"), (0, 400), "sip.refused_syntax"),
            ("a name that is folded", self.invite(far, more=head + "X-IME\r\n -Domain: evil.example\r\n"), (0, 400), "sip.refused_syntax"),
            ("a field without a colon", self.invite(far, more=head + "X-IME-Domain evil.example\r\n"), (0, 400), "sip.refused_syntax"),
            ("two Call-IDs", self.invite(far, more=head + "i: another\r\n"), (0, 400), "sip.refused_syntax"),
            ("two From", self.invite(far, more=head + "f: <sip:x@a.example>;tag=1\r\n"), (0, 400), "sip.refused_syntax"),
            ("two CSeq", self.invite(far, more=head + "CSeq: 2 BYE\r\n"), (0, 400), "sip.refused_syntax"),
            ("another method in CSeq", cut(b"1 INVITE", b"1 BYE"), (0, 400), "sip.refused_syntax"),
            ("another version", cut(b" SIP/2.0\r", b" SIP/3.0\r"), (505,), "sip.refused_version"),
            ("two tickets", self.invite(far, more=head + head), (400,), "edge.refused_headers"),
            ("two Contacts", self.invite(far, more=head + "m: <sip:x@c.example>\r\n"), (400,), "edge.refused_headers"),
            ("a Contact inside", cut(f"<{far.contact}>".encode(), f"<sip:{self.inside}.2:5060>".encode()), (403,), "edge.refused_address"),
            ("a Contact at the edge", cut(f"<{far.contact}>".encode(), f"<sip:{self.outside}.1:5061>".encode()), (403,), "edge.refused_address"),
            ("no hops left", cut(b"Forwards: 70", b"Forwards: 0"), (483,), "edge.refused_hops"),
            ("what no proxy can", self.invite(far, more=head + "Proxy-Require: magic\r\n"), (420,), "edge.refused_headers"),
            ("a large head", self.invite(far, more=head + ("X-Large: " + "g" * 7000 + "\r\n") * 3), (513,), "edge.refused_headers"),
            ("many fields", self.invite(far, more=head + "X: y\r\n" * 200), (400,), "edge.refused_headers"),
            ("a long Request-URI", self.invite(far, more=head, uri=f"sip:{NUMBER}@{OURS};x={'y' * 2000}"), (414,), "edge.refused_headers"),
            ("a large body", self.invite(far, more=head, body="b" * 40000, kind="text/plain"), (413,), "edge.refused_sdp"),
            ("a body of no type", self.invite(far, more=head + "X: Content-Type: x/y\r\n", body="b"), (400,), "edge.refused_sdp"),
        ]
        came = len(self.office.requests)
        for name, octets, statuses, counter in cases:
            status = self.refused(far, octets)
            assert status in statuses, f"{name}: {status}"
            self.expect(counter)
        self.logged("edge.request.refused from=c.example")
        assert not self.office.requests[came:], f"{[m.start for m in self.office.requests[came:]]} came through"
        self.pipelined()
        self.injected()
        self.serves()

    def pipelined(self):
        """Each message once, in order; what stands in a body is nobody's request."""
        call, _, _ = self.calls[0]
        hidden = self.a.request("BYE", call.target, call.local, call.remote, call.call_id, 77)
        message, later = (self.invite(self.a, method="MESSAGE", body="\r\n\r\n" + hidden + hidden, kind="text/plain") for _ in range(2))
        folded = self.invite(self.a, method="MESSAGE", length="\r\n\t0 ")
        self.a.connected().send(message + folded + self.invite(self.a, method="OPTIONS", more="") + b"\r\n\r\n" + later[:100])
        self.a.line.send(later[100:])
        came = len(self.office.requests)
        self.expect("edge.ticket_missing")

        def finals(octets):
            return [m.status for m in answers_of(self.a, self.call_id(octets))]
        sent = (message, folded, later)
        self.loop.until(lambda: all(finals(m) == [200] for m in sent), lambda: f"they were answered with {[finals(m) for m in sent]}")
        bodies = [m.body for m in self.office.requests[came:]]
        assert bodies == ["\r\n\r\n" + hidden + hidden, "", "\r\n\r\n" + hidden + hidden], bodies
        assert not call.ended and not self.calls[0][1].ended

    def injected(self):
        """What only the edge tells its agent, and where requests go, nobody outside says."""
        more = (f"Route: <sip:{self.inside}.2:5060;lr>\r\nRecord-Route: <sip:{self.inside}.2;lr>\r\nPath: <sip:{self.inside}.2;lr>\r\n"
                f"Via: SIP/2.0/TLS {self.inside}.1:5060;branch=z9hG4bKinside;received={self.inside}.2\r\nX-IME-Domain: evil.example\r\n"
                "x-ime-domain : evil.example\r\nX-IME-Quality: bad;loss=1\r\nX-Ime-Anything:\r\n more\r\nX-Harmless: yes\r\n")
        leg, answer = self.a.call(CALLER, NUMBER, self.ticket, more=more)
        assert answer.status == 200
        invite = self.office.with_called(NUMBER).invite
        assert invite.all("x-ime-domain") == ["a.example"], invite.all("x-ime-domain")
        for name in ("x-ime-quality", "x-ime-anything", "route", "record-route", "path"):
            assert not invite.all(name), f"{name}: {invite.all(name)}"
        assert len(invite.all("via")) == 1 and invite.get("x-harmless") == "yes"
        assert leg.ask("INFO", more="X-IME-Quality: bad\r\nX-IME-Domain: evil.example\r\n").status == 200
        info = self.office.requests[-1]
        assert info.method == "INFO" and not info.all("x-ime-quality") and "evil.example" not in info.all("x-ime-domain")
        assert leg.hang_up() == 200
        self.a.answer_more = f"X-IME-Quality: bad\r\nX-IME-Domain: evil.example\r\nRecord-Route: <sip:{self.inside}.2;lr>\r\n"
        near = self.office.call(self.a, NUMBER, CALLER)
        self.loop.until(near.final, "no answer")
        self.a.answer_more = ""
        answer = near.finish("INVITE")
        assert answer.status == 200 and not any(answer.all(name) for name in ("x-ime-quality", "x-ime-domain", "record-route"))
        assert near.hang_up() == 200
        leg, answer = self.a.call(CALLER, NUMBER, self.ticket, more="", body=describe(self.a.host, 40000, Srtp().line()))
        assert answer.status == 200 and leg.hang_up() == 200

    # -- steps: connections ----------------------------------------------------------------------------------------------

    def hello(self):
        """The beginning of a handshake, as a client says it."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.c.client.wrap_bio(incoming, outgoing, server_hostname=OURS).do_handshake()
        return outgoing.read()

    def stranger(self, place):
        """A connection from somewhere that does not belong to any company."""
        sock = socket.create_connection(self.a.edge_address, PATIENCE, (f"{self.elsewhere}.{place}", 0))
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    @staticmethod
    def comes_in(far):
        """Whether it gets a connection now."""
        with contextlib.suppress(OSError):
            far.connected()
            return True
        return False

    @staticmethod
    def is_over(sock):
        """The other side has ended it, whatever it said before."""
        try:
            while sock.recv(65536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def step_connections_that_never_end(self):
        """Half-open ones from many places, floods of handshakes, silence, and messages octet by octet: each has its time, and then it is over."""
        hello = self.hello()
        half = []
        for i in range(HALF_OPEN):
            half.append(self.stranger(1 + i // 50))
            half[-1].send(hello[:(0, 7, len(hello))[i % 3]]) if i % 3 else None
            if i % 50 == 0:
                self.loop.turn(0)
        for _ in range(PER_SOURCE + 10):
            half.append(self.stranger(100))
        self.expect("net.refused_source connections.limit_source connections.limit_handshakes", 10)
        known = self.a.dial(self.a.edge_address)  # who was there before is not kept out at all
        assert self.a.probe(known, NUMBER) == 403
        self.serves()
        newcomer = self.company(5, "e.example")  # who was not has to try again while as many are in their handshake as may be
        self.loop.until(lambda: self.comes_in(newcomer), "strangers keep a company out")
        assert newcomer.connect(CALLER, NUMBER, self.grant(to="e.example")).hang_up() == 200
        slow = [self.c.dial(self.c.edge_address) for _ in range(3)]
        silent = [self.c.dial(self.c.edge_address) for _ in range(3)]
        octets, sent = self.invite(self.c), [0, 0]

        def trickle():
            if time.monotonic() >= sent[1]:
                sent[:] = sent[0] + 1, time.monotonic() + 0.03
                for line in slow:
                    line.send(octets[sent[0] - 1:sent[0]])
        self.loop.duties.append(trickle)
        self.loop.until(lambda: all(line.over for line in slow + silent), "who is slow or silent may stay")
        self.loop.duties.remove(trickle)
        self.expect("net.closed_slow", len(slow))
        self.expect("net.closed_silent", len(silent))
        self.loop.until(lambda: all(self.is_over(sock) for sock in half), "half-open connections stay")
        self.expect("net.closed_half_open connections.handshake_timeout connections.limit_handshakes connections.limit_source", HALF_OPEN // 2)
        self.serves()

    # -- steps: session descriptions -------------------------------------------------------------------------------------

    def offer(self, host, port, more="", kind="IP4", **how):
        """With a key."""
        return describe(host, port, Srtp().line(), more=more, **how).replace("c=IN IP4", f"c=IN {kind}")

    def step_descriptions_that_point_inside(self):
        """No packet ever goes there: the offer, or the answer, is refused."""
        inside, here, door = self.trap(f"{self.inside}.50"), self.trap("127.0.0.1"), socket.create_server((f"{self.inside}.50", OUTSIDE_PORT))
        self.sockets.append(door)
        good, key = self.a.host, 40000
        cases = {
            "inside": self.offer(inside.host, inside.number),
            "the agent": self.offer(self.office.host, INSIDE_PORT),
            "loopback": self.offer("127.0.0.1", here.number),
            "loopback of IPv6": self.offer("::1", here.number, kind="IP6"),
            "inside, mapped into IPv6": self.offer(f"::ffff:{inside.host}", inside.number, kind="IP6"),
            "multicast": self.offer("224.1.1.1", key),
            "broadcast": self.offer("255.255.255.255", key),
            "link-local": self.offer("169.254.169.254", key),
            "a private network": self.offer("10.0.0.1", key),
            "the edge outside": self.offer(f"{self.outside}.1", OUTSIDE_PORT),
            "media of another call": self.offer(*self.calls[0][0].peer),
            "the edge inside": self.offer(*self.calls[0][1].peer),
            "a name": self.offer("inside.b.example", key),
            "localhost": self.offer("localhost", key),
            "an address in octal": self.offer("0177.0.0.1", key),
            "an address as a number": self.offer("2130706433", key),
            "a short address": self.offer("127.1", key),
            "a service": self.offer(good, 53),
            "a port that is none": self.offer(good, 65536),
            "RTCP inside": self.offer(good, key, f"a=rtcp:{inside.number} IN IP4 {inside.host}\r\n"),
            "RTCP at a name": self.offer(good, key, f"a=rtcp:{inside.number} IN IP4 inside.b.example\r\n"),
            "RTCP at a service": self.offer(good, key, "a=rtcp:25\r\n"),
            "RTCP of the edge": self.offer(good, key, f"a=rtcp:{self.calls[0][0].peer[1]} IN IP4 {self.calls[0][0].peer[0]}\r\n"),
            "a second stream inside": self.offer(good, key) + self.offer(inside.host, inside.number).split("t=0 0\r\n")[1].replace(
                "\r\n", f"\r\nc=IN IP4 {inside.host}\r\n", 1),
        }
        came = len(self.office.requests)
        for name, body in cases.items():
            _, answer = self.a.call(CALLER, NUMBER, self.ticket, body)
            assert answer.status in (400, 403, 488), f"{name}: {answer.status}"
        self.expect("edge.refused_address edge.refused_sdp edge.refused_media", len(cases))
        self.expect("edge.refused_address", len(cases) - 6)
        self.logged("edge.sdp.refused from=a.example")
        assert not self.office.requests[came:], f"{[m.start for m in self.office.requests[came:]]} came through"
        assert self.a.call(CALLER, NUMBER, self.ticket, self.offer(good, 0))[1].status == 488, "the office has answered more than was offered"
        self.changed_to_inside(inside)
        self.answered_with(lambda leg, _: describe(inside.host, inside.number, leg.describe().split("a=crypto:")[1].split("\r\n")[0]), "edge.refused_address")
        for host in (inside.host, self.office.host, "127.0.0.1", f"{self.outside}.1", f"{self.inside}.1"):  # as a learned route may say
            near = self.office.call(self.a, NUMBER, CALLER, host=host)
            self.loop.until(near.final, "no answer")
            assert near.finish("INVITE").status == 403, f"a call is routed to {host}"
            near.port.close()
            self.expect("edge.refused_route")
        self.logged("edge.route.refused")
        leg, answer = self.a.call(CALLER, NUMBER, self.ticket, self.offer(good, key, "".join(
            f"a=candidate:{i} {i} UDP 1 {inside.host} {inside.number} typ host\r\na=remote-candidates:1 {inside.host} {inside.number}\r\n" for i in (1, 2))))
        near = self.office.with_called(NUMBER)
        assert answer.status == 200 and "candidate" not in near.invite.body
        for number in range(20):
            near.port.send(rtp(5, number, b"\x11" * 160), near.peer)
        assert leg.hang_up() == 200
        self.serves()
        door.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            door.accept()
            raise SipError("the edge has connected to the inside")
        assert not inside.got and not here.got, "packets have gone where none may go"

    def changed_to_inside(self, inside):
        """Nor by a re-INVITE: the call stays as it was."""
        leg = self.a.connect(CALLER, NUMBER, self.ticket)
        near = self.office.with_called(NUMBER)
        talk = Talk(self.loop, near, leg)
        talk.flows()
        body = leg.describe().replace(f"c=IN IP4 {leg.party.host}", f"c=IN IP4 {inside.host}").replace(f"audio {leg.port.number}", f"audio {inside.number}")
        assert leg.ask("INVITE", body).status in (403, 488)
        self.expect("edge.refused_address")
        talk.flows()
        talk.stop()
        assert leg.hang_up() == 200

    def answered_with(self, body, counter, statuses=(488,)):
        """The agent calls; the far side answers with such a description: refused for the one, and ended for the other."""
        self.a.answer_body = body
        near = self.office.call(self.a, NUMBER, CALLER)
        self.loop.until(near.final, "no answer")
        self.a.answer_body = None
        assert near.finish("INVITE").status in statuses, near.final().status
        near.port.close()
        self.loop.until(lambda: self.a.with_called(CALLER).ended, "who gave such an answer is not told of the end")
        self.expect(counter)

    def step_without_srtp(self):
        """488, whichever side offers."""
        host, key = self.a.host, Srtp()
        cases = {
            "RTP": describe(host, 40000),
            "RTP in a secure profile": describe(host, 40000, profile="RTP/SAVP"),
            "an unknown suite": describe(host, 40000, key.line(suite="F8_128_HMAC_SHA1_80")),
            "without encryption": describe(host, 40000, key.line() + " UNENCRYPTED_SRTP"),
            "without authentication": describe(host, 40000, key.line() + " UNAUTHENTICATED_SRTP"),
            "a short key": describe(host, 40000, "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 20),
            "no key": describe(host, 40000, "1 AES_CM_128_HMAC_SHA1_80"),
        }
        came = len(self.office.requests)
        for name, body in cases.items():
            _, answer = self.a.call(CALLER, NUMBER, self.ticket, body)
            assert answer.status == 488, f"{name}: {answer.status}"
        self.expect("edge.refused_srtp edge.refused_sdp", len(cases))
        self.expect("edge.refused_srtp", 4)
        assert not self.office.requests[came:], f"{[m.start for m in self.office.requests[came:]]} came through"
        self.logged("edge.srtp.missing from=a.example")
        self.answered_with(lambda leg, _: describe(leg.party.host, leg.port.number), "edge.refused_srtp edge.refused_sdp")
        self.answered_with(lambda leg, _: describe(leg.party.host, leg.port.number, Srtp().line(9)), "edge.refused_srtp edge.refused_sdp")
        self.serves()

    # -- steps: floods, and the end --------------------------------------------------------------------------------------

    def step_flood_of_bad_tickets(self):
        """From a company with a good certificate, while another one calls: all its calls are answered."""
        bad, good, sent = forged(self.grant(to="c.example")), [], 0
        line = self.c.connected()
        refused = len(self.c.strays)
        began = time.monotonic()
        while sent < FLOOD:
            line.send(b"".join(self.invite(self.c, more=f"{TICKET}: {bad}\r\n") for _ in range(FLOOD_AT_ONCE)))
            sent += FLOOD_AT_ONCE
            if len(good) < GOOD_IN_FLOOD:
                good.append(self.a.begin(CALLER, NUMBER, self.ticket))
            self.loop.turn()
        self.loop.until(lambda: all(leg.final() for leg in good), "calls are not answered during a flood")
        took = time.monotonic() - began
        assert [leg.finish("INVITE").status for leg in good] == [200] * GOOD_IN_FLOOD, "a good call was refused because of bad ones"
        self.loop.until(lambda: len(self.c.strays) >= refused + FLOOD, "bad ones have no answer")
        assert {m.status for m in self.c.strays[refused:]} == {403}
        self.expect("edge.ticket_integrity", FLOOD)
        print(f"# {FLOOD} bad and {GOOD_IN_FLOOD} good ones in {took:.2f} s")
        for leg in good:
            assert leg.hang_up() == 200
        assert self.edge.log()[self.log_before:].count("edge.ticket.invalid") <= 20 * (took + 3), "a flood fills the log"
        self.serves()

    def step_ends(self):
        """The calls end as they should, one from each side. Nothing is left."""
        lost = [talk.loss() for _, _, talk in self.calls]
        print(f"# media: {[(talk.sent[talk.far], talk.sent[talk.office]) for _, _, talk in self.calls]} packets, loss {lost}")
        assert max(lost) < LOSS_MAX, "media of calls in progress was lost"
        far, near, talk = self.calls[0]
        talk.stop()
        assert far.hang_up() == 200
        self.loop.until(lambda: near.ended, "the office was not told of the end")
        far, near, talk = self.calls[1]
        talk.stop()
        assert near.hang_up() == 200
        self.loop.until(lambda: far.ended, "a.example was not told of the end")

        def left():
            status = self.edge.ctl("show", "status")
            return {name: status[name] for name in ("calls", "subscriptions", "other_requests", "media_sessions") if status[name]}
        self.loop.until(lambda: not left(), lambda: f"left: {left()}")
        assert self.edge.ctl("edge", "show", "calls")["calls"] == 0
        self.are_shut(self.open_ports())
        grown = self.edge.resident() - self.resident
        lines = self.edge.log().count("\n")
        print(f"# resident {self.resident} KiB with two calls, {grown} KiB more after all; {lines} lines in the log")
        assert grown < (SANITIZED_GROWTH_KIB if self.sanitized else RSS_GROWTH_KIB), f"it grew by {grown} KiB"
        assert lines < LOG_LINES_MAX
        self.edge.stop()


def main():
    """TAP."""
    names = [name for name in vars(Attacks) if name.startswith("step_")]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 8192), files[1]))
    print(f"1..{len(names)}")
    with tempfile.TemporaryDirectory() as folder:
        attacks = Attacks(sys.argv[1:3], folder)
        number = 0
        try:
            for number, name in enumerate(names, 1):
                began = time.monotonic()
                if number > 1:
                    attacks.begin_step()
                getattr(attacks, name)()
                if attacks.edge.child.poll() is None:
                    attacks.end_step()
                print(f"ok {number} - {name}\n# {time.monotonic() - began:.1f} s", flush=True)
        except (AssertionError, SipError, OSError, KeyError, subprocess.SubprocessError) as error:
            text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
            log = "".join("# " + line for line in attacks.edge.log().splitlines(True)[-30:])
            print(f"not ok {number} - {names[number - 1]}\n# {text}\n{log}Bail out! the steps need one another", flush=True)
            return 1
        finally:
            if attacks.edge.child and attacks.edge.child.poll() is None:
                attacks.edge.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
