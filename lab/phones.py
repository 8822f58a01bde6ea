"""SIP phones for labs, and a phone network between companies: INVITE and its answers, ACK, BYE and OPTIONS over UDP (RFC 3261), with a
description of one audio stream that is silent. Enough to see what call agents do with calls; interop/ has the variety of real peers.
"""
import contextlib
import queue
import re
import secrets
import socket
import threading
import time

AGAIN_SECONDS = (0.5, 1, 2, 4, 4, 4)  # until something is sent again, and until it is given up
PATIENCE = 20
OCTETS_MAX = 65535
USER = re.compile(r"<?(?:sip|sips|tel):([^@;>]+)")


class CallFailed(Exception):
    """A call did not do what calls do."""


class Message:
    """One SIP message."""

    def __init__(self, octets):
        head, _, self.body = octets.decode().partition("\r\n\r\n")
        self.start, *lines = head.split("\r\n")
        self.fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        first, second = self.start.split(" ")[:2]
        self.status = int(second) if first == "SIP/2.0" else None
        self.uri = second if self.status is None else None
        self.sequence, self.method = self.get("cseq").split()
        self.call_id = self.get("call-id")

    def get(self, name):
        """The first field of this name, or nothing."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name):
        """All fields of this name."""
        return [value for key, value in self.fields if key == name]

    def user(self, name):
        """Who stands in an address field."""
        found = USER.search(self.get(name))
        return found.group(1) if found else ""


def silence(address):
    """A session description (RFC 4566)."""
    host = address[0]
    return (f"v=0\r\no=- {secrets.randbelow(1 << 31)} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n")


class Dialog:
    """One end of a call: what it sends. What comes stands in the inbox, with the dialog it is for."""

    def __init__(self, end, peer, call_id, local, remote, target, inbox=None):
        self.end, self.peer = end, peer
        self.call_id, self.local, self.remote, self.target = call_id, local, remote, target
        self.inbox = inbox or queue.Queue()
        self.sequence = 0
        self.invite = None  # that was received, or sent: its text
        self.route = []

    def send_request(self, method, sequence=None, body="", branch=None):
        """Its text, to send it again."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        branch = branch or "z9hG4bK" + secrets.token_hex(8)
        lines = [f"{method} {self.target} SIP/2.0", f"Via: SIP/2.0/UDP {self.end.point};branch={branch}", "Max-Forwards: 70",
                 *(f"Route: {route}" for route in self.route),
                 f"From: {self.local}", f"To: {self.remote}", f"Call-ID: {self.call_id}", f"CSeq: {sequence} {method}",
                 f"Contact: <sip:{self.end.point}>", *(["Content-Type: application/sdp"] if body else []),
                 f"Content-Length: {len(body)}"]
        text = "\r\n".join(lines) + "\r\n\r\n" + body
        self.end.send(text, self.peer)
        return text

    def respond(self, request, status, reason, body=""):
        """An answer to a request of this dialog."""
        self.end.respond(request, self.peer, status, reason, self.local, body)

    def take(self, seconds):
        """(dialog, message) that comes next, of this dialog or another one with the same inbox; None: nothing came."""
        try:
            return self.inbox.get(timeout=seconds)
        except queue.Empty:
            return None

    def expect(self, method, send):
        """Sends (again and again) until a response to this method has come, final or not; requests that come meanwhile wait."""
        others = []
        try:
            for seconds in AGAIN_SECONDS:
                send()
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    got = self.take(left)
                    if got and got[0] is self and got[1].status and got[1].method == method:
                        return got[1]
                    if got:
                        others.append(got)
        finally:
            for other in others:
                self.inbox.put(other)
        raise CallFailed(f"nothing came as an answer to {method}")

    def place(self, heard, body):
        """Sends an INVITE; heard(response) is called with every response. The final one, which has been acknowledged."""
        text = self.send_request("INVITE", body=body)
        branch = re.search("branch=([^\r]+)", text).group(1)
        first = [None]

        def send():
            if first[0]:
                self.end.send(text, self.peer)
            first[0] = True

        response = self.expect("INVITE", send)
        deadline = time.monotonic() + PATIENCE
        while True:
            heard(response)
            if response.status >= 200:
                break
            got = None
            while not (got and got[0] is self and got[1].status and got[1].method == "INVITE"):
                if time.monotonic() > deadline:
                    raise CallFailed("no final answer to INVITE")
                got = self.take(1)
            response = got[1]
        self.remote = response.get("to")
        if response.status < 300:
            self.target = re.search("<([^>]+)>", response.get("contact")).group(1)
            self.route = response.all("record-route")[::-1]
            branch = None
        self.send_request("ACK", self.sequence, branch=branch)
        return response

    def accept(self, body):
        """Answers the INVITE; comes back when that was acknowledged. What else came stays in the inbox."""
        others, got = [], None
        for seconds in AGAIN_SECONDS:
            self.respond(self.invite, 200, "OK", body)
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                got = self.take(left)
                if got and got[0] is self and got[1].method == "ACK":
                    for other in others:
                        self.inbox.put(other)
                    return
                if got:
                    others.append(got)
        raise CallFailed("nobody acknowledged the answer")

    def hang_up(self):
        """BYE, and its answer."""
        texts = []

        def send():
            if texts:
                self.end.send(texts[0], self.peer)
            else:
                texts.append(self.send_request("BYE"))

        status = self.expect("BYE", send).status
        if status != 200:
            raise CallFailed(f"BYE was answered with {status}")


class End(threading.Thread):
    """A UDP socket with calls. called(dialog) has a thread of its own for every call that comes."""

    def __init__(self, address):
        super().__init__(name=f"phone at {address}", daemon=True)
        self.address = address
        self.point = f"{address[0]}:{address[1]}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.dialogs = {}  # Call-ID -> dialog
        self.problems = []  # that nobody waits for
        self.start()

    def called(self, dialog):
        """Somebody calls."""
        dialog.respond(dialog.invite, 404, "Not Found")

    def send(self, text, peer):
        """To the network."""
        self.socket.sendto(text.encode(), peer)

    def respond(self, request, peer, status, reason, to, body=""):
        """An answer goes where the request came from."""
        lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("via")),
                 *(f"Record-Route: {route}" for route in request.all("record-route")), f"From: {request.get('from')}", f"To: {to}",
                 f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}", f"Contact: <sip:{self.point}>",
                 *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines) + "\r\n\r\n" + body, peer)

    def begin(self, peer, calling, called, inbox=None):
        """A call of ours, not placed yet."""
        host = peer[0]
        dialog = Dialog(self, peer, secrets.token_hex(12), f"<sip:{calling}@{host}>;tag={secrets.token_hex(6)}", f"<sip:{called}@{host}>",
                        f"sip:{called}@{peer[0]}:{peer[1]}", inbox)
        self.dialogs[dialog.call_id] = dialog
        return dialog

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                octets, peer = self.socket.recvfrom(OCTETS_MAX)
                if octets.strip():
                    self.take(Message(octets), peer)

    def take(self, message, peer):
        """One message."""
        dialog = self.dialogs.get(message.call_id)
        if dialog:
            if not (message.method == "INVITE" and message.status is None):  # one that comes again: its answer is under way
                dialog.inbox.put((dialog, message))
        elif message.status is None and message.method == "OPTIONS":
            self.respond(message, peer, 200, "OK", message.get("to") + ";tag=options")
        elif message.status is None and message.method == "INVITE":
            contact = re.search("<([^>]+)>", message.get("contact")).group(1)
            dialog = Dialog(self, peer, message.call_id, message.get("to") + ";tag=" + secrets.token_hex(6), message.get("from"), contact)
            dialog.invite = message
            dialog.route = message.all("record-route")
            self.dialogs[message.call_id] = dialog
            threading.Thread(target=self.serve, args=(dialog,), daemon=True).start()
        elif message.status is None and message.method != "ACK":
            self.respond(message, peer, 481, "Call Does Not Exist", message.get("to"))

    def serve(self, dialog):
        """A call that came, to its end."""
        try:
            self.called(dialog)
        except (CallFailed, OSError) as error:
            self.problems.append(str(error))

    def close(self):
        """The socket goes; calls in progress are cut."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Placed:
    """What a caller heard of one call."""

    def __init__(self):
        self.heard = []  # statuses in their order
        self.answered_by = None  # the tag of who answered
        self.seconds_to_answer = None

    def finals(self):
        """The final answers: one, of a call."""
        return [status for status in self.heard if status >= 200]


class Phone(End):
    """The phones of an office behind their PBX: any number answers."""

    def __init__(self, address, ring_seconds=0.3):
        super().__init__(address)
        self.ring_seconds = ring_seconds
        self.received = []  # INVITEs

    def call(self, agent, calling, called, seconds):
        """Places a call through the agent and hangs up so long after the answer."""
        placed, began = Placed(), time.monotonic()
        dialog = self.begin(agent, calling, called)
        final = dialog.place(lambda response: placed.heard.append(response.status), silence(self.address))
        if final.status < 300:
            placed.seconds_to_answer = time.monotonic() - began
            placed.answered_by = final.get("to")
            time.sleep(seconds)
            dialog.hang_up()
        while got := dialog.take(0.05):
            if got[1].status and got[1].method == "INVITE":
                placed.heard.append(got[1].status)
        return placed

    def called(self, dialog):
        """Rings, answers, hears the caller out."""
        self.received.append(dialog.invite)
        dialog.respond(dialog.invite, 180, "Ringing")
        time.sleep(self.ring_seconds)
        dialog.accept(silence(self.address))
        while True:
            got = dialog.take(PATIENCE)
            if not got:
                raise CallFailed("nobody hung up")
            if got[1].method in ("BYE", "CANCEL") and got[1].status is None:
                dialog.respond(got[1], 200, "OK")
                return


class Network(End):
    """A phone network: carries a number and media, nothing else; callers in the form of their country; the called side hears of everything a
    little earlier or later than the calling side."""

    def __init__(self, address, country, trunks, answer_seconds=0.7, release_seconds=0.4):
        """trunks: {the beginning of numbers: where their trunk is}."""
        super().__init__(address)
        self.country, self.trunks = country, trunks
        self.answer_seconds, self.release_seconds = answer_seconds, release_seconds
        self.calls = 0

    def national(self, number):
        """As it is dialed in the country."""
        return "0" + number[len(self.country):] if number.startswith(self.country) else number

    def called(self, dialog):
        """From one trunk to another."""
        called = USER.search(dialog.invite.uri).group(1)
        trunk = next((trunk for prefix, trunk in self.trunks.items() if called.startswith(prefix)), None)
        if not trunk:
            dialog.respond(dialog.invite, 404, "Not Found")
            return
        dialog.respond(dialog.invite, 100, "Trying")
        self.calls += 1
        other = self.begin(trunk, self.national(dialog.invite.user("from")), self.national(called), dialog.inbox)

        def heard(response):
            if response.status == 180:
                dialog.respond(dialog.invite, 180, "Ringing")

        final = other.place(heard, dialog.invite.body)
        if final.status >= 300:
            dialog.respond(dialog.invite, final.status, final.start.split(" ", 2)[2])
            return
        time.sleep(self.answer_seconds)
        dialog.accept(final.body)
        while True:
            got = dialog.take(PATIENCE)
            if not got:
                raise CallFailed("nobody hung up")
            side, message = got
            if message.method == "BYE" and message.status is None:
                side.respond(message, 200, "OK")
                time.sleep(self.release_seconds)
                (other if side is dialog else dialog).hang_up()
                return
