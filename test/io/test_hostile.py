#!/usr/bin/env python3
"""Hostile peers at every port of running daemons: floods of connections, half-open handshakes, slow senders, giant, truncated and endless
messages, readers that never read, connections cut at every moment. The daemons must refuse by their limits, count it, serve others
meanwhile, forget it afterwards, and stay small.

    test_hostile.py [--directory DIR]
"""
import argparse
import contextlib
import http.client
import json
import os
import random
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

import gnutls  # noqa: E402
import vap  # noqa: E402
from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

VSERVICE = 0xA1
CALLER = "+49891234567"
LATTICE_MS = 4000
SECONDS = 60
RSS_GROWTH_KIB = 80 * 1024
SANITIZED_GROWTH_KIB = 900 * 1024  # the sanitizer keeps freed memory for a while
CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x42" * 100  # the beginning of a record that never ends
PER_SOURCE = 64
VAP_CONNECTIONS = 256
PVP_SESSIONS = 40
HTTPS_CONNECTIONS = 256


def wait_for(condition, what, seconds=SECONDS):
    """Asks until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def endpoint(address):
    """(host, port)."""
    host, port = address.rsplit(":", 1)
    return host, int(port)


def dial(address, source=None, timeout=SECONDS):
    """A TCP connection, perhaps from an address of choice: all of 127/8 is ours."""
    return socket.create_connection(endpoint(address), timeout=timeout, source_address=(source, 0) if source else None)


def is_over(connection, seconds=SECONDS):
    """True when the other side ends the connection in time, whatever it says before."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@contextlib.contextmanager
def closing_all():
    """A list of things that are closed in the end."""
    things = []
    try:
        yield things
    finally:
        for thing in things:
            with contextlib.suppress(OSError):
                thing.close()


class Hostile:
    """The tests share one world: servers a1 and a2 and the enrollment server."""

    def __init__(self, world):
        self.world = world
        self.company = world.description["companies"][0]
        self.server, self.insider = self.company["servers"]
        self.enroll_control = os.path.join(world.directory, "enroll", "control")
        self.sanitized = "asan" in os.path.basename(world.build or "")

    # -- what the daemons say --------------------------------------------------------------------------------------------

    def counters(self, control=None, prefix=None):
        """All counters by name."""
        words = ["show", "counters", "--all"] + ([prefix] if prefix else [])
        return {r["name"]: r["value"] for r in self.world.ctl(control or self.server["control"], *words)["counters"]}

    def counter(self, name, control=None):
        """One of them."""
        return self.counters(control)[name]

    def grown(self, before, name, by=1, control=None):
        """Waits until a counter has grown by so much since `before` was taken."""
        wait_for(lambda: self.counter(name, control) >= before[name] + by, f"{name} has not grown by {by} from {before[name]}: "
                 f"{self.counter(name, control)}")

    def agent(self, **options):
        """A registered call agent."""
        account = self.company["vap"]
        agent = Vap(self.server["vap"], account["user"], account["password"], self.world.description["ca"], **options)
        agent.register()
        return agent

    def agent_with_service(self):
        """… that has published its VService."""
        agent = self.agent()
        agent.publish_vservice(VSERVICE, self.company["domain"], [f"sip:a@{self.company['domain']}:5061;maddr=127.0.0.1;transport=tcp"])
        return agent

    def serves(self):
        """Call agents, imectl and HTTPS clients of good will are served."""
        agent = self.agent()
        agent.close()
        assert self.world.ctl(self.server["control"], "show", "status")["state"] == "joined"

    def fetch(self, timeout=SECONDS):
        """The ring's configuration from the enrollment server."""
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        connection = http.client.HTTPSConnection(*endpoint(self.world.enroll_address), context=context, timeout=timeout)
        connection.request("GET", "/.well-known/reload-config")
        answer = connection.getresponse()
        document = answer.read()
        connection.close()
        assert answer.status == 200 and b"<overlay" in document, answer.status

    def tls_of_insider(self, address):
        """TLS to a server of the ring, with the certificate of another: hostile members have good certificates."""
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        context.check_hostname = False
        context.load_cert_chain(os.path.join(self.insider["data"], "certificate.pem"), os.path.join(self.insider["data"], "key.pem"))
        return context.wrap_socket(dial(address))

    def tls_of_stranger(self, address, source=None):
        """TLS to a VAP or HTTPS listener."""
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        context.check_hostname = False
        return context.wrap_socket(dial(address, source))

    # -- floods ----------------------------------------------------------------------------------------------------------

    def test_flood_of_the_ring(self):
        """One source gets its share and no more; others get in."""
        before = self.counters()
        with closing_all() as connections:
            for _ in range(2 * PER_SOURCE):
                connections.append(dial(self.server["ring"], "127.45.9.1"))
            self.grown(before, "ring.links.limit_source", PER_SOURCE)
            connections.append(self.tls_of_insider(self.server["ring"]))
            self.serves()

    def test_flood_of_vap(self):
        """Sources of their own fill the listener; the next is turned away; all is well again when they are gone."""
        before = self.counters()
        with closing_all() as connections:
            for i in range(VAP_CONNECTIONS + 20):
                connections.append(dial(self.server["vap"], f"127.45.8.{1 + i // (PER_SOURCE // 2)}"))
            self.grown(before, "vap.connections.limit_connections", 20)
        before = self.counters()
        with closing_all() as connections:
            for _ in range(PER_SOURCE + 20):
                connections.append(dial(self.server["vap"], "127.45.8.99"))
            self.grown(before, "vap.connections.limit_source", 20)
            self.serves()

    def test_flood_of_pvp(self):
        """As many validations as there may be at a time; when they have gone, there is room."""
        before = self.counters()
        with closing_all() as connections:
            for i in range(PVP_SESSIONS + 20):
                connections.append(dial(self.server["pvp"], f"127.45.7.{1 + i % 4}"))
            self.grown(before, "server.blocked_validation_term_tls_limit", 20)
            self.serves()
        wait_for(lambda: self.pvp_is_open(), "the PVP listener does not recover")

    def pvp_is_open(self):
        """True if a connection is accepted, and kept."""
        with dial(self.server["pvp"], "127.45.7.9") as connection:
            return not select.select([connection], [], [], 0.2)[0]

    def test_flood_of_https(self):
        """Idle connections to the enrollment server: it stops accepting, and ends them in time for the others."""
        before = self.counters(self.enroll_control)
        with closing_all() as connections:
            for _ in range(HTTPS_CONNECTIONS):
                connections.append(dial(self.world.enroll_address))
            self.grown(before, "https.connections_full", 1, self.enroll_control)
            assert self.world.ctl(self.enroll_control, "show", "status")
            self.fetch()
            self.grown(before, "https.late", HTTPS_CONNECTIONS, self.enroll_control)

    def test_flood_of_control(self):
        """A user's own scripts gone mad: the others' sessions are turned away, until they end."""
        with closing_all() as connections:
            for _ in range(100):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(SECONDS)
                connection.connect(self.server["control"])
                connections.append(connection)
            turned_away = sum(bool(select.select([c], [], [], 0)[0]) for c in connections[:64])
            assert turned_away == 0, turned_away
            wait_for(lambda: sum(bool(select.select([c], [], [], 0)[0]) for c in connections) >= 36, "no limit")
        wait_for(self.control_answers, "the control socket does not recover")

    def control_answers(self):
        """True when imectl works."""
        try:
            return bool(self.world.ctl(self.server["control"], "show", "status"))
        except WorldError:
            return False

    # -- slow ones -------------------------------------------------------------------------------------------------------

    def test_half_open_handshakes(self):
        """Handshakes that stop in the middle end by themselves, everywhere."""
        before, enroll_before = self.counters(), self.counters(self.enroll_control)
        with closing_all() as connections:
            for address, count in ((self.server["ring"], 10), (self.server["vap"], 10), (self.server["pvp"], 10), (self.world.enroll_address, 10)):
                for i in range(count):
                    connection = dial(address, "127.45.6.1")
                    connection.sendall(CLIENT_HELLO[:i * 8])
                    connections.append(connection)
            self.serves()
            assert all(is_over(c) for c in connections), "a half-open handshake lasts"
        for service in ("ring.links", "vap.connections", "pvp.connections"):
            self.grown(before, service + ".handshake_timeout", 10)
        self.grown(enroll_before, "https.handshakes_failed", 10, self.enroll_control)

    def test_slow_senders(self):
        """Who sends an octet now and then may not stay: not before it has registered, and not with a request of HTTPS."""
        before = self.counters(self.enroll_control)
        with closing_all() as connections:
            for address, octets in ((self.server["vap"], b"\x00\x01\x00\x20\x41\x66\x66\x79" + b"x" * 4000),
                                    (self.world.enroll_address, b"GET /.well-known/reload-config HTTP/1.1\r\nX: " + b"y" * 4000)):
                connection = self.tls_of_stranger(address)
                connections.append(connection)
                self.drip(connection, octets)
        self.grown(before, "https.late", 1, self.enroll_control)
        self.serves()

    @staticmethod
    def drip(connection, octets):
        """Octet by octet, until the other side has had enough."""
        deadline = time.monotonic() + SECONDS
        connection.settimeout(0.02)
        for octet in octets:
            assert time.monotonic() < deadline, "a slow sender may stay"
            try:
                connection.sendall(bytes([octet]))
                if not connection.recv(100):
                    return
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError:
                return
        raise AssertionError("a slow sender was heard to its end")

    # -- giants and stumps -----------------------------------------------------------------------------------------------

    def test_giant_vap_messages(self):
        """A message above the limit is refused as such and skipped; the connection goes on."""
        before = self.counters()
        agent = self.agent()
        transaction = os.urandom(12)
        agent.socket.sendall(struct.pack("!HHI", vap.message_type(vap.UPLOAD, vap.REQUEST), 0xFFFC, vap.MAGIC) + transaction + b"\0" * 0xFFFC)
        try:
            agent.wait(transaction)
            raise AssertionError("a giant message was taken")
        except VapError as error:
            assert error.code == 413, error
        agent.publish_vservice(VSERVICE, self.company["domain"], ["sip:a@a.example:5061;maddr=127.0.0.1;transport=tcp"])
        agent.close()
        self.grown(before, "vap.oversized")

    def test_garbage_from_a_member(self):
        """A member of the ring with a good certificate sends garbage, giants and stumps over its link: the link ends, nothing else does."""
        before = self.counters()
        rng = random.Random(7)
        data = b"\x80" + struct.pack("!I", 1)
        attacks = [
            os.urandom(20000),
            data + b"\xff\xff\xff",                                          # a giant announced
            data + b"\x00\xff\xff" + os.urandom(0xFFFF),                     # a message of garbage
            data + b"\x00\x00\x26" + struct.pack("!I", 0xD2454C4F) + os.urandom(34),  # the right token, nothing else
            b"\x81" + os.urandom(8),                                         # an ack of nothing
            (data + b"\x00\x00\x00") * 5000,                                 # empty messages, pipelined
            b"\x80\x00",                                                     # a stump
            bytes(rng.randrange(256) for _ in range(100)) * 2000,
        ]
        for attack in attacks:
            with self.tls_of_insider(self.server["ring"]) as link:
                with contextlib.suppress(OSError):
                    link.sendall(attack)
                    link.settimeout(1)
                    while link.recv(65536):
                        pass
        self.grown(before, "ring.links.ready", len(attacks))
        self.serves()

    def test_giant_and_cut_https_requests(self):
        """Bodies and headers beyond all measure, requests cut off in the middle."""
        requests = [
            b"POST /enroll HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n" + b"z" * 600000,
            b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"Header: 1\r\n" * 30000,
            b"POST /enroll HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /enroll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + b"c" * 600000,
            b"\x00" * 100000,
            b"GET /.well-known/reload-config HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
        ]
        for request in requests:
            with self.tls_of_stranger(self.world.enroll_address) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(request)
                assert is_over(connection), request[:60]
            with self.tls_of_stranger(self.world.enroll_address) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(request[:40])
        self.fetch()

    def test_giant_and_endless_commands(self):
        """A line without end, a thousand commands at once, garbage, at both control sockets."""
        for control in (self.server["control"], self.enroll_control):
            for attack in (b"x" * (1 << 20), b"\x00\xff\n" * 1000, b"[" * 60000 + b"\n", b'{"id": 1, "command": ["show", "status"], "args": {}}'):
                with socket.socket(socket.AF_UNIX) as session:
                    session.settimeout(SECONDS)
                    session.connect(control)
                    with contextlib.suppress(OSError):
                        session.sendall(attack)
                        session.shutdown(socket.SHUT_WR)
                    assert is_over(session), attack[:20]
            with socket.socket(socket.AF_UNIX) as session:
                session.settimeout(SECONDS)
                session.connect(control)
                count = 1000
                sender = threading.Thread(target=session.sendall, daemon=True, args=(b"".join(
                    json.dumps({"id": i, "command": ["show", "counters"], "args": {"all": True}}).encode() + b"\n" for i in range(count)),))
                sender.start()
                answered = set()
                lines = session.makefile("r")
                while len(answered) < count:
                    answer = json.loads(lines.readline())
                    assert answer["ok"], answer
                    answered.add(answer["id"])
                sender.join(SECONDS)
            assert self.world.ctl(control, "show", "status")

    # -- floods within a connection --------------------------------------------------------------------------------------

    def test_pipelined_uploads(self):
        """Thousands of requests at once: each is answered once, and what is acknowledged is there."""
        agent = self.agent_with_service()
        before = self.counters()
        count = 4000
        start = int(time.time()) - 86400
        for i in range(count):  # the answers wait in the server's queue; two threads must not share a TLS connection
            agent.vcr(VSERVICE, False, CALLER, "+4930010%04d" % i, start + i, start + i + 30)
        acknowledged = refused = 0
        while acknowledged + refused < count:
            agent.step()
            for kind, attributes in agent.answers.values():
                if kind & 0x0110 == 0x0110:
                    code = dict(attributes)[vap.ERROR_CODE]
                    assert (code[2] & 7) * 100 + code[3] == 503, code
                    refused += 1
                else:
                    acknowledged += 1
            agent.answers.clear()
        after = self.counters()
        agent.close()
        assert after["vap.vcrs_uploaded"] - before["vap.vcrs_uploaded"] == acknowledged > 0
        limited = sum(after[n] - before[n] for n in ("vap.limit_in_flight", "vap.limit_vcr_rate"))
        assert limited == refused, (limited, refused)

    def test_never_reads(self):
        """A client that asks and asks and never reads an answer loses its connection before the answers fill the memory."""
        before = self.counters()
        agent = self.agent()
        agent.socket.settimeout(5)
        body = vap.attribute(vap.HANDLE, agent.handle)
        requests = b"".join(agent.encode(vap.REGISTER, vap.REQUEST, os.urandom(12), body) for _ in range(1000))
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(600):
                agent.socket.sendall(requests)
                sent += 1000
        self.grown(before, "vap.connections.queue_full")
        agent.close()
        self.serves()
        # The same at a control socket: it is held up, and nobody else is.
        with socket.socket(socket.AF_UNIX) as session:
            session.settimeout(1)
            session.connect(self.server["control"])
            line = b'{"id": 1, "command": ["show", "counters"], "args": {"all": true}}\n'
            with contextlib.suppress(TimeoutError):
                while True:
                    session.sendall(line * 100)
            self.serves()

    # -- cut at every moment ---------------------------------------------------------------------------------------------

    def upload_call(self, called):
        """A received call that can be proved: its start and stop in milliseconds."""
        agent = self.agent_with_service()
        start = int(time.time()) - 600 + 0.25
        agent.wait(agent.vcr(VSERVICE, False, CALLER, called, start, start + 60.5))
        return agent, round(start * 1000), round((start + 60.5) * 1000)

    @staticmethod
    def prove(username, password, address):
        """True if gnutls-cli got through the handshake."""
        return "Handshake was completed" in gnutls.connect(username, password, *endpoint(address))[1]

    def test_pvp_cut_at_every_moment(self):
        """Honest provers whose connection is cut after so many octets each way: no guess is lost by it, no session stays."""
        called = "+49300100077"
        agent, start, stop = self.upload_call(called)
        username = f"1;B;{VSERVICE:016x};{called};{{}};{start % LATTICE_MS};{stop % LATTICE_MS};0"
        password = f";{start // LATTICE_MS};{stop // LATTICE_MS}"
        whole = Cutter(self.server["pvp"], "127.45.5.250", 1 << 30, 1 << 30)
        assert self.prove(username.format(start // 1000 + 20 + vap.NTP_1970), password, whole.address), "the right proof fails"
        whole.end()
        cuts = [(up, 1 << 30) for up in range(1, whole.up, max(1, whole.up // 12))] + [(1 << 30, down) for down in range(1, whole.down, max(1, whole.down // 12))]
        before = self.counters()
        for i, (up, down) in enumerate(cuts):
            cutter = Cutter(self.server["pvp"], f"127.45.5.{1 + i}", up, down)
            self.prove(username.format(start // 1000 + 20 + vap.NTP_1970), password, cutter.address)
            cutter.end()
        self.grown(before, "pvp.proofs_abandoned", len(cuts) // 4)
        after = self.counters()
        assert after["pvp.records_burnt"] == before["pvp.records_burnt"]
        assert after["pvp.proofs_bad"] == before["pvp.proofs_bad"], "a cut connection counts as a wrong guess"
        last = Cutter(self.server["pvp"], "127.45.5.251", 1 << 30, 1 << 30)
        assert self.prove(username.format(start // 1000 + 20 + vap.NTP_1970), password, last.address), "the right proof fails after the cuts"
        last.end()
        agent.close()

    def test_vap_cut_at_every_moment(self):
        """Call agents that vanish in the middle of a message, with answers under way: nothing stays of them."""
        agent = self.agent_with_service()
        whole = agent.encode(vap.UPLOAD, vap.REQUEST, os.urandom(12), vap.service(3, VSERVICE) + vap.attribute(vap.CALLED, b"+49300100001"))
        agent.close()
        for cut in range(1, len(whole), 7):
            agent = self.agent()
            agent.socket.sendall(whole * 20 + whole[:cut])
            if cut % 2:  # with a reset
                agent.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            agent.close()
        wait_for(lambda: not self.world.ctl(self.server["control"], "show", "clients")["clients"], "clients stay that have gone")


class Cutter:
    """A proxy for one connection, which it cuts after so many octets in a direction."""

    def __init__(self, target, source, up, down):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.limits = {True: up, False: down}
        self.target, self.source = target, source
        self.up = self.down = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        """Passes on octets until the cut."""
        self.listener.settimeout(SECONDS)
        near, _ = self.listener.accept()
        with near, dial(self.target, self.source) as far:
            while True:
                for end in select.select([near, far], [], [], SECONDS)[0]:
                    upwards = end is near
                    try:
                        octets = end.recv(65536)
                    except OSError:
                        return
                    passed = self.up if upwards else self.down
                    octets, more = octets[:self.limits[upwards] - passed], len(octets)
                    if upwards:
                        self.up += len(octets)
                    else:
                        self.down += len(octets)
                    try:
                        (far if upwards else near).sendall(octets)
                    except OSError:
                        return
                    if not more or len(octets) < more:
                        return

    def end(self):
        """Waits for the end of the connection."""
        self.thread.join(SECONDS)
        self.listener.close()


def rss_kib(pid):
    """Resident memory."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def configure(world):
    """Limits low enough to be reached."""
    path = os.path.join(world.directory, "a1", "server.conf")
    with open(path) as f:
        text = f.read()
    text = text.replace("[vap]", "[vap]\ntransaction-timeout = 5s\nvcrs-per-second = 500")
    text = text.replace("[pvp]", f"[pvp]\nterminating-sessions = {PVP_SESSIONS}")
    with open(path, "w") as f:
        f.write(text)
    world.signal("a1", 15)
    assert world.wait_end("a1", SECONDS)
    world.start_server(1, 1)
    world.wait_server(1, 1)


def check_end(world):
    """Every daemon is alive, ends in good order when told to, and no sanitizer or assertion spoke."""
    for name, entry in world.processes.items():
        assert world.alive(name), f"{name} has died:\n{world.log_tail(name)}"
        world.signal(name, 15)
        assert world.wait_end(name, SECONDS), f"{name} does not end"
        assert world.children[name].returncode == 0, f"{name} ends with {world.children[name].returncode}:\n{world.log_tail(name)}"
        with open(entry["log"], errors="replace") as log:
            text = log.read()
        for words in ("Sanitizer", "runtime error", "Assertion"):
            assert words not in text, f"{words} in {entry['log']}"


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "hostile"))
    parser.add_argument("tests", nargs="*")
    args = parser.parse_args()
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(42))
    failed = number = 0

    def run(name, action):
        nonlocal failed, number
        number += 1
        began = time.monotonic()
        why = gnutls.missing() if name == "test_pvp_cut_at_every_moment" else None
        if why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
            return
        try:
            action()
            print(f"ok {number} - {name}\n# {time.monotonic() - began:.1f} s", flush=True)
        except (AssertionError, WorldError, VapError, Closed, OSError, subprocess.SubprocessError, http.client.HTTPException) as error:
            failed += 1
            print(f"not ok {number} - {name}\n# {type(error).__name__}: " + str(error).replace("\n", "\n# "), flush=True)

    try:
        world.up(1, 2, validator={"minimum-interval": "0"})
        configure(world)
        hostile = Hostile(world)
        names = args.tests or [name for name in dir(Hostile) if name.startswith("test_")]
        hostile.serves()
        hostile.fetch()
        before = {name: rss_kib(entry["pid"]) for name, entry in world.processes.items()}
        for name in names:
            run(name, getattr(hostile, name))

        def small():
            bound = SANITIZED_GROWTH_KIB if hostile.sanitized else RSS_GROWTH_KIB
            for name, kib in before.items():
                now = rss_kib(world.processes[name]["pid"])
                print(f"# {name}: resident {kib} KiB before, {now} KiB after")
                assert now - kib < bound, f"{name} grew by {now - kib} KiB"

        run("the daemons stay small", small)
        run("the daemons end in good order", lambda: check_end(world))
        print(f"1..{number}")
    except (AssertionError, WorldError) as error:
        print(f"not ok {number + 1} - the world comes up\n# {error}\n1..{number + 1}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
