#!/usr/bin/env python3
"""ime-impair as a process between two ends that send packets and connect: what it does to them at which setting, by how much at least and at most.
Upper bounds are generous, as a machine may be busy; what is drawn is drawn from a seed.

    test_impair.py IME-IMPAIR IMECTL
"""
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

IMPAIR, IMECTL = sys.argv[1:3]
SECONDS = 60
UNDER_WAY_MAX = 128  # packets; a socket of the kernel's own size holds more
MEDIA = 30000
TCP = 5061

CONF = """
[impair]
control = {folder}/control
seed = 7
[end a]
known = {network}.1.120
real = {network}.1.119
tcp = 5061
udp-min = 30000
udp-count = 20
[end b]
known = {network}.2.120
real = {network}.2.119
tcp = 5061
udp-min = 30000
udp-count = 20
"""


def free_network():
    """One of the loopback networks that no other test uses at this moment."""
    for network in range(18, 255, 20):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.{network}.1.120", TCP))
            except OSError:
                continue
            return f"127.{network}"
    raise OSError("every network is taken")


class End:
    """One of the two: a socket for packets, a listener."""

    def __init__(self, network, index):
        self.name = "ab"[index - 1]
        self.known, self.real = f"{network}.{index}.120", f"{network}.{index}.119"
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind((self.real, MEDIA))
        self.listener = socket.create_server((self.real, TCP))
        self.listener.settimeout(SECONDS)

    def connect(self, other, source=None):
        """A connection to where the other one is believed to be, and the other's side of it."""
        here = socket.create_connection((other.known, TCP), SECONDS, (source or self.real, 0))
        there, peer = other.listener.accept()
        for side in (here, there):
            side.settimeout(SECONDS)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return here, there, peer


class Voice:
    """Packets with a number and a time from one end to the other, and what became of them."""

    def __init__(self, source, target, count, interval):
        self.source, self.target, self.count, self.interval = source, target, count, interval
        self.arrived = []  # (number, seconds it took), in the order of arrival
        self.heard = threading.Condition()
        self.is_over = False
        self.peers = set()

    def run(self, way):
        """Sends all of them, none before its time, and no more than the kernel holds for a busy relay. Ends when each has arrived or is lost; way() says what the
        relay knows of that."""
        before, lost, began = way(), 0, time.monotonic()
        self.target.udp.settimeout(0.1)
        reader = threading.Thread(target=self.read, daemon=True)
        reader.start()
        for number in range(self.count):
            left = began + number * self.interval - time.monotonic()
            if left > 0:
                time.sleep(left)
            while not self.wait_for(number + 1 - lost - UNDER_WAY_MAX, 0.2):
                lost = way()["lost"] - before["lost"]
                assert time.monotonic() < began + SECONDS, f"the relay is stuck: {way()}"
            self.source.udp.sendto(struct.pack("!Id", number, time.monotonic()) + bytes(160), (self.target.known, MEDIA))
        deadline = time.monotonic() + SECONDS
        while True:
            now = way()
            lost = now["lost"] - before["lost"]
            if now["packets"] - before["packets"] >= self.count and self.wait_for(self.count - lost, 0.1):
                break
            assert time.monotonic() < deadline, f"of {self.count} packets {len(self.arrived)} have arrived: {before}, {now}"
        self.is_over = True
        reader.join()
        return self

    def wait_for(self, count, seconds):
        """Whether so many have arrived by then."""
        with self.heard:
            return self.heard.wait_for(lambda: len(self.arrived) >= count, seconds)

    def read(self):
        """Until all is over."""
        while not self.is_over:
            try:
                octets, peer = self.target.udp.recvfrom(2048)
            except TimeoutError:
                continue
            came = time.monotonic()
            number, sent = struct.unpack("!Id", octets[:12])
            self.peers.add(peer)
            with self.heard:
                self.arrived.append((number, came - sent))
                self.heard.notify()

    def lost(self):
        """How many did not arrive."""
        return self.count - len(self.arrived)

    def delay(self, share):
        """Which that share of packets did not exceed."""
        return sorted(took for _, took in self.arrived)[int(share * (len(self.arrived) - 1))]

    def is_in_order(self):
        """Whether none was overtaken."""
        numbers = [number for number, _ in self.arrived]
        return numbers == sorted(numbers)


class Test:
    """The relay and its two ends."""

    def __init__(self, folder):
        self.network = free_network()
        self.control = os.path.join(folder, "control")
        path = os.path.join(folder, "impair.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(CONF.format(folder=folder, network=self.network))
        with open(os.path.join(folder, "log"), "wb") as log:
            self.child = subprocess.Popen([IMPAIR, "--config", path], stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        while not os.path.exists(self.control):
            assert self.child.poll() is None and time.monotonic() < deadline, "ime-impair does not start"
            time.sleep(0.02)
        self.a, self.b = End(self.network, 1), End(self.network, 2)

    def ctl(self, *words, good=True):
        """imectl's answer."""
        done = subprocess.run([IMECTL, "--socket", self.control, "--json", *words], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert (done.returncode == 0) == good, done.stderr
        return json.loads(done.stdout) if good else done.stderr

    def way(self, source, target):
        """A row of impair show."""
        return next(w for w in self.ctl("impair", "show")["ways"] if (w["from"], w["to"]) == (source, target))

    def voice(self, source, target, count, interval):
        """Packets that have come to their end."""
        return Voice(source, target, count, interval).run(lambda: self.way(source.name, target.name))

    def wait_for(self, condition, what):
        """Asks until it holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    def again(self, *settings):
        """These settings alone."""
        self.ctl("impair", "clear")
        if settings:
            self.ctl("impair", "set", *settings)

    # -- packets -----------------------------------------------------------------------------------------------------------

    def test_good(self):
        """The packets of fifty calls pass at once, as from where B believes A to be."""
        voice = self.voice(self.a, self.b, 5000, 1 / 5000)
        assert voice.peers == {(self.a.known, MEDIA)}, voice.peers
        assert voice.lost() == 0 and voice.is_in_order(), voice.lost()
        assert voice.delay(0) < 0.02, voice.delay(0)  # the others may wait for a processor
        print(f"# 5,000 packets/s: {1e3 * voice.delay(0.5):.2f} ms at the median, {1e3 * voice.delay(0.99):.2f} ms for 99 of 100")

    def test_loss(self):
        """A tenth of one direction, nothing of the other."""
        self.again("loss=10%", "--from", "a", "--to", "b")
        there, back = self.voice(self.a, self.b, 2000, 1 / 2000), self.voice(self.b, self.a, 500, 1 / 2000)
        assert 130 <= there.lost() <= 270, there.lost()
        assert back.lost() == 0, back.lost()
        assert self.way("a", "b")["lost"] >= 130 and self.way("b", "a")["lost"] == 0
        assert self.way("a", "b")["settings"] == "loss=10%" and self.way("b", "a")["settings"] == "good"

    def test_delay_and_jitter(self):
        """Nothing comes earlier than it may, and in order."""
        self.again("delay=60ms", "jitter=80ms")
        voice = self.voice(self.a, self.b, 100, 1 / 100)
        assert voice.lost() == 0 and voice.is_in_order()
        assert voice.delay(0) >= 0.06 and voice.delay(1) - voice.delay(0) > 0.03, (voice.delay(0), voice.delay(1))

    def test_reorder(self):
        """Some are overtaken."""
        self.again("reorder=10%")
        voice = self.voice(self.a, self.b, 400, 1 / 400)
        assert voice.lost() == 0 and not voice.is_in_order()
        assert 15 <= self.way("a", "b")["reordered"] <= 80

    def test_cut(self):
        """Nothing passes, what is under way neither; then everything does."""
        for seconds in (1, 4, 16):  # the machine may be too slow to cut it before it arrives
            self.again(f"delay={seconds}s")
            before = self.way("a", "b")
            self.a.udp.sendto(b"under way", (self.b.known, MEDIA))
            self.wait_for(lambda before=before: self.way("a", "b")["packets"] > before["packets"], "the relay gets no packet")
            self.ctl("impair", "set", "cut=yes", "delay=0")
            self.wait_for(lambda: self.ctl("show", "status")["on_their_way"] == 0, "a packet stays on its way")
            if self.way("a", "b")["lost"] > before["lost"]:
                break
            assert self.b.udp.recv(100) == b"under way"
        else:
            raise AssertionError("a packet that was under way arrives")
        assert self.voice(self.a, self.b, 50, 1 / 100).lost() == 50
        self.again()
        assert self.voice(self.a, self.b, 50, 1 / 100).lost() == 0

    def test_strangers(self):
        """Packets of somebody who is none of the ends go nowhere."""
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            stranger.bind((f"{self.network}.9.9", MEDIA))
            stranger.sendto(b"hello", (self.b.known, MEDIA))
        self.wait_for(lambda: self.ctl("show", "counters", "relay.strangers")["counters"], "the stranger was not counted")

    # -- connections -------------------------------------------------------------------------------------------------------

    def test_connection(self):
        """Both ways, with the address that is expected, whole and in order, and its end."""
        here, there, peer = self.a.connect(self.b)
        assert peer[0] == self.a.known, peer
        octets = os.urandom(3 << 20)
        writer = threading.Thread(target=here.sendall, args=(octets,), daemon=True)
        writer.start()
        got = bytearray()
        while len(got) < len(octets):
            got += there.recv(1 << 16)
        writer.join()
        assert got == octets
        there.sendall(b"answer")
        assert here.recv(100) == b"answer"
        there.close()
        assert here.recv(100) == b""
        here.close()

    def test_connection_of_a_stranger(self):
        """From his own address."""
        here, there, peer = self.a.connect(self.b, f"{self.network}.9.9")
        assert peer[0] == f"{self.network}.9.9", peer
        here.close()
        assert there.recv(100) == b""
        there.close()

    def test_connection_with_losses(self):
        """Everything arrives, and what was lost after a timeout, with all behind it."""
        here, there, _ = self.a.connect(self.b)
        self.again("loss=25%")
        took = []
        while not self.way("a", "b")["segments_lost"]:
            assert len(took) < 200, "nothing was lost of 200 words"
            word = f"{len(took)}\n".encode()
            began = time.monotonic()
            here.sendall(word)
            got = b""
            while not got.endswith(b"\n"):
                got += there.recv(100)
            assert got == word
            took.append(time.monotonic() - began)
        assert took[-1] >= 0.2, took
        self.again()
        here.close()
        there.close()

    def test_connection_that_is_cut(self):
        """It waits; a new one is made only afterwards."""
        here, there, _ = self.a.connect(self.b)
        self.ctl("impair", "set", "cut=yes")
        here.sendall(b"late")
        second = socket.create_connection((self.b.known, TCP), SECONDS, (self.a.real, 0))
        there.settimeout(0.5)
        self.b.listener.settimeout(0.5)
        for silent in (lambda: there.recv(100), self.b.listener.accept):
            try:
                silent()
            except TimeoutError:
                continue
            raise AssertionError("something passed")
        self.again()
        there.settimeout(SECONDS)
        self.b.listener.settimeout(SECONDS)
        assert there.recv(100) == b"late"
        accepted, _ = self.b.listener.accept()
        for side in (here, there, second, accepted):
            side.close()

    def test_refusals(self):
        """Commands that make no sense change nothing."""
        for words in (("impair", "set", "loss=200%"), ("impair", "set", "--from", "nobody", "loss=1%"), ("impair", "set", "loss=1%", "speed=3")):
            self.ctl(*words, good=False)
        assert all(way["settings"] == "good" for way in self.ctl("impair", "show")["ways"])

    def test_end(self):
        """In good order."""
        self.child.send_signal(signal.SIGTERM)
        assert self.child.wait(SECONDS) == 0


def main():
    """TAP."""
    names = ["good", "loss", "delay_and_jitter", "reorder", "cut", "strangers", "connection", "connection_of_a_stranger", "connection_with_losses",
             "connection_that_is_cut", "refusals", "end"]
    print(f"1..{len(names)}")
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        test = None
        try:
            test = Test(folder)
            for number, name in enumerate(names, 1):
                getattr(test, "test_" + name)()
                print(f"ok {number} - {name}", flush=True)
            return 0
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
            print(f"not ok {number or 1} - {names[max(number, 1) - 1]}\n# {text}", flush=True)
            with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as log:
                print("# " + "# ".join(log.readlines()[-20:]))
            return 1
        finally:
            if test and test.child.poll() is None:
                test.child.kill()
                test.child.wait()


if __name__ == "__main__":
    sys.exit(main())
