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
price-call = 100
price-minute = 20
[carrier two]
udp = 127.0.0.1:{two}
tcp = 127.0.0.1:{two}
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


class Test:
    def __init__(self, folder):
        self.children = []
        names = ("one", "two", "ann", "bob")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.control = os.path.join(folder, "pstn.sock")
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

    def imectl(self, *words):
        done = subprocess.run([IMECTL, "--socket", self.control, "--json", *words], capture_output=True, text=True,
                              timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    # Each step needs the ones before.

    def starts(self):
        self.network = self.spawn("serve", "--config", self.conf, stderr=subprocess.PIPE)
        for line in self.network.stderr:
            if "starts" in line:
                break
        while not os.path.exists(self.control):
            assert self.network.poll() is None
        assert self.imectl("show", "status")["health"] == "green"

    def calls_through(self):
        """Over UDP at the caller's end, TCP at the other."""
        bob = self.answer("+49302005678", "--delay", "0.2", "--calls", "1")
        status, events = self.call("0302005678", "--seconds", "1")
        assert status == 0, events
        assert [e["event"] for e in events] == ["ringing", "answered", "ended"], events
        assert events[-1]["cause"] == "ended" and events[-1]["ended_by"] == "us", events
        assert 1000 <= events[-1]["talk_ms"] < 10000, events
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
        status, events = self.call("+49302005678", "--patience", "1")
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

    def ends(self):
        self.imectl("shutdown")
        assert self.network.wait(SECONDS) == 0

    def down(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()


def main():
    names = ("starts", "calls_through", "calls_directly", "called_side_hangs_up", "fails", "caller_gives_up", "shows_calls_and_prices", "ends")
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
