"""An end of calls in a test's own hands: SIP over UDP by way of a proxy, one dialog at a time, session descriptions as the test wants them; and sockets
for its media. The other programs say whether what it sends is right; it says whether what arrives is what was meant."""
import os
import re
import socket
import time

from peers import SIP

SECONDS = 60
OCTETS = 65536


def fields_of(text):
    """[(name, value)] of a head, in its order."""
    return [tuple(part.strip() for part in line.split(":", 1)) for line in text.split("\r\n")[1:] if ":" in line]


class Message:
    """One that has come."""

    def __init__(self, octets):
        head, self.body = octets.decode().split("\r\n\r\n", 1)
        self.first = head.split("\r\n", 1)[0]
        self.fields = fields_of(head)
        self.status = int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else 0
        self.cseq, self.method = self.get("CSeq").split()

    def all(self, name):
        """The values of a header."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def get(self, name):
        """Its first value, or nothing."""
        return next(iter(self.all(name)), "")


class End:
    """Has one call at a time."""

    def __init__(self, address, number, domain, proxy):
        self.address, self.number, self.domain, self.proxy = address, number, domain, proxy
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, SIP))
        self.seen = set()  # (Call-ID, CSeq) of requests that were taken: they may come again
        self.begin("")

    def begin(self, call_id):
        """Forgets the call before."""
        self.call_id, self.cseq, self.tag = call_id, 0, os.urandom(4).hex()
        self.routes, self.target, self.ours, self.theirs = [], "", "", ""
        self.request = self.invited = None

    # -- messages -------------------------------------------------------------------------------------------------------------

    def say(self, lines, body, to=None):
        """Sends it."""
        kind = ["Content-Type: application/sdp"] if body else []
        self.socket.sendto("\r\n".join([*lines, *kind, f"Content-Length: {len(body)}", "", body]).encode(), to or (self.proxy, SIP))

    def hear(self, condition, what):
        """The first message that is wanted; others are dropped."""
        deadline = time.monotonic() + SECONDS
        dropped = []
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                message = Message(self.socket.recv(OCTETS))
            except TimeoutError:
                break
            if condition(message):
                return message
            dropped.append(message.first)
        raise AssertionError(f"{self.number} has not heard {what}, but {dropped}")

    def ask(self, method, body="", cseq=None, via=None):
        """A request in the dialog, or the one that begins it."""
        if cseq is None:
            self.cseq += 1
        lines = [f"{method} {self.target} SIP/2.0", f"Via: {via or self.new_via()}",
                 *(f"Route: {route}" for route in self.routes), "Max-Forwards: 70", f"From: {self.ours}", f"To: {self.theirs}", f"Call-ID: {self.call_id}",
                 f"CSeq: {cseq or self.cseq} {method}", f"Contact: <sip:{self.number}@{self.address}:{SIP}>"]
        self.say(lines, body)

    def new_via(self):
        """Of a transaction."""
        return f"SIP/2.0/UDP {self.address}:{SIP};branch=z9hG4bK{os.urandom(8).hex()}"

    def answer(self, status, reason, body=""):
        """To the request that came last."""
        asked = self.request
        to = asked.get("To")
        lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in asked.all("Via")), *(f"Record-Route: {r}" for r in asked.all("Record-Route")),
                 f"From: {asked.get('From')}", f"To: {to if ';tag=' in to else to + ';tag=' + self.tag}", f"Call-ID: {self.call_id}",
                 f"CSeq: {asked.get('CSeq')}", f"Contact: <sip:{self.number}@{self.address}:{SIP}>"]
        self.say(lines, body)

    def asked(self, method):
        """Waits for a request."""
        def wanted(message):
            key = (message.get("Call-ID"), message.get("CSeq"))
            if message.status or message.method != method or key in self.seen:
                return False
            self.seen.add(key)
            return True
        self.request = self.hear(wanted, method)
        return self.request

    def answered(self, method):
        """Waits for the final response to the newest request."""
        return self.hear(lambda m: m.status >= 200 and m.method == method and m.get("Call-ID") == self.call_id and int(m.cseq) == self.cseq,
                         f"an answer to {method}")

    # -- calls --------------------------------------------------------------------------------------------------------------------

    def invite(self, number, domain, body):
        """Begins a call; joined() has its end."""
        self.begin(os.urandom(8).hex())
        self.target = f"sip:{number}@{domain};user=phone"
        self.ours, self.theirs = f"<sip:{self.number}@{self.domain}>;tag={self.tag}", f"<sip:{number}@{domain}>"
        self.ask("INVITE", body)

    def joined(self):
        """The final response to an INVITE; it is acknowledged."""
        final = self.answered("INVITE")
        if final.status >= 300:
            self.ask("ACK", cseq=self.cseq, via=final.get("Via"))
        else:
            self.theirs = final.get("To")
            self.routes = final.all("Record-Route")[::-1] or self.routes
            self.target = re.search("<(.*?)>", final.get("Contact")).group(1)
            self.ask("ACK", cseq=self.cseq)
        return final

    def invited_by(self):
        """Waits for a call, or for a re-INVITE in it: what is offered."""
        message = self.asked("INVITE")
        if message.get("Call-ID") != self.call_id:
            self.begin(message.get("Call-ID"))
            self.request = message
            self.routes = message.all("Record-Route")
            self.ours, self.theirs = f"{message.get('To')};tag={self.tag}", message.get("From")
        self.target = re.search("<(.*?)>", message.get("Contact")).group(1)
        return message.body

    def acknowledged(self):
        """Waits for the ACK of what it has answered."""
        self.hear(lambda m: m.method == "ACK" and not m.status, "ACK")

    def bye(self, other):
        """Ends the call."""
        self.ask("BYE")
        other.asked("BYE")
        other.answer(200, "OK")
        assert self.answered("BYE").status == 200


def call(caller, callee, offer, answer):
    """A call of two Ends. answer: what the callee says to what arrives there. (what arrived there, what came back)."""
    caller.invite(callee.number, callee.domain, offer)
    arrived = callee.invited_by()
    callee.answer(200, "OK", answer(arrived))
    final = caller.joined()
    callee.acknowledged()
    assert final.status == 200, final.first
    return arrived, final.body


def change(caller, callee, offer, answer):
    """The same within their call."""
    caller.ask("INVITE", offer)
    arrived = callee.invited_by()
    callee.answer(200, "OK", answer(arrived))
    final = caller.joined()
    callee.acknowledged()
    assert final.status == 200, final.first
    return arrived, final.body


# -- session descriptions ---------------------------------------------------------------------------------------------------------


def describe(address, *media):
    """A session description."""
    family = "IP6" if ":" in address else "IP4"
    return "\r\n".join(["v=0", f"o=- 7 {time.time_ns()} IN {family} {address}", "s=-", f"c=IN {family} {address}", "t=0 0", *media, ""])


def audio(port, *more, crypto=None, fields="0 101"):
    """An audio stream; crypto: the value of its a=crypto."""
    return "\r\n".join([f"m=audio {port} RTP/{'SAVP' if crypto else 'AVP'} {fields}", "a=rtpmap:101 telephone-event/8000",
                        *([f"a=crypto:{crypto}"] if crypto else []), *more])


class Described:
    """What a description says of its streams."""

    def __init__(self, body):
        self.body = body
        session, *sections = re.split(r"^(?=m=)", body.replace("\r\n", "\n"), flags=re.MULTILINE)
        self.streams = [self.stream(session, section) for section in sections]

    @staticmethod
    def stream(session, section):
        """One."""
        kind, port, protocol, formats = re.match(r"m=(\S+) (\d+) (\S+) (.*)", section).groups()
        place = (re.findall(r"^c=IN IP[46] (\S+)", section, re.MULTILINE) or re.findall(r"^c=IN IP[46] (\S+)", session, re.MULTILINE))[0]
        return {"kind": kind, "at": (place, int(port)), "protocol": protocol, "formats": formats.split(), "attributes": re.findall(r"^a=(.*)$", section, re.MULTILINE),
                "crypto": {suite: (tag, key) for tag, suite, key in re.findall(r"^a=crypto:(\d+) (\S+) inline:([^|\s]+)", section, re.MULTILINE)}}


class Media:
    """A socket for RTP and one for RTCP behind it, at an address; others may be told another one, as behind NAT."""

    def __init__(self, address, port, told=None):
        self.address, self.port = told or address, port
        self.sockets = []
        for more in (0, 1):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.sockets.append(socket.socket(family, socket.SOCK_DGRAM))
            self.sockets[-1].bind((address, port + more))

    def send(self, packet, at, rtcp=False):
        """To an address."""
        self.sockets[rtcp].sendto(packet, at)

    def receive(self, rtcp=False, seconds=SECONDS):
        """The next packet, or None."""
        self.sockets[rtcp].settimeout(seconds)
        try:
            return self.sockets[rtcp].recv(OCTETS)
        except TimeoutError:
            return None

    def end(self):
        """Closes them."""
        for one in self.sockets:
            one.close()


def rtp(number, payload=b"", ssrc=0x10203040, kind=0):
    """A packet of RTP of 20 ms."""
    return b"\x80" + bytes([kind]) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + ssrc.to_bytes(4, "big") + payload.ljust(160, b"\xd5")


def rtcp(ssrc=0x10203040):
    """A sender's report with its name."""
    name = b"lab@lab."
    report = b"\x80\xc8\x00\x06" + ssrc.to_bytes(4, "big") + os.urandom(8) + bytes(12)
    items = ssrc.to_bytes(4, "big") + b"\x01" + bytes([len(name)]) + name + b"\0\0"
    return report + b"\x81\xca" + (len(items) // 4).to_bytes(2, "big") + items
