#!/usr/bin/env python3
"""A whole ime-edge between a call agent inside (SIP over TCP, RTP) and another company outside (SIP over TLS with a certificate, SRTP by libsrtp): calls
each way with voice each way, and what comes without a good ticket or certificate.

    test_edge.py IME-EDGE IMECTL
"""
import base64
import ctypes
import hashlib
import hmac
import os
import re
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

from sip_peers import Agent as Daemon
from sip_peers import Message, free_hosts

PATIENCE = 60
PASSWORD = "a-ticket-password"
NUMBER = "+4930123456"
THEIRS = "+4940654321"
SUITE = "AES_CM_128_HMAC_SHA1_80"
NTP = 2208988800


def openssl(folder, *words):
    """Runs openssl there."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    """An authority: NAME.pem, NAME.key."""
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "30", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificate(folder, domain, authority, name=None):
    """NAME.pem, NAME.key: a certificate for a domain."""
    name = name or domain
    with open(os.path.join(folder, "extensions"), "w") as f:
        f.write(f"subjectAltName=DNS:{domain}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n"
                "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={domain}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "29",
            "-extfile", "extensions", "-out", f"{name}.pem")
    os.chmod(os.path.join(folder, f"{name}.key"), 0o600)


def attribute(kind, value):
    """One attribute of a ticket (src/ticket/README.md)."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def ticket(number, granted_to, granting="b.example", epoch=1, password=PASSWORD):
    """A ticket as B's IME server would have granted it."""
    now = int(time.time()) + NTP
    octets = b"".join(attribute(0x6001 + i, value) for i, value in enumerate((
        b"\1", bytes([epoch]), secrets.token_bytes(16), struct.pack("!II", now - 60, 0), struct.pack("!II", now + 86400, 0), number.encode(), bytes(16),
        granting.encode(), granted_to.encode())))
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), granting.encode() + bytes([epoch]), 600000, 32)
    return base64.b64encode(octets + attribute(0x600a, hmac.digest(key, octets, "sha256")[:16])).decode()


class CryptoPolicy(ctypes.Structure):
    """srtp_crypto_policy_t"""
    _fields_ = [(name, ctypes.c_int) for name in ("cipher", "key_octets", "auth", "auth_key_octets", "tag_octets", "services")]


class Policy(ctypes.Structure):
    """srtp_policy_t"""
    _fields_ = [("ssrc_type", ctypes.c_int), ("ssrc", ctypes.c_uint), ("rtp", CryptoPolicy), ("rtcp", CryptoPolicy), ("key", ctypes.c_char_p),
                ("keys", ctypes.c_void_p), ("key_count", ctypes.c_ulong), ("ekt", ctypes.c_void_p), ("window", ctypes.c_ulong), ("repeats", ctypes.c_int),
                ("headers", ctypes.c_void_p), ("header_count", ctypes.c_int), ("next", ctypes.c_void_p)]


class Srtp:
    """One direction of a stream, as libsrtp protects it: an implementation that is not ours."""
    library = ctypes.CDLL("libsrtp2.so.1")
    assert library.srtp_init() == 0

    def __init__(self, master, inbound):
        policy = Policy(ssrc_type=2 if inbound else 3, key=master, window=128)
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtp))
        self.library.srtp_crypto_policy_set_rtp_default(ctypes.byref(policy.rtcp))
        self.context = ctypes.c_void_p()
        assert self.library.srtp_create(ctypes.byref(self.context), ctypes.byref(policy)) == 0

    def run(self, function, packet):
        """The packet protected, or what was protected; an error is an AssertionError."""
        data, n = ctypes.create_string_buffer(packet, len(packet) + 64), ctypes.c_int(len(packet))
        status = function(self.context, data, ctypes.byref(n))
        assert status == 0, f"libsrtp says {status}"
        return data.raw[:n.value]

    def protect(self, packet):
        """RTP to SRTP."""
        return self.run(self.library.srtp_protect, packet)

    def unprotect(self, packet):
        """SRTP to RTP."""
        return self.run(self.library.srtp_unprotect, packet)


class Line:
    """A connection with SIP on it."""

    def __init__(self, sock):
        self.socket, self.got = sock, b""
        sock.settimeout(PATIENCE)

    def send(self, lines, body=""):
        """A message of these lines."""
        self.socket.sendall(("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]) + body).encode())

    def next(self):
        """The next message."""
        while True:
            self.got = self.got.lstrip(b"\r\n")
            head, end, rest = self.got.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?im)^content-length\s*:\s*(\d+)", head).group(1)) if end else 0
            if end and len(rest) >= length:
                self.got = rest[length:]
                return Message(head + end + rest[:length])
            octets = self.socket.recv(65536)
            assert octets, "the connection was closed"
            self.got += octets

    def expect(self, what):
        """The next message that is not provisional: a request of that method, or a response of that status."""
        while True:
            message = self.next()
            if message.status and 100 <= message.status < 200 and message.status != what:
                continue
            assert what == (message.status or message.start.split(" ")[0]), message.start
            return message


def sdp(host, port, crypto=None, tag=1):
    """A session description of one voice stream; an answer has the tag of the line that it chose."""
    return (f"v=0\r\no=- {secrets.randbelow(1 << 30)} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/{'SAVP' if crypto else 'AVP'} 8\r\na=rtpmap:8 PCMA/8000\r\n" +
            (f"a=crypto:{tag} {SUITE} inline:{base64.b64encode(crypto).decode()}\r\n" if crypto else ""))


def media_of(message):
    """Address, and master key of the suite, in a description."""
    host = re.search(r"(?m)^c=IN IP4 (\S+)", message.body).group(1)
    port = int(re.search(r"(?m)^m=audio (\d+)", message.body).group(1))
    crypto = re.search(rf"(?m)^a=crypto:\d+ {SUITE} inline:([A-Za-z0-9+/=]+)", message.body)
    return (host, port), base64.b64decode(crypto.group(1)) if crypto else None


def answer(request, status, reason, contact, tag="there"):
    """Lines of a response."""
    to = request.get("to")
    return [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("via")), f"From: {request.get('from')}",
            f"To: {to}" + ("" if ";tag=" in to else f";tag={tag}"), f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}", f"Contact: <{contact}>"]


def port_at(host):
    """A UDP socket."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, 0))
    udp.settimeout(0.2)
    return udp


def voice(sequence):
    """A packet of RTP."""
    return struct.pack("!BBHII", 0x80, 8, sequence, sequence * 160, 0x1234abcd) + bytes([sequence & 0xff]) * 160


def talk(sender, to, protect, receiver, unprotect, what):
    """Packets go until five have come, each as it was sent."""
    came = set()
    for sequence in range(100, 100 + 50 * PATIENCE):
        sender.sendto(protect(voice(sequence)), to)
        try:
            packet = unprotect(receiver.recv(2048))
        except socket.timeout:
            continue
        number = struct.unpack("!H", packet[2:4])[0]
        assert packet[12:] == voice(number)[12:], f"{what}: the voice is another one"
        came.add(number)
        if len(came) == 5:
            return
    raise AssertionError(f"{what}: no voice comes")


class Way:
    """One direction of a call: what goes in, and when it came out."""

    def __init__(self, name, sender, to, protect, receiver, unprotect):
        self.name, self.sender, self.to, self.protect, self.receiver, self.unprotect = name, sender, to, protect, receiver, unprotect
        self.heard, self.gap = None, 0.0

    def step(self, sequence):
        """A packet goes; those that have come are looked at."""
        self.sender.sendto(self.protect(voice(sequence)), self.to)
        self.receiver.setblocking(False)
        try:
            while True:
                packet = self.unprotect(self.receiver.recv(2048))
                number = struct.unpack("!H", packet[2:4])[0]
                assert packet[12:] == voice(number)[12:], f"{self.name}: the voice is another one"
                now = time.monotonic()
                self.gap = max(self.gap, now - self.heard) if self.heard else 0.0
                self.heard = now
        except BlockingIOError:
            pass
        self.receiver.settimeout(0.2)


def workers_of(pid):
    """Processes of media workers."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


class Test:
    """The edge with both sides around it."""

    def __init__(self, folder, program, imectl):
        network = free_hosts(67)
        self.folder = folder
        self.inside, self.outside, self.agent, self.far = (f"{network}.{n}" for n in (11, 12, 13, 14))
        for authority in ("authority", "stranger"):
            make_authority(folder, authority)
        make_certificate(folder, "a.example", "authority")
        make_certificate(folder, "b.example", "authority")
        make_certificate(folder, "a.example", "stranger", "foreign")
        self.listener = socket.create_server((self.agent, 5080))
        self.far_listener = socket.create_server((self.far, 5061))
        for s in (self.listener, self.far_listener):
            s.settimeout(PATIENCE)
        self.edge = Daemon(program, imectl, folder, "")
        with open(self.edge.conf, "w") as f:
            f.write(f"""[edge]
data = {folder}/data
control = {self.edge.control}
[inside]
tcp = {self.inside}:5060
[outside]
tls = {self.outside}:5061
networks = {self.far}
[tls]
ca = {folder}/authority.pem
system-store = no
[domain b.example]
certificate = {folder}/b.example.pem
key = {folder}/b.example.key
ticket-password = {PASSWORD}
[agent one]
address = {self.agent}:5080
[media]
workers = 1
""")
        self.edge.start()
        self.agent_line, self.via = None, ""

    def outside_line(self, name="a.example"):
        """A connection to the edge with this certificate; None: without one."""
        context = ssl.create_default_context(cafile=f"{self.folder}/authority.pem")
        if name:
            context.load_cert_chain(f"{self.folder}/{name}.pem", f"{self.folder}/{name}.key")
        sock = socket.socket()
        sock.settimeout(PATIENCE)
        sock.bind((self.far, 0))
        sock.connect((self.outside, 5061))
        return Line(context.wrap_socket(sock, server_hostname="b.example"))

    def invite(self, line, number=NUMBER, permit=None, call_id=None):
        """Sends one from outside; what a response needs to be acknowledged, and the media that it offers."""
        call_id = call_id or secrets.token_hex(8)
        self.master, self.far_media = secrets.token_bytes(30), port_at(self.far)
        self.head = [f"Via: SIP/2.0/TLS {self.far}:5061;branch=z9hG4bK{secrets.token_hex(6)}{self.via}", "Max-Forwards: 70",
                     f"From: <sip:{THEIRS}@a.example;user=phone>;tag=far"]
        line.send([f"INVITE sip:{number}@b.example;user=phone SIP/2.0", *self.head, f"To: <sip:{number}@b.example;user=phone>", f"Call-ID: {call_id}",
                   "CSeq: 1 INVITE", f"Contact: <sip:far@{self.far}:5061;transport=tls>", *([f"X-Cisco-ViPR-Ticket: {permit}"] if permit else []),
                   "Content-Type: application/sdp"], sdp(self.far, self.far_media.getsockname()[1], self.master))

    def in_dialog(self, line, method, response, cseq):
        """A request of the far side inside its call."""
        target = response.target()
        line.send([f"{method} {target} SIP/2.0", f"Via: SIP/2.0/TLS {self.far}:5061;branch=z9hG4bK{secrets.token_hex(6)}", "Max-Forwards: 70",
                   f"From: {response.get('from')}", f"To: {response.get('to')}", f"Call-ID: {response.call_id}", f"CSeq: {cseq} {method}"])

    def at_agent(self):
        """The agent's connection: the edge makes it for the first call."""
        if not self.agent_line:
            self.agent_line = Line(self.listener.accept()[0])
        return self.agent_line

    # ---- steps ----

    def refusals(self):
        """Without a good ticket nothing gets to the agent, and each refusal has its counter."""
        line = self.outside_line()
        good = ticket(NUMBER, "a.example")
        altered = bytearray(base64.b64decode(good))
        altered[-1] ^= 1
        for permit, number, counter in ((None, NUMBER, "ticket_missing"), ("bm8gdGlja2V0", NUMBER, "ticket_syntax"),
                                        (base64.b64encode(altered).decode(), NUMBER, "ticket_integrity"), (good, NUMBER + "7", "ticket_number"),
                                        (ticket(NUMBER, "c.example"), NUMBER, "ticket_domain"),
                                        (ticket(NUMBER, "a.example", epoch=9), NUMBER, "ticket_epoch")):
            self.invite(line, number, permit)
            refused = line.expect(403)
            assert refused.get("reason"), f"{counter}: 403 without Reason"
            line.send([f"ACK sip:{number}@b.example;user=phone SIP/2.0", *self.head, f"To: {refused.get('to')}", f"Call-ID: {refused.call_id}",
                       "CSeq: 1 ACK"])
            assert self.edge.counters()[f"edge.{counter}"] == 1, counter

    def certificates(self):
        """No certificate, or one of an authority that nobody believes: not a word of SIP."""
        for name in (None, "foreign"):
            try:
                line = self.outside_line(name)
                self.invite(line, permit=ticket(NUMBER, "a.example"))
                line.next()
            except (ssl.SSLError, ConnectionError, AssertionError):
                continue
            raise AssertionError(f"{name or 'no certificate'}: answered")
        counters = self.edge.counters()
        assert counters["connections.tls_no_certificate"] == 1 and counters["connections.tls_unknown_ca"] == 1, counters

    def call_in(self):
        """From outside: with its ticket to the agent, voice each way, and over."""
        line = self.outside_line()
        self.invite(line, permit=ticket(NUMBER, "a.example"))
        agent, agent_media = self.at_agent(), port_at(self.agent)
        request = agent.expect("INVITE")
        assert request.start == f"INVITE sip:{NUMBER}@b.example;user=phone SIP/2.0", request.start
        assert request.get("x-ime-domain") == "a.example"
        assert self.far not in request.body and self.far not in request.get("contact"), "the agent sees an outside address"
        to_agent_side, key = media_of(request)
        assert to_agent_side[0] == self.inside and not key and "RTP/AVP" in request.body, request.body
        contact = f"sip:agent@{self.agent}:5080;transport=tcp"
        agent.send(answer(request, 180, "Ringing", contact))
        line.expect(180)
        agent.send([*answer(request, 200, "OK", contact), "Content-Type: application/sdp"], sdp(self.agent, agent_media.getsockname()[1]))
        response = line.expect(200)
        assert self.agent not in response.body and self.agent not in "".join(value for _, value in response.fields), "the inside is seen outside"
        to_far_side, key = media_of(response)
        assert to_far_side[0] == self.outside and key, response.body
        self.in_dialog(line, "ACK", response, 1)
        agent.expect("ACK")
        talk(self.far_media, to_far_side, Srtp(self.master, False).protect, agent_media, bytes, "to the agent")
        talk(agent_media, to_agent_side, bytes, self.far_media, Srtp(key, True).unprotect, "to the far side")
        self.worker_dies((Way("to the agent", self.far_media, to_far_side, Srtp(self.master, False).protect, agent_media, bytes),
                          Way("to the far side", agent_media, to_agent_side, bytes, self.far_media, Srtp(key, True).unprotect)))
        shown = self.edge.ctl("edge", "show", "calls")["streams"]
        assert len(shown) == 1 and shown[0]["domain"] == "a.example", shown
        self.in_dialog(line, "BYE", response, 2)
        bye = agent.expect("BYE")
        agent.send(answer(bye, 200, "OK", contact))
        line.expect(200)
        assert not self.edge.ctl("edge", "show", "calls")["streams"]

    def worker_dies(self, ways):
        """Its process is killed while both talk: they hear each other again, by the same ports and keys, and nobody says BYE."""
        sequence, killed, end = 10000, None, time.monotonic() + PATIENCE
        first = workers_of(self.edge.child.pid)
        assert len(first) == 1, first
        begun = time.monotonic()
        while time.monotonic() < end:
            sequence += 1
            for way in ways:
                way.step(sequence)
            now = time.monotonic()
            if not killed and now > begun + 2.5: # a state was told
                os.kill(first[0], signal.SIGKILL)
                killed = now
            if killed and all(way.heard > killed + 0.5 for way in ways):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"{[way.name for way in ways if way.heard <= killed]}: not heard again")
        assert workers_of(self.edge.child.pid) not in ([], first)
        counters = self.edge.counters()
        assert counters["media.sessions_resumed"] == 1 and not counters["edge.media_lost"] and not counters["media.sessions_lost"], counters
        print("# a worker was killed: " + ", ".join(f"{1000 * way.gap:.0f} ms without voice {way.name}" for way in ways))

    def short_call_in(self, line):
        """From outside, over at once."""
        self.invite(line, permit=ticket(NUMBER, "a.example"))
        agent, contact = self.at_agent(), f"sip:agent@{self.agent}:5080;transport=tcp"
        request = agent.expect("INVITE")
        agent.send([*answer(request, 200, "OK", contact), "Content-Type: application/sdp"], sdp(self.agent, 4000))
        response = line.expect(200)
        self.in_dialog(line, "ACK", response, 1)
        agent.expect("ACK")
        self.in_dialog(line, "BYE", response, 2)
        agent.send(answer(agent.expect("BYE"), 200, "OK", contact))
        line.expect(200)

    def busy_call_out(self, far=None):
        """From inside, and refused: over this connection, or over a new one, which is given back."""
        agent = Line(self.connect_inside())
        agent.send([f"INVITE sip:{THEIRS}@a.example;user=phone SIP/2.0", f"Via: SIP/2.0/TCP {self.agent}:5080;branch=z9hG4bK{secrets.token_hex(6)}",
                    "Max-Forwards: 70", f"Route: <sip:a.example:5061;maddr={self.far};transport=tls;lr>", f"From: <sip:{NUMBER}@b.example;user=phone>;tag=agent",
                    f"To: <sip:{THEIRS}@a.example;user=phone>", f"Call-ID: {secrets.token_hex(8)}", "CSeq: 1 INVITE",
                    f"Contact: <sip:agent@{self.agent}:5080;transport=tcp>", "Content-Type: application/sdp"], sdp(self.agent, 4000))
        far = far or self.far_accepts()
        request = far.expect("INVITE")
        assert ";alias" in request.get("via"), "we share, too"
        far.send(answer(request, 486, "Busy Here", f"sip:far@{self.far}:5061;transport=tls"))
        far.expect("ACK")
        agent.expect(486)
        return far

    def far_accepts(self):
        """The connection that the edge makes."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{self.folder}/authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(f"{self.folder}/a.example.pem", f"{self.folder}/a.example.key")
        far = Line(context.wrap_socket(self.far_listener.accept()[0], server_side=True))
        assert ("DNS", "b.example") in far.socket.getpeercert()["subjectAltName"]
        return far

    def shared(self):
        """One connection for both directions, if the far side says so in a call with a good ticket; else each has its own."""
        line = self.outside_line()
        self.via = ";alias"
        self.short_call_in(line)
        self.busy_call_out(line)
        trunks = self.edge.ctl("edge", "show", "trunks")["trunks"]
        counters = self.edge.counters()
        assert counters["edge.shares"] == 1 and counters["edge.shares_refused"] == 0, counters
        assert [t["domain"] for t in trunks] == ["a.example"] and trunks[0]["address"].startswith(self.far + ":"), trunks
        line.socket.close()
        self.via = ""
        line = self.outside_line()
        self.short_call_in(line)
        far = self.busy_call_out() # not over that one: nobody has asked for it
        self.busy_call_out(far)
        line.socket.close()
        far.socket.close()
        assert self.edge.counters()["edge.shares"] == 1

    def dial_out(self):
        """From inside, by the Route that was learned: the far side sees our certificate, and the ticket. Both connections, what the agent was answered, and both ways of voice."""
        agent, agent_media = Line(self.connect_inside()), port_at(self.agent)
        agent.send([f"INVITE sip:{THEIRS}@a.example;user=phone SIP/2.0", f"Via: SIP/2.0/TCP {self.agent}:5080;branch=z9hG4bK{secrets.token_hex(6)}",
                    "Max-Forwards: 70", f"Route: <sip:a.example:5061;maddr={self.far};transport=tls;lr>", f"From: <sip:{NUMBER}@b.example;user=phone>;tag=agent",
                    f"To: <sip:{THEIRS}@a.example;user=phone>", f"Call-ID: {secrets.token_hex(8)}", "CSeq: 1 INVITE",
                    f"Contact: <sip:agent@{self.agent}:5080;transport=tcp>", "X-Cisco-ViPR-Ticket: dGhlaXJz", "Content-Type: application/sdp"],
                   sdp(self.agent, agent_media.getsockname()[1]))
        far = self.far_accepts()
        request, master, media = far.expect("INVITE"), secrets.token_bytes(30), port_at(self.far)
        assert request.get("x-cisco-vipr-ticket") == "dGhlaXJz" and not request.get("route")
        assert self.agent not in str(request.fields) + request.body, "the inside is seen outside"
        to_edge, key = media_of(request)
        far.send([*answer(request, 200, "OK", f"sip:far@{self.far}:5061;transport=tls"), "Content-Type: application/sdp"],
                 sdp(self.far, media.getsockname()[1], master, re.search(rf"a=crypto:(\d+) {SUITE}", request.body).group(1)))
        response = agent.expect(200)
        to_inside, none = media_of(response)
        assert to_inside[0] == self.inside and not none
        agent.send([f"ACK {response.target()} SIP/2.0", f"Via: SIP/2.0/TCP {self.agent}:5080;branch=z9hG4bK{secrets.token_hex(6)}", "Max-Forwards: 70",
                    f"From: {response.get('from')}", f"To: {response.get('to')}", f"Call-ID: {response.call_id}", "CSeq: 1 ACK"])
        far.expect("ACK")
        return agent, far, response, ((agent_media, to_inside, bytes, media, Srtp(key, True).unprotect, "to the far side"),
                                      (media, to_edge, Srtp(master, False).protect, agent_media, bytes, "to the agent"))

    def hang_up(self, agent, response):
        """The agent says BYE."""
        agent.send([f"BYE {response.target()} SIP/2.0", f"Via: SIP/2.0/TCP {self.agent}:5080;branch=z9hG4bK{secrets.token_hex(6)}", "Max-Forwards: 70",
                    f"From: {response.get('from')}", f"To: {response.get('to')}", f"Call-ID: {response.call_id}", "CSeq: 2 BYE"])

    def call_out(self):
        """Voice each way, and over."""
        agent, far, response, ways = self.dial_out()
        for way in ways:
            talk(*way)
        self.hang_up(agent, response)
        far.send(answer(far.expect("BYE"), 200, "OK", f"sip:far@{self.far}:5061;transport=tls"))
        agent.expect(200)
        far.socket.close()

    def far_dies(self):
        """The far edge is gone with its connection: the agent is told, and has its call until it hangs up."""
        agent, far, response, _ = self.dial_out()
        self.far_listener.close()
        far.socket.close()
        refer = agent.expect("REFER")
        assert "ime-quality=bad" in refer.get("refer-to") and refer.get("x-ime-quality") == "bad;why=gone", refer.fields
        agent.send(answer(refer, 202, "Accepted", f"sip:agent@{self.agent}:5080;transport=tcp"))
        shown = self.edge.ctl("edge", "show", "calls")["streams"]
        assert [s["quality"] for s in shown] == ["gone"], shown
        assert self.edge.counters()["edge.far_gone"] == 1
        self.hang_up(agent, response)
        assert "X-IME" in agent.expect(503).get("reason")
        assert not self.edge.ctl("edge", "show", "calls")["streams"]

    def connect_inside(self):
        """The agent connects to the edge."""
        sock = socket.socket()
        sock.bind((self.agent, 0))
        sock.connect((self.inside, 5060))
        return sock

    def reload(self):
        """What may change changes; what may not is refused by its name."""
        with open(self.edge.conf) as f:
            text = f.read()
        with open(self.edge.conf, "w") as f:
            f.write(text + "[quality]\nsensitivity = off\n")
        assert "sensitivity" in self.edge.ctl("edge", "reload")["differences"]
        with open(self.edge.conf, "w") as f:
            f.write(text.replace(f"{self.outside}:5061", f"{self.outside}:5071"))
        done = subprocess.run([self.edge.imectl, "--socket", self.edge.control, "edge", "reload"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "tls of [outside]" in done.stdout + done.stderr, done
        assert PASSWORD not in self.edge.log()

    def stop(self):
        """In good order."""
        self.edge.stop()


STEPS = ("refusals", "certificates", "call_in", "shared", "call_out", "far_dies", "reload", "stop")


def main():
    """Each step needs the ones before."""
    print(f"1..{len(STEPS)}")
    with tempfile.TemporaryDirectory() as folder:
        test, number = Test(folder, *sys.argv[1:]), 0
        try:
            for number, name in enumerate(STEPS, 1):
                getattr(test, name)()
                print(f"ok {number} - {name}", flush=True)
            return 0
        except (AssertionError, OSError, KeyError, AttributeError, subprocess.SubprocessError) as error:
            text = f"{type(error).__name__}: {error}\n{test.edge.log()[-3000:]}".replace("\n", "\n# ")
            print(f"not ok {number} - {STEPS[number - 1]}\n# {text}\nBail out! the steps need one another", flush=True)
            return 1
        finally:
            if test.edge.child.poll() is None:
                test.edge.child.kill()


if __name__ == "__main__":
    sys.exit(main())
