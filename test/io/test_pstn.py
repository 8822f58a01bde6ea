#!/usr/bin/env python3
"""The phone network as a process: phones call through two carriers over the loopback interface, and imectl says what it cost.

    test_pstn.py IME-PSTN IMECTL
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "lab"))

from offices import new_key  # noqa: E402
from processes import write_private  # noqa: E402

PSTN, IMECTL = sys.argv[1:3]
SECONDS = 60

CONF = """
[pstn]
control = {folder}/pstn.sock
seed = 7
busy = +4930200486
[carrier one]
udp = 127.0.0.1:{one}
setup-delay-min = 0s
setup-delay-max = 50ms
rtp = 127.0.0.1:{rtp}
rtp-calls = 2
price-call = 100
price-minute = 20
[carrier two]
udp = 127.0.0.1:{two}
tcp = 127.0.0.1:{two}
tls = 127.0.0.1:{two_tls}
certificate = {folder}/carrier.pem
key = {folder}/carrier.key
ca = {folder}/ca.pem
[trunk a]
carrier = one
address = 127.0.0.1:{ann}
area = 30
range = +4930100XXXX
[trunk b]
carrier = two
address = 127.0.0.1:{bob}
transport = tcp
range = +4930200*
[trunk office]
carrier = two
address = 127.0.0.1:{pbx_tls}
transport = tls
tls-name = pbx.example
range = +4930400*
"""

PBX_CONF = """
[pbx]
control = {folder}/pbx.sock
udp = 127.0.0.1:{pbx}
tls = 127.0.0.1:{pbx_tls}
certificate = {folder}/pbx.pem
key = {folder}/pbx.key
ca = {folder}/ca.pem
outside-line = 0
[trunk carrier]
address = 127.0.0.1:{two_tls}
transport = tls
tls-name = {name}
[extension 201]
number = +4930400201
password-file = {folder}/password
[extension 202]
number = +4930400202
password-file = {folder}/password
"""


def free_ports(n):
    """Ports that are free for UDP and TCP."""
    held, ports = [], []
    while len(ports) < n:
        tcp = socket.socket()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [tcp, udp]
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
            ports.append(tcp.getsockname()[1])
        except OSError:
            pass
    for s in held:
        s.close()
    return ports


def free_ports_in_a_row(n):
    """The first of so many even ports that are free for UDP."""
    for first in range(21000, 60000, 2 * n):
        held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
        try:
            for i, s in enumerate(held):
                s.bind(("127.0.0.1", first + 2 * i))
            return first
        except OSError:
            pass
        finally:
            for s in held:
                s.close()
    raise OSError("no ports")


class Test:
    def __init__(self, folder):
        self.children = []
        names = ("one", "two", "two_tls", "ann", "bob", "pbx", "pbx_tls")
        self.ports = dict(zip(names, free_ports(len(names))), rtp=free_ports_in_a_row(4))
        self.folder = folder
        self.control = os.path.join(folder, "pstn.sock")
        new_key(["-subj", "/CN=authority"], os.path.join(folder, "ca.key"), os.path.join(folder, "ca.pem"))
        for who in ("carrier", "pbx"):
            new_key(["-subj", f"/CN={who}", "-addext", f"subjectAltName=DNS:{who}.example", "-CA", os.path.join(folder, "ca.pem"),
                     "-CAkey", os.path.join(folder, "ca.key")], os.path.join(folder, who + ".key"), os.path.join(folder, who + ".pem"))
        self.password = os.path.join(folder, "password")
        write_private(self.password, "of both phones\n")
        self.conf = os.path.join(folder, "pstn.conf")
        with open(self.conf, "w") as f:
            f.write(CONF.format(folder=folder, **self.ports))
        checked = subprocess.run([PSTN, "serve", "--config", self.conf, "--check"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr

    def spawn(self, *args, **more):
        child = subprocess.Popen([PSTN, *args], text=True, **more)
        self.children.append(child)
        return child

    def answer(self, *args):
        """A phone at the end of trunk b; returns when it listens."""
        child = self.spawn("answer", *args, "--listen", f"127.0.0.1:{self.ports['bob']}", "--json", stdout=subprocess.PIPE)
        assert json.loads(child.stdout.readline())["event"] == "listening"
        return child

    def call(self, number, *args):
        done = subprocess.run([PSTN, "call", "+49301001234", number, "--via", f"127.0.0.1:{self.ports['one']}",
                               "--listen", f"127.0.0.1:{self.ports['ann']}", "--json", *args],
                              capture_output=True, text=True, timeout=SECONDS)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events, done.stderr
        return done.returncode, events

    def imectl(self, *words, control=None):
        done = subprocess.run([IMECTL, "--socket", control or self.control, "--json", *words], capture_output=True, text=True,
                              timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def last_call(self):
        """The network's record of it, when both sides have ended it."""
        deadline = time.monotonic() + SECONDS
        while (call := self.imectl("show", "calls")["calls"][0])["cause"] == "under way":
            assert time.monotonic() < deadline, call
            time.sleep(0.02)
        return call

    # Each step needs the ones before.

    def serve(self, command, conf, control):
        child = self.spawn(command, "--config", conf, stderr=subprocess.PIPE)
        for line in child.stderr:
            if "starts" in line:
                break
        while not os.path.exists(control):
            assert child.poll() is None
        return child

    def starts(self):
        self.network = self.serve("serve", self.conf, self.control)
        assert self.imectl("show", "status")["health"] == "green"

    def calls_through(self):
        """Over UDP at the caller's end, TCP at the other."""
        bob = self.answer("+49302005678", "--delay", "0.2", "--calls", "1")
        status, events = self.call("0302005678", "--seconds", "1")
        assert status == 0, events
        assert [e["event"] for e in events] == ["ringing", "answered", "ended"], events
        assert events[-1]["cause"] == "ended" and events[-1]["ended_by"] == "us", events
        assert 1000 <= events[-1]["talk_ms"] < 60000, events
        heard = [json.loads(line) for line in bob.stdout]
        assert bob.wait(SECONDS) == 0
        assert [e["event"] for e in heard] == ["ringing", "answered", "ended"], heard
        assert heard[-1]["from"] == "0301001234" and heard[-1]["in_order"], heard
        assert heard[-1]["answered_ms"] <= events[-1]["answered_ms"], (heard, events)
        assert heard[-1]["ended_ms"] >= events[-1]["ended_ms"], (heard, events)

    def calls_directly(self):
        """From one phone to another, over TCP, at a port that the kernel chose."""
        bob = self.answer("bob", "--delay", "0", "--calls", "2")
        for transport in ("tcp", "udp"):
            done = subprocess.run([PSTN, "call", "ann", "bob", "--via", f"127.0.0.1:{self.ports['bob']}", "--seconds", "0.1",
                                   "--transport", transport], capture_output=True, text=True, timeout=SECONDS)
            assert done.returncode == 0 and "this phone hung up" in done.stdout, done.stdout + done.stderr
        assert bob.wait(SECONDS) == 0

    def called_side_hangs_up(self):
        bob = self.answer("--delay", "0", "--seconds", "0.3", "--calls", "1")
        status, events = self.call("+49302005678", "--seconds", "30")
        assert status == 0 and events[-1]["ended_by"] == "them", events
        assert bob.wait(SECONDS) == 0

    def fails(self):
        bob = self.answer("--busy")
        for number, cause in (("+4930200486", "busy"), ("+49302005678", "busy"), ("+4989123", "no-number")):
            status, events = self.call(number)
            assert status == 1 and events[-1]["cause"] == cause, (number, events)
        bob.send_signal(signal.SIGTERM)
        assert bob.wait(SECONDS) == 0

    def caller_gives_up(self):
        bob = self.answer("--delay", "30")
        status, events = self.call("+49302005678", "--patience", "4")  # enough to ring
        assert status == 1 and events[-1]["cause"] == "cancelled", events
        assert json.loads(bob.stdout.readline())["event"] == "ringing"
        assert json.loads(bob.stdout.readline())["cause"] == "cancelled"
        bob.send_signal(signal.SIGTERM)
        assert bob.wait(SECONDS) == 0

    def shows_calls_and_prices(self):
        calls = self.imectl("show", "calls")["calls"]
        assert [c["cause"] for c in calls] == ["cancelled", "no-number", "busy", "busy", "ended", "ended"], calls
        assert calls[-1]["price"] == 120 and calls[-1]["shown"] == "0301001234", calls
        assert calls[-1]["caller_talk_ms"] >= 1000 and calls[-1]["from_trunk"] == "a" and calls[-1]["to_trunk"] == "b"
        carriers = self.imectl("show", "prices")["carriers"]
        assert [(c["carrier"], c["calls"], c["answered"], c["price"]) for c in carriers] == \
            [("one", 6, 2, 240), ("two", 0, 0, 0)], carriers

    # A PBX, whose trunk goes over TLS.

    def start_pbx(self, name):
        """name: that the carrier's certificate must be for. Its phones, which say tones, and the process."""
        conf, control = os.path.join(self.folder, "pbx.conf"), os.path.join(self.folder, "pbx.sock")
        with open(conf, "w") as f:
            f.write(PBX_CONF.format(folder=self.folder, name=name, **self.ports))
        pbx = self.serve("pbx", conf, control)
        phones = self.spawn("answer", "201", "202", "--register", f"127.0.0.1:{self.ports['pbx']}", "--password-file", self.password,
                            "--delay", "0", "--tones", "--json", stdout=subprocess.PIPE)
        assert [json.loads(phones.stdout.readline())["event"] for _ in range(2)] == ["listening", "registered"]
        assert self.imectl("show", "status", control=control)["health"] == "green"
        trunks = {t["name"]: t for t in self.imectl("show", "trunks", control=control)["trunks"]}
        assert [(n, t["kind"], t["state"], t["number"]) for n, t in trunks.items()] == \
            [("carrier", "trunk", "by address", None), ("201", "extension", "registered", "+4930400201"),
             ("202", "extension", "registered", "+4930400202")], trunks
        assert trunks["carrier"]["transport"] == "TLS" and trunks["201"]["registered_at"], trunks
        return pbx, phones

    def stop_pbx(self, pbx, phones):
        """The phones take their registrations back."""
        phones.send_signal(signal.SIGTERM)
        assert phones.wait(SECONDS) == 0
        control = os.path.join(self.folder, "pbx.sock")
        assert len(self.imectl("show", "status", control=control)["warnings"]) == 2
        away = [t for t in self.imectl("show", "trunks", control=control)["trunks"] if t["kind"] == "extension"]
        assert [(t["state"], t["address"]) for t in away] == 2 * [("not registered", None)], away
        pbx.send_signal(signal.SIGTERM)
        assert pbx.wait(SECONDS) == 0

    def dial(self, number, *args):
        """From extension 201."""
        done = subprocess.run([PSTN, "call", "201", number, "--via", f"127.0.0.1:{self.ports['pbx']}", "--password-file", self.password,
                               "--tones", "--seconds", "0.5", "--json", *args], capture_output=True, text=True, timeout=SECONDS)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def pbx_with_tls_and_tones(self):
        pbx, phones = self.start_pbx("carrier.example")
        status, events = self.dial("202")
        assert status == 0 and events[-1]["heard_hz"] == 1300, events
        assert events[-1]["packets_sent"] >= 5 and events[-1]["packets_received"] >= 5, events
        rang, _, ended = (json.loads(phones.stdout.readline()) for _ in range(3))
        assert (rang["from"], rang["to"], ended["heard_hz"]) == ("201", "202", 800), (rang, ended)

        status, events = self.call("+4930400202", "--seconds", "0.5", "--tones")  # in: UDP, then TLS; through the first carrier's ports
        assert status == 0 and events[-1]["heard_hz"] == 1300, events
        relayed = self.last_call()
        assert relayed["caller_packets"] >= 5 and relayed["called_packets"] >= 5, relayed
        rang, _, ended = (json.loads(phones.stdout.readline()) for _ in range(3))
        assert (rang["from"], rang["to"], ended["heard_hz"]) == ("0301001234", "202", 800), (rang, ended)

        bob = self.answer("+49302005678", "--delay", "0", "--calls", "1", "--tones")  # out: TLS, then TCP
        status, events = self.dial("00302005678")
        assert status == 0 and events[-1]["heard_hz"] == 1300, events
        heard = [json.loads(line) for line in bob.stdout]
        assert bob.wait(SECONDS) == 0 and heard[-1]["from"] == "030400201" and heard[-1]["heard_hz"] == 800, heard
        assert self.last_call()["caller_packets"] == 0  # the second one has no such ports

        bob = self.answer("+49302005678", "--delay", "0", "--calls", "1")  # it has no voice
        status, events = self.dial("00302005678")
        assert status == 1 and events[-1]["in_order"] and events[-1]["heard_hz"] == 0, events
        assert bob.wait(SECONDS) == 0
        self.stop_pbx(pbx, phones)

    def trunk_with_another_certificate(self):
        """The carrier shows one for another name: the PBX does not call through it."""
        pbx, phones = self.start_pbx("other.example")
        status, events = self.dial("00302005678")
        assert status == 1 and events[-1]["cause"] == "unreachable", events
        self.stop_pbx(pbx, phones)

    def wrong_password(self):
        pbx, phones = self.start_pbx("carrier.example")
        write_private(self.password, "of somebody\n")
        status, events = self.dial("202")
        assert status == 1 and events[-1]["status"] == 403, events
        self.stop_pbx(pbx, phones)

    def ends(self):
        self.imectl("shutdown")
        assert self.network.wait(SECONDS) == 0

    def down(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()


def main():
    names = ("starts", "calls_through", "calls_directly", "called_side_hangs_up", "fails", "caller_gives_up", "shows_calls_and_prices",
             "pbx_with_tls_and_tones", "trunk_with_another_certificate", "wrong_password", "ends")
    print(f"1..{len(names)}")
    with tempfile.TemporaryDirectory(prefix="ime-pstn-") as folder:
        test = Test(folder)
        try:
            for number, name in enumerate(names, 1):
                try:
                    getattr(test, name)()
                except (AssertionError, OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
                    text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
                    print(f"not ok {number} - {name}\n# {text}\nBail out! the steps need one another", flush=True)
                    return 1
                print(f"ok {number} - {name}", flush=True)
        finally:
            test.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
