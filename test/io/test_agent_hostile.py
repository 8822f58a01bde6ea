#!/usr/bin/env python3
"""Hostile peers of the running ime-agent: floods of INVITEs, of connections, of handshakes that never end; slow senders; giant, false and broken
messages. Each is bounded, answered or dropped, and counted; a call in progress is held, changed and ended through all of it, and new calls of those
whom the agent knows come through.

    test_agent_hostile.py IME-AGENT IMECTL
"""
import contextlib
import os
import resource
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time

from sip_peers import Agent, Message, Peer, SipError, free_hosts, is_sanitized, wait_for

PBX_PORT, TRUNK_PORT, TLS_PORT = 5060, 5070, 5061
CONNECTIONS, RESERVED, PER_SOURCE, NOISY_CALLS = 400, 100, 30, 20
RSS_GROWTH_KIB, SANITIZED_GROWTH_KIB = 64 * 1024, 700 * 1024
LOG_LINES_MAX = 600
FLOOD_PER_SECOND = 4000
HALF_OPEN = "connections.handshake_timeout net.closed_half_open"  # whichever timer is first
CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x42" * 100  # the beginning of a record that never ends
CONF = """domain = a.example
keepalive = 1s
calls = 60
[limits]
connections = {connections}
connections-reserved = {reserved}
connections-per-source = {per_source}
handshake-timeout = 2s
first-timeout = 2s
message-timeout = 1s
[pbx-side]
udp = {hosts}.1:5060
tcp = {hosts}.1:5060
tls = {hosts}.1:5061
certificate = {folder}/cert.pem
key = {folder}/key.pem
[pstn-side]
udp = {hosts}.1:5070
[pbx office]
host = {hosts}.2
country = 49
[pbx noisy]
host = {hosts}.3
country = 49
calls = {noisy}
[trunk carrier]
host = {hosts}.4
country = 49
"""


def invite(host, called="0309999999", more="", body="", transport="UDP", length=None, forwards=70, tail=""):
    """An INVITE of its own each time."""
    mark = secrets.token_hex(8)
    return (f"INVITE sip:{called}@agent SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:5060;branch=z9hG4bK{mark}\r\nMax-Forwards: {forwards}\r\n"
            f"From: <sip:0301001234@{host}>;tag={mark}\r\nTo: <sip:{called}@agent>\r\nCall-ID: {mark}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:a@{host}:5060>\r\n{more}Content-Length: {len(body) if length is None else length}\r\n\r\n{body}{tail}").encode()


def options(host, transport):
    """A question that everybody whom the agent knows may ask."""
    return invite(host, transport=transport).replace(b"INVITE", b"OPTIONS")


def flood(host, target, seconds):
    """Runs as a process of its own: INVITEs over UDP, and over one TCP connection after the other. As many as belong to the seconds, however long it takes."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, 5060))
    udp.connect(target)
    tcp, began = None, time.monotonic()
    for sent in range(int(FLOOD_PER_SECOND * seconds)):
        early = began + sent / FLOOD_PER_SECOND - time.monotonic()
        if early > 0:
            time.sleep(early)
        with contextlib.suppress(OSError):
            udp.send(invite(host, "0305550000"))
        if sent % 10 == 0:
            try:
                tcp = tcp or socket.create_connection(target, 1, (host, 0))
                tcp.settimeout(1)
                tcp.sendall(invite(host, "0305550000", transport="TCP"))
            except OSError:
                tcp = None


class Hostile:
    """In order; the first step begins the call that the others must leave alone, the last one ends it."""

    def __init__(self, programs, folder):
        self.hosts = free_hosts(61)
        self.target = (f"{self.hosts}.1", PBX_PORT)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=agent",
                        "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"], capture_output=True, timeout=60, check=True)
        os.chmod(f"{folder}/key.pem", 0o600)
        self.agent = Agent(*programs, folder, CONF.format(hosts=self.hosts, folder=folder, connections=CONNECTIONS, reserved=RESERVED,
                                                          per_source=PER_SOURCE, noisy=NOISY_CALLS))
        self.sanitized = is_sanitized(programs[0])
        self.office, self.carrier = Peer(f"{self.hosts}.2", 5060), Peer(f"{self.hosts}.4", 5060, rings="5550000")
        self.held = self.before = self.resident = None
        self.open = []

    # -- what must hold all the time -------------------------------------------------------------------------------------

    def serves(self):
        """The call in progress is there at both ends, and another one is possible."""
        self.held.hold()
        leg = self.office.connect(self.target, "0301001234", "0308888888")
        assert leg.hang_up() == 200
        wait_for(self.carrier.with_called("8888888").ended.is_set, "the other side was not told of the end")

    def grown(self, names, by=1):
        """Waits until a counter, or several together, has grown by so much since the step began."""
        def sum_of(counters):
            return sum(counters[name] for name in names.split())
        wait_for(lambda: sum_of(self.agent.counters()) >= sum_of(self.before) + by,
                 lambda: f"{names} has not grown by {by}, but from {sum_of(self.before)} to {sum_of(self.agent.counters())}")

    def dial(self, host, port=PBX_PORT):
        """A connection from an address of choice: all of 127/8 is ours."""
        connection = socket.create_connection((self.target[0], port), 20, (f"{self.hosts}.{host}" if isinstance(host, int) else host, 0))
        self.open.append(connection)
        return connection

    def stranger(self, number):
        """An address of somebody."""
        return f"{self.hosts.rsplit('.', 1)[0]}.{1 + number // 250}.{1 + number % 250}"

    def hang_up_all(self):
        """All connections of this step."""
        for connection in self.open:
            connection.close()
        self.open.clear()

    @staticmethod
    def is_over(connection, seconds=30):
        """True when the other side ends the connection, whatever it says before."""
        connection.settimeout(seconds)
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    # -- steps -----------------------------------------------------------------------------------------------------------

    def step_calls(self):
        """A call that lasts."""
        self.agent.start()
        self.before = self.agent.counters()
        self.grown("agent.CallsReceived", 0)
        self.held = self.office.connect(self.target, "0301001234", "0307777777")
        self.serves()
        self.resident = self.agent.resident()

    def flooded(self, host):
        """Serves while a flood goes on."""
        with subprocess.Popen([sys.executable, __file__, "--flood", host, str(PBX_PORT), self.target[0], "1"]) as flooder:
            self.grown("sip.requests_in", 50)
            for _ in range(3):
                self.serves()
            assert flooder.wait(60) == 0

    def step_flood_of_a_stranger(self):
        """Some are told that they are strangers, the others nothing; nothing is kept of them."""
        self.flooded(self.stranger(1))
        self.grown("agent.calls_refused_source", 20)
        self.grown("agent.strangers_dropped", 500)
        log = self.agent.log()
        assert 1 <= log.count("agent.strangers ") <= 20, log[-2000:]

    def step_flood_of_a_pbx(self):
        """One that ran wild has its number of calls, and gets 503 beyond."""
        self.flooded(f"{self.hosts}.3")
        self.grown("agent.calls_refused_peer", 50)
        assert self.agent.counters()["agent.calls_refused_limit"] == self.before["agent.calls_refused_limit"]
        assert self.agent.ctl("show", "status")["calls"] <= NOISY_CALLS + 1

    def step_flood_of_connections(self):
        """Half-open ones from many places take what strangers may have, and not what PBXs have; then they are over."""
        places = (CONNECTIONS - RESERVED) // PER_SOURCE
        for i in range(places + 3):
            for _ in range(PER_SOURCE + (5 if i == 0 else 0)):
                self.dial(self.stranger(10 + i), PBX_PORT if i % 2 else TLS_PORT)
        self.grown("net.refused_source", 5)
        self.grown("net.refused_connections", PER_SOURCE)
        known = self.dial(2)
        known.sendall(options(f"{self.hosts}.2", "TCP"))
        assert known.recv(65536).startswith(b"SIP/2.0 200 "), "a PBX is kept out by strangers"
        self.serves()
        self.grown("net.closed_silent", PER_SOURCE)
        self.grown(HALF_OPEN, PER_SOURCE)
        assert self.agent.log().count("connection.refused") < 100

    def step_handshakes_that_never_end(self):
        """They end by themselves, at whatever octet they stopped."""
        halves = [self.dial(self.stranger(40 + i // PER_SOURCE), TLS_PORT) for i in range(2 * PER_SOURCE)]
        for i, half in enumerate(halves):
            half.sendall(CLIENT_HELLO[:i])
        self.serves()
        assert all(self.is_over(half) for half in halves)
        self.grown(HALF_OPEN, PER_SOURCE)

    def step_slow_senders(self):
        """A message has a second to become whole, from a stranger as from a PBX."""
        slow = [self.dial(host) for host in (2, self.stranger(50), self.stranger(51))]
        octets, deadline = options(f"{self.hosts}.2", "TCP"), time.monotonic() + 30
        for octet in octets:
            assert time.monotonic() < deadline, "a slow sender may stay"
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(bytes([octet]))
            for connection in select.select(slow, [], [], 0.05)[0]:  # there is no answer: it is the end
                slow.remove(connection)
            if not slow:
                break
        self.grown("net.closed_slow", 3)
        self.serves()

    def answered(self, octets, transport):
        """What a PBX gets for octets: a status, 0: nothing, or the connection is ended."""
        host = f"{self.hosts}.2"
        if transport == "TCP":
            with self.dial(2) as connection:
                connection.settimeout(5)
                with contextlib.suppress(OSError):
                    connection.sendall(octets)
                answer = b""
                with contextlib.suppress(OSError):
                    answer = connection.recv(65536)
        else:
            while not self.office.strays.empty():
                self.office.strays.get()
            self.office.send(octets, self.target)
            self.office.send(options(host, "UDP"), self.target)  # its answer comes after, if there is one
            final, last = 0, None
            while last is None or last.method != "OPTIONS":
                last = self.office.strays.get(timeout=30)
                final = last.status if last.method != "OPTIONS" and last.status >= 200 else final
            return final
        return Message(answer).status if answer else 0

    def step_broken_messages(self):
        """From a PBX, so that they are looked at: each has the answer of the RFC, or none."""
        host, sdp = f"{self.hosts}.2", "v=0\r\n"
        vias = "".join(f"Via: SIP/2.0/UDP {self.hosts}.1:5060;branch=z9hG4bKloop{i}\r\n" for i in range(200))
        cases = [
            ("no hops left", "UDP", invite(host, forwards=0), {483}, None),
            ("a body shorter than it says", "UDP", invite(host, body=sdp, length=999), {400}, "sip.refused_syntax"),
            ("a negative length", "UDP", invite(host, length=-1), {400}, "sip.refused_syntax"),
            ("a length that no number holds", "TCP", invite(host, length="9" * 40), {0, 400, 413}, "net.bad_framing"),
            ("two lengths", "TCP", invite(host, more="Content-Length: 5\r\n", body=sdp), {0, 400}, "net.bad_framing"),
            ("no length on a stream", "TCP", invite(host).replace(b"Content-Length: 0\r\n", b""), {0, 400}, "net.bad_framing"),
            ("a giant head on a stream", "TCP", invite(host, more="X-Giant: " + "g" * 70000 + "\r\n"), {0}, "net.bad_framing"),
            ("an endless head", "TCP", b"INVITE sip:a SIP/2.0\r\n" + b"X: y\r\n" * 20000, {0}, "net.bad_framing"),
            ("garbage on a stream", "TCP", b"\x80" + secrets.token_bytes(5000), {0}, "net.bad_framing"),
            ("TLS on a plain port", "TCP", CLIENT_HELLO, {0}, "net.bad_framing"),
            ("garbage", "UDP", b"\x80" + secrets.token_bytes(1000), {0}, None),
            ("another version", "UDP", invite(host).replace(b"agent SIP/2.0", b"agent SIP/9.0"), {505}, "sip.refused_version"),
            ("no From", "UDP", invite(host).replace(b"From:", b"X-From:"), {400}, "sip.refused_syntax"),
            ("a number without end", "UDP", invite(host, "0309999999" + "9" * 300), {484}, None),
            ("parameters without end", "UDP", invite(host, more="Supported: " + ",".join("x" * 50 for _ in range(1000)) + "\r\n", forwards=0), {0, 400, 483, 513}, None),
            ("thousands of fields", "UDP", invite(host, more="X: y\r\n" * 8000, forwards=0), {0, 400, 483, 513}, None),
            ("hundreds of Vias, with ours among them", "UDP", invite(host, more=vias, forwards=0), {483, 400, 482}, None),
        ]
        for name, transport, octets, statuses, counter in cases:
            self.before = self.agent.counters()
            status = self.answered(octets, transport)
            assert status in statuses, f"{name}: {status}"
            if counter:
                self.grown(counter)
        self.serves()

    def step_ends(self):
        """The flood is over: what is left are the ringing ones. The call in progress ends as it should, and the agent, too."""
        grown = self.agent.resident() - self.resident
        print(f"# resident {self.resident} KiB with one call, {grown} KiB more after all")
        assert grown < (SANITIZED_GROWTH_KIB if self.sanitized else RSS_GROWTH_KIB), f"it grew by {grown} KiB"
        assert self.carrier.with_called("7777777").hang_up() == 200
        wait_for(self.held.ended.is_set, "the caller was not told of the end")
        lines = self.agent.log().count("\n")
        print(f"# {lines} lines in the log")
        assert lines < LOG_LINES_MAX
        self.agent.stop()


def main():
    """TAP."""
    names = ("step_calls", "step_flood_of_a_stranger", "step_flood_of_a_pbx", "step_flood_of_connections", "step_handshakes_that_never_end",
             "step_slow_senders", "step_broken_messages", "step_ends")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 8192), files[1]))
    print(f"1..{len(names)}")
    with tempfile.TemporaryDirectory() as folder:
        hostile = Hostile(sys.argv[1:3], folder)
        number = 0
        try:
            for number, name in enumerate(names, 1):
                began = time.monotonic()
                if number > 1:
                    hostile.before = hostile.agent.counters()
                getattr(hostile, name)()
                hostile.hang_up_all()
                print(f"ok {number} - {name}\n# {time.monotonic() - began:.1f} s", flush=True)
        except (AssertionError, SipError, OSError, KeyError, subprocess.SubprocessError) as error:
            text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
            print(f"not ok {number} - {names[number - 1]}\n# {text}\nBail out! the steps need one another", flush=True)
            return 1
        finally:
            if hostile.agent.child and hostile.agent.child.poll() is None:
                hostile.agent.kill()
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--flood":
        flood(sys.argv[2], (sys.argv[4], int(sys.argv[3])), float(sys.argv[5]))
    else:
        sys.exit(main())
