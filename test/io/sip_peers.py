"""What tests of a lone ime-agent need around it: the process with its files, and peers that speak SIP over UDP (RFC 3261), as PBX and as trunk.

A peer answers calls and whatever is asked inside of them by itself; the test places calls, holds them, hangs up, and sees which have ended."""
import contextlib
import json
import os
import queue
import re
import secrets
import signal
import socket
import subprocess
import threading
import time

PATIENCE = 60
START_SECONDS = 90  # until a program answers, on a machine that is busy
AGAIN_SECONDS = 0.5  # until something is sent again


class SipError(Exception):
    """A call did not do what calls do."""


class Message:
    """One SIP message."""

    def __init__(self, octets):
        head, _, self.body = octets.decode(errors="replace").partition("\r\n\r\n")
        self.start, *lines = head.split("\r\n")
        self.fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        first, second = (self.start.split(" ") + ["", ""])[:2]
        self.status = int(second) if first == "SIP/2.0" else None
        self.sequence, self.method = (self.get("cseq").split() + ["", ""])[:2]
        self.call_id = self.get("call-id")

    def get(self, name):
        """The first field of this name, or nothing."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name):
        """All fields of this name."""
        return [value for key, value in self.fields if key == name]

    def target(self):
        """The URI of its Contact."""
        return re.search("<([^>]+)>", self.get("contact")).group(1)


def silence(host):
    """A session description (RFC 8866)."""
    return (f"v=0\r\no=- {secrets.randbelow(1 << 31)} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n")


class Leg:
    """One end of a call, as a peer has it."""

    def __init__(self, peer, agent, call_id, local, remote, target):
        self.peer, self.agent, self.call_id = peer, agent, call_id
        self.local, self.remote, self.target = local, remote, target
        self.cseq = 0
        self.invite = None  # that came in
        self.answers = queue.Queue()
        self.acknowledged = threading.Event()
        self.heard = threading.Event()  # an answer to INVITE, which is not sent again from then on
        self.ended = threading.Event()  # the other side hung up
        self.byes = set()  # CSeqs of BYEs that came

    def text(self, method, cseq, branch, body=""):
        """A request of this leg."""
        lines = [f"{method} {self.target} SIP/2.0", f"Via: SIP/2.0/UDP {self.peer.point};branch={branch}", "Max-Forwards: 70", f"From: {self.local}",
                 f"To: {self.remote}", f"Call-ID: {self.call_id}", f"CSeq: {cseq} {method}", f"Contact: <sip:{self.peer.point}>",
                 *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def ask(self, method, body="", patience=PATIENCE):
        """Sends a request until it has its final answer, which is acknowledged if it was an INVITE."""
        self.cseq += 1
        branch = "z9hG4bK" + secrets.token_hex(8)
        text, deadline, heard = self.text(method, self.cseq, branch, body), time.monotonic() + patience, False
        while time.monotonic() < deadline:
            if not heard:
                self.peer.send(text, self.agent)
            try:
                answer = self.answers.get(timeout=AGAIN_SECONDS)
            except queue.Empty:
                continue
            if (answer.sequence, answer.method) != (str(self.cseq), method):
                continue
            if method == "INVITE":
                heard = True
                self.heard.set()
            if answer.status < 200:
                continue
            if method == "INVITE":
                if answer.status < 300:
                    self.remote, self.target = answer.get("to"), answer.target()
                    branch = "z9hG4bK" + secrets.token_hex(8)
                self.peer.send(self.text("ACK", self.cseq, branch), self.agent)
            return answer
        raise SipError(f"no final answer to {method}")

    def hold(self):
        """A re-INVITE: the call must be there, at both ends."""
        answer = self.ask("INVITE", silence(self.peer.host))
        if answer.status != 200:
            raise SipError(f"re-INVITE was answered with {answer.status}")

    def hang_up(self):
        """BYE; the status of its answer."""
        return self.ask("BYE").status


class Peer(threading.Thread):
    """A PBX or a trunk. Numbers that end in `rings` ring and are not answered; those in `refuses` are busy."""

    def __init__(self, host, port, rings="", refuses=""):
        super().__init__(name=f"peer at {host}", daemon=True)
        self.host, self.port, self.point = host, port, f"{host}:{port}"
        self.rings, self.refuses = rings, refuses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.legs = {}  # by Call-ID
        self.ringing = threading.Event()
        self.strays = queue.Queue()  # responses that belong to no leg
        self.start()

    def send(self, text, address):
        """To the network."""
        with contextlib.suppress(OSError):  # nobody is there: it is sent again
            self.socket.sendto(text if isinstance(text, bytes) else text.encode(), address)

    def respond(self, request, address, status, reason, tag="", body=""):
        """Answers a request."""
        to = request.get("to")
        lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("via")), f"From: {request.get('from')}",
                 f"To: {to}" + (f";tag={tag}" if tag and ";tag=" not in to else ""), f"Call-ID: {request.call_id}", f"CSeq: {request.get('cseq')}",
                 f"Contact: <sip:{self.point}>", *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines) + "\r\n\r\n" + body, address)

    def call(self, agent, calling, called, patience=PATIENCE):
        """Places a call; its leg, and the final answer."""
        leg = Leg(self, agent, secrets.token_hex(12), f"<sip:{calling}@{self.host}>;tag={secrets.token_hex(6)}", f"<sip:{called}@{agent[0]}>",
                  f"sip:{called}@{agent[0]}:{agent[1]}")
        self.legs[leg.call_id] = leg
        return leg, leg.ask("INVITE", silence(self.host), patience)

    def connect(self, agent, calling, called):
        """A call that must be answered."""
        leg, answer = self.call(agent, calling, called)
        if answer.status != 200:
            raise SipError(f"INVITE was answered with {answer.status}")
        return leg

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                octets, address = self.socket.recvfrom(65535)
                if octets.strip(b"\r\n\0"):
                    self.take(Message(octets), address)

    def take(self, message, address):
        """One message."""
        leg = self.legs.get(message.call_id)
        if message.status is not None:
            (leg.answers if leg else self.strays).put(message)
        elif message.method == "ACK":
            if leg:
                leg.acknowledged.set()
        elif message.method == "INVITE":
            self.invited(message, address, leg)
        elif not leg:
            self.respond(message, address, 200 if message.method == "OPTIONS" else 481, "Without Call", "x")
        else:
            if message.method == "BYE":
                leg.byes.add(message.sequence)
                leg.ended.set()
            self.respond(message, address, 200, "OK")
            if message.method == "CANCEL" and leg.invite and not leg.acknowledged.is_set():
                self.respond(leg.invite, address, 487, "Request Terminated", leg.local.rsplit("tag=", 1)[1])

    def invited(self, message, address, leg):
        """A call that comes, comes again, or is changed."""
        found = re.match("INVITE sips?:([^@;]+)", message.start)
        if not found:
            raise SipError(f"no number in {message.start}")
        called = found.group(1)
        if ";tag=" in message.get("to"):
            self.respond(message, address, 200 if leg and not leg.ended.is_set() else 481, "Answer", body=silence(self.host))
            return
        if not leg:
            leg = Leg(self, address, message.call_id, message.get("to") + f";tag={secrets.token_hex(6)}", message.get("from"), message.target())
            leg.invite = message
            leg.called = called
            self.legs[message.call_id] = leg
        tag = leg.local.rsplit("tag=", 1)[1]
        if self.refuses and called.endswith(self.refuses):
            self.respond(message, address, 486, "Busy Here", tag)
        elif self.rings and called.endswith(self.rings):
            self.ringing.set()
            self.respond(message, address, 180, "Ringing", tag)
        else:
            threading.Thread(target=self.answer, args=(leg, address, tag), daemon=True).start()

    def answer(self, leg, address, tag):
        """200 until it is acknowledged."""
        for _ in range(20):
            self.respond(leg.invite, address, 200, "OK", tag, silence(self.host))
            if leg.acknowledged.wait(AGAIN_SECONDS) or leg.ended.is_set():
                return

    def with_called(self, called):
        """The leg of a call that came to this number, the newest first."""
        return next((leg for leg in reversed(list(self.legs.values())) if leg.invite and leg.called.endswith(called)), None)

    def close(self):
        """The socket goes."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def is_sanitized(program):
    """Whether it was built with the address sanitizer, which keeps freed memory for a while. Its path may be relative, and say nothing."""
    with open(program, "rb") as binary:
        return b"__asan_init" in binary.read()


def free_hosts(first):
    """127.N, in which nobody listens at the ports below: several checkouts may be tested on one machine."""
    for network in range(first, 255, 20):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            try:
                probe.bind((f"127.{network}.0.1", 5060))
            except OSError:
                continue
            return f"127.{network}.0"
    raise SipError("all networks that tests may use are taken")


class Agent:
    """ime-agent and its files; or another program: `word` is the section of its configuration that is about itself."""

    def __init__(self, program, imectl, folder, conf, word="agent"):
        self.program, self.imectl, self.folder = program, imectl, folder
        self.control, self.log_path = os.path.join(folder, "control"), os.path.join(folder, "log")
        self.conf = os.path.join(folder, word + ".conf")
        with open(self.conf, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(f"[{word}]\ndata = {folder}/data\ncontrol = {self.control}\n" + conf)
        self.child = None

    def begin(self):
        """Starts it; does not wait."""
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen([self.program, "--config", self.conf], stderr=log)

    def start(self):
        """Starts it and waits until it works."""
        self.begin()
        wait_for(self.answers, lambda: "it does not start:\n" + self.log()[-4000:], START_SECONDS)

    def answers(self):
        """Whether imectl reaches it."""
        assert self.child.poll() is None, "it has ended:\n" + self.log()[-4000:]
        done = subprocess.run([self.imectl, "--socket", self.control, "show", "status"], capture_output=True, timeout=PATIENCE, check=False)
        return done.returncode == 0

    def ctl(self, *words):
        """What imectl says."""
        done = subprocess.run([self.imectl, "--socket", self.control, "--json", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def counters(self):
        """All of them by name."""
        return {c["name"]: c["value"] for c in self.ctl("show", "counters", "--all")["counters"]}

    def kill(self):
        """As the kernel does it to who takes too much memory."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(PATIENCE)

    def stop(self):
        """In good order."""
        self.child.terminate()
        status = self.child.wait(PATIENCE)
        assert status == 0, f"it ends with {status}:\n{self.log()[-4000:]}"
        for words in ("Sanitizer", "runtime error", "Assertion"):
            assert words not in self.log(), f"{words} in {self.log_path}"

    def log(self):
        """All that it has said."""
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def resident(self):
        """KiB of memory."""
        with open(f"/proc/{self.child.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def wait_for(condition, what, seconds=PATIENCE):
    """Asks until it holds; what: a text, or a function that says what is missing."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)
