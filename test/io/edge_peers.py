"""What stands around a lone ime-edge in tests: call agents inside (SIP over TCP, RTP), other companies outside (SIP over TLS with certificates, SRTP). All
of them live in one thread: a Loop reads what comes, answers what has to be answered, keeps media flowing, and waits for what a test wants to see."""
import contextlib
import re
import secrets
import selectors
import socket
import ssl
import time

from sip_peers import PATIENCE, Message, SipError
from srtp_end import SUITE, Srtp, read, rtp

INSIDE_PORT, OUTSIDE_PORT = 5060, 5061
TICKET = "X-Cisco-ViPR-Ticket"
PACKET_SECONDS = 0.02
PAYLOAD_OCTETS = 160


class Loop:
    """Sockets that may be read, and duties that are done each turn."""

    def __init__(self):
        self.selector, self.duties = selectors.DefaultSelector(), []

    def add(self, sock, take):
        """take() is called when there is something to read."""
        self.selector.register(sock, selectors.EVENT_READ, take)

    def remove(self, sock):
        """Before it is closed."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(sock)

    def turn(self, seconds=0.005):
        """Reads what is there, after so long at most."""
        for key, _ in self.selector.select(seconds):
            key.data()
        for duty in list(self.duties):
            duty()

    def until(self, condition, what, seconds=PATIENCE):
        """Turns until it holds; what: a text, or a function that says what is missing."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, what() if callable(what) else what
            self.turn()


class Line:
    """A connection that carries SIP. What comes goes to its owner, message by message."""

    def __init__(self, loop, sock, owner):
        self.loop, self.socket, self.owner = loop, sock, owner
        self.over, self.got = False, b""
        self.octets = 0  # that ever came
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        loop.add(sock, self.take)

    def take(self):
        """Reads what is there."""
        while not self.over:
            try:
                octets = self.socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError:
                octets = b""
            if not octets:
                self.close()
            self.got += octets
            self.octets += len(octets)
        while (message := self.next()) is not None:
            self.owner.take(Message(message), self)

    def next(self):
        """One whole message of what came."""
        self.got = self.got.lstrip(b"\r\n")
        head, end, rest = self.got.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head).group(1))
        if len(rest) < length:
            return None
        self.got = rest[length:]
        return head + end + rest[:length]

    def send(self, text):
        """All of it. A connection that has ended takes nothing."""
        octets = text.encode() if isinstance(text, str) else text
        if self.over:
            return
        try:
            self.socket.settimeout(PATIENCE)
            self.socket.sendall(octets)
            self.socket.setblocking(False)
        except OSError:
            self.close()

    def close(self):
        """Both ways."""
        self.over = True
        self.loop.remove(self.socket)
        self.socket.close()


class Port:
    """A UDP socket for media."""

    def __init__(self, loop, host):
        self.loop, self.host, self.got = loop, host, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.number = self.socket.getsockname()[1]
        self.socket.setblocking(False)
        self.taker = lambda octets, address: self.got.append((octets, address))
        loop.add(self.socket, self.take)

    def take(self):
        """Everything that is there."""
        with contextlib.suppress(OSError):
            while True:
                self.taker(*self.socket.recvfrom(65536))

    def send(self, octets, address):
        """To the network, which may have nobody there."""
        with contextlib.suppress(OSError):
            self.socket.sendto(octets, address)

    def close(self):
        """It goes."""
        self.loop.remove(self.socket)
        self.socket.close()


def describe(host, port, crypto=None, profile=None, more="", session=1):
    """A session description (RFC 8866) of one voice stream; crypto: the value of a=crypto."""
    profile = profile or ("RTP/SAVP" if crypto else "RTP/AVP")
    return (f"v=0\r\no=- {session} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} {profile} 8\r\n"
            f"a=rtpmap:8 PCMA/8000\r\n" + (f"a=crypto:{crypto}\r\n" if crypto else "") + more)


def media_of(body):
    """Where a description wants media: (host, port); its values of a=crypto."""
    host, port = re.search(r"(?m)^c=IN IP4 (\S+)", body).group(1), int(re.search(r"(?m)^m=audio (\d+)", body).group(1))
    return (host, port), re.findall(r"(?m)^a=crypto:(.*?)\r?$", body)


class Leg:
    """One end of a call."""

    def __init__(self, party, line, call_id, local, remote, target):
        self.party, self.line, self.call_id = party, line, call_id
        self.local, self.remote, self.target = local, remote, target
        self.cseq, self.branch = 0, ""
        self.answers, self.requests = [], []
        self.invite = None  # that came in
        self.acknowledged = self.ended = False
        self.session = secrets.randbelow(1 << 31)
        self.port, self.peer = Port(party.loop, party.host), None  # of media: ours, and where the other side wants its
        self.sends = self.hears = None  # SRTP

    def text(self, method, body="", more="", cseq=None):
        """A request of this leg, the next one unless its number is given."""
        self.cseq = self.cseq + 1 if cseq is None else self.cseq
        self.branch = "z9hG4bK" + secrets.token_hex(12)
        return self.party.request(method, self.target, self.local, self.remote, self.call_id, cseq or self.cseq, body, more, self.branch)

    def final(self):
        """The last final answer to the last request."""
        return next((m for m in reversed(self.answers) if m.status >= 200 and m.sequence == str(self.cseq)), None)

    def ask(self, method, body="", more=""):
        """A request and its answer, which is acknowledged if it was an INVITE."""
        self.line.send(self.text(method, body, more))
        self.party.loop.until(self.final, f"no answer to {method} of {self.party.host}")
        return self.finish(method)

    def finish(self, method):
        """What comes of a final answer."""
        answer = self.final()
        if method == "INVITE" and answer.status < 300:
            self.remote, self.target = answer.get("to"), answer.target()
            self.line.send(self.text("ACK", cseq=self.cseq))
            if answer.body:
                self.hear(answer.body)
        return answer

    def hear(self, body):
        """What the other side says of media."""
        self.peer, lines = media_of(body)
        if self.party.secure:
            ours = next(line for line in lines if SUITE in line.split())
            self.hears = Srtp.of(ours)
            return ours.split()[0]
        return None

    def describe(self, tag=1):
        """What we say of it."""
        self.sends = self.sends or Srtp()
        return describe(self.party.host, self.port.number, self.sends.line(tag) if self.party.secure else None, session=self.session)

    def hang_up(self):
        """The status of the answer to BYE."""
        self.port.close()
        return self.ask("BYE").status

    def closed(self):
        """The other side has hung up."""
        if not self.ended:
            self.ended = True
            self.port.close()


class Party:
    """Who speaks SIP over streams: answers calls (numbers that end in `rings` only ring) and what is asked inside of them."""

    secure = False

    def __init__(self, loop, host, transport, port):
        self.loop, self.host, self.transport = loop, host, transport
        self.contact = f"sip:{host}:{port};transport={transport.lower()}"
        self.legs, self.strays, self.requests = {}, [], []
        self.rings = "5550000"
        self.answer_more = ""  # fields in answers to INVITE
        self.answer_body = None  # leg, offer -> a description in place of the right one
        self.listener = None

    # -- connections -----------------------------------------------------------------------------------------------------

    def listen(self, port):
        """Takes connections."""
        self.listener = socket.create_server((self.host, port), backlog=64)
        self.loop.add(self.listener, self.accept)

    def accept(self):
        """One connection."""
        sock, _ = self.listener.accept()
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            Line(self.loop, self.wrap(sock, True), self)

    def wrap(self, sock, is_server):
        """TLS on it, or not."""
        del is_server
        return sock

    def dial(self, address, host=None):
        """A connection from our address, or another one of ours."""
        return Line(self.loop, self.wrap(socket.create_connection(address, PATIENCE, (host or self.host, 0)), False), self)

    # -- messages --------------------------------------------------------------------------------------------------------

    def request(self, method, uri, local, remote, call_id, cseq, body="", more="", branch=None, kind="application/sdp", length=None):
        """A request as text. `more` may have a Content-Type of its own."""
        branch = branch or "z9hG4bK" + secrets.token_hex(12)
        typed = "" if not body or "content-type:" in more.lower() else f"Content-Type: {kind}\r\n"
        return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{self.transport} {self.host};branch={branch}\r\nMax-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\n"
                f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <{self.contact}>\r\n{more}{typed}"
                f"Content-Length: {len(body) if length is None else length}\r\n\r\n{body}")

    def respond(self, line, request, status, reason, tag="", body="", more=""):
        """Answers a request."""
        to = request.get("to")
        fields = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("via")), f"From: {request.get('from')}",
                  f"To: {to}" + (f";tag={tag}" if tag and ";tag=" not in to else ""), f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}",
                  f"Contact: <{self.contact}>", *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
        line.send("\r\n".join(fields[:-1]) + "\r\n" + more + fields[-1] + "\r\n\r\n" + body)

    def leg(self, line, calling, called, domain, own_domain):
        """A call of ours that has not begun."""
        call_id = secrets.token_hex(12)
        leg = Leg(self, line, call_id, f"<sip:{calling}@{own_domain}>;tag={secrets.token_hex(6)}", f"<sip:{called}@{domain}>",
                  f"sip:{called}@{domain};user=phone")
        self.legs[call_id] = leg
        return leg

    def take(self, message, line):
        """One message."""
        leg = self.legs.get(message.call_id)
        if message.status is not None:
            (leg.answers if leg else self.strays).append(message)
            return
        self.requests.append(message)
        if leg:
            leg.requests.append(message)
        if message.method == "ACK":
            if leg:
                leg.acknowledged = True
        elif message.method == "INVITE":
            self.invited(message, line, leg)
        else:
            if message.method == "BYE" and leg:
                leg.closed()
            self.respond(line, message, 200, "OK", "t")
            if message.method == "CANCEL" and leg and not leg.acknowledged:
                self.respond(line, leg.invite, 487, "Request Terminated", leg.local.rsplit("tag=", 1)[1])
                leg.closed()

    def invited(self, message, line, leg):
        """A call that comes, or is changed."""
        if ";tag=" in message.get("to"):
            self.respond(line, message, 200 if leg else 481, "Answer", body=leg.describe(leg.hear(message.body) or 1) if leg else "")
            return
        leg = Leg(self, line, message.call_id, message.get("to") + f";tag={secrets.token_hex(6)}", message.get("from"), message.target())
        leg.invite = message
        leg.called = re.match("INVITE sips?:([^@;]+)", message.start).group(1)
        self.legs[message.call_id] = leg
        if leg.called.endswith(self.rings):
            self.respond(line, message, 180, "Ringing", leg.local.rsplit("tag=", 1)[1])
        else:
            self.answer(leg)

    def answer(self, leg):
        """200 with what we say of media."""
        crypto = leg.hear(leg.invite.body) if leg.invite.body else None
        body = self.answer_body(leg, leg.invite.body) if self.answer_body else leg.describe(crypto or 1)
        self.respond(leg.line, leg.invite, 200, "OK", leg.local.rsplit("tag=", 1)[1], body, self.answer_more)

    def with_called(self, called):
        """The leg of the newest call that came to this number."""
        return next((leg for leg in reversed(list(self.legs.values())) if leg.invite and leg.called == called), None)


class Office(Party):
    """The call agent inside: RTP, TCP; its calls go where a Route says."""

    def __init__(self, loop, host, domain, edge):
        super().__init__(loop, host, "TCP", INSIDE_PORT)
        self.domain, self.edge, self.line = domain, (edge, INSIDE_PORT), None

    def call(self, far, calling, called, host=None):
        """Begins a call to another company, at its edge or elsewhere."""
        if not self.line or self.line.over:
            self.line = self.dial(self.edge)
        leg = self.leg(self.line, calling, called, far.domain, self.domain)
        self.line.send(leg.text("INVITE", leg.describe(), f"Route: <sip:{far.domain}:{OUTSIDE_PORT};maddr={host or far.host};transport=tls;lr>\r\n"))
        return leg


class Far(Party):
    """Another company's edge: TLS with its certificate, SRTP."""

    secure = True

    def __init__(self, loop, host, domain, files, ca, edge):
        super().__init__(loop, host, "TLS", OUTSIDE_PORT)
        self.domain, self.edge, self.line = domain, edge, None  # edge: (address, served domain)
        self.edge_address = (edge[0], OUTSIDE_PORT)
        self.client, self.server = ssl.create_default_context(cafile=ca), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        self.server.verify_mode = ssl.CERT_REQUIRED
        for context in (self.client, self.server) if files else ():
            context.load_cert_chain(*files)

    def wrap(self, sock, is_server):
        if is_server:
            return self.server.wrap_socket(sock, server_side=True)
        return self.client.wrap_socket(sock, server_hostname=self.edge[1])

    def connected(self):
        """Our connection, made anew if it has ended."""
        if not self.line or self.line.over:
            self.line = self.dial(self.edge_address)
        return self.line

    def begin(self, calling, called, ticket, body=None, more=""):
        """Begins a call."""
        leg = self.leg(self.connected(), calling, called, self.edge[1], self.domain)
        more += f"{TICKET}: {ticket}\r\n" if ticket else ""
        leg.line.send(leg.text("INVITE", leg.describe() if body is None else body, more))
        return leg

    def call(self, calling, called, ticket, body=None, more=""):
        """A call and its final answer."""
        leg = self.begin(calling, called, ticket, body, more)
        self.loop.until(leg.final, f"no final answer for {self.domain}")
        answer = leg.finish("INVITE")
        if answer.status >= 300:
            leg.port.close()
        return leg, answer

    def connect(self, calling, called, ticket):
        """A call that must be answered."""
        leg, answer = self.call(calling, called, ticket)
        if answer.status != 200:
            raise SipError(f"INVITE of {self.domain} was answered with {answer.status}: {answer.get('reason')}")
        return leg

    def probe(self, line, called):
        """What was sent before on this connection has been dealt with: the answer to a request that is always refused is there."""
        call_id = secrets.token_hex(12)
        leg = self.legs[call_id] = Leg(self, line, call_id, f"<sip:probe@{self.domain}>;tag=p", f"<sip:{called}@{self.edge[1]}>", "")
        leg.port.close()
        leg.cseq = 1
        line.send(self.request("MESSAGE", f"sip:{called}@{self.edge[1]}", leg.local, leg.remote, call_id, 1))
        self.loop.until(lambda: leg.final() or line.over, "no answer to MESSAGE")
        return leg.final().status if leg.final() else 0


class Talk:
    """Media both ways between the two ends of a call, all the time, and what arrives of it: exactly what was sent."""

    def __init__(self, loop, office, far):
        self.loop, self.office, self.far = loop, office, far
        self.marks = {office: secrets.token_bytes(8), far: secrets.token_bytes(8)}
        self.ssrcs = {office: secrets.randbits(32), far: secrets.randbits(32)}
        self.sent, self.came, self.wrong = {office: 0, far: 0}, {office: 0, far: 0}, []
        self.next, self.last = 0, None  # the last packet that the far end has sent
        office.port.taker = lambda octets, address: self.arrived(office, far, octets, address)
        far.port.taker = lambda octets, address: self.arrived(far, office, octets, address)
        loop.duties.append(self.flow)

    def flow(self):
        """One packet each way, when it is time."""
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + PACKET_SECONDS
        for end in (self.office, self.far):
            packet = rtp(self.ssrcs[end], self.sent[end], self.marks[end] + self.sent[end].to_bytes(4, "big") + bytes(PAYLOAD_OCTETS - 12))
            self.sent[end] += 1
            if end is self.far:
                self.last = packet = end.sends.protect(packet, self.sent[end] - 1 >> 16)
            end.port.send(packet, end.peer)

    def arrived(self, end, by, octets, address):
        """At one end: it must be the other end's, and come from where media was negotiated."""
        packet = octets if end is self.office else end.hears.unprotect(octets)
        if not packet or address != end.peer:
            self.wrong.append((end.party.host, address, octets[:16].hex()))
            return
        ssrc, sequence, payload = read(packet)
        if ssrc != self.ssrcs[by] or payload[:8] != self.marks[by] or int.from_bytes(payload[8:12], "big") & 0xffff != sequence:
            self.wrong.append((end.party.host, address, packet[:24].hex()))
        self.came[end] += 1

    def flows(self, packets=3):
        """Packets still arrive at both ends, and nothing else has."""
        wanted = {end: came + packets for end, came in self.came.items()}
        self.loop.until(lambda: all(self.came[end] >= n for end, n in wanted.items()), lambda: f"media has stopped: {sorted(self.came.values())} of {wanted}")
        assert not self.wrong, f"what nobody sent has arrived: {self.wrong[:3]}"

    def loss(self):
        """Ratio over both directions. What the last packets are is not known yet."""
        return max(0, sum(self.sent.values()) - sum(self.came.values()) - 4) / max(1, sum(self.sent.values()))

    def stop(self):
        """No more of it."""
        self.loop.duties.remove(self.flow)
