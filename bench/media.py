#!/usr/bin/env python3
"""Voice through a media worker of ime-edge beside the same voice through rtpengine 10.5 in userspace, and beside the least that relaying can cost (bench/media/bare.c:
SRTP, a packet in, a packet out, nothing else; what waits in a socket in and out at once, as the worker does; that without SRTP). RTP inside, SRTP outside (AES_CM_128_HMAC_SHA1_80), both ways, G.711 of 20 ms, over UDP on loopback addresses.

1. Cost: all get the same packets at the same rate, one after the other, several times around: the CPU time of the relaying process per packet that arrived.
2. Capacity: rates around what that promises, up to three times as much, for packets cost less when many come. The most packets that arrive per second, and per second of CPU time, each at the rate
   that suits it best: the ratio of these is judged.
3. Delay: from end to end, at half of what its cost allows.
4. Overload: three times its capacity, then at once half of it: how long until most packets take no longer than 5 ms.
5. Memory: what the relaying process grows by per call.

The relaying process has one processor for itself, the load another one.
"""
import argparse
import base64
import contextlib
import glob
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("IME_BUILD", os.path.join(ROOT, "build", "dev"))
PROGRAMS = ("media_relay", "media_bare", "media_load")
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY_OCTETS = 30
AIM = 3.0
AIM_RECOVERY_MS = 100
ROUNDS, ROUND_S = 5, 2
SHARES = (0.8, 1.25, 1.75, 2.25, 3.0)
NAMES = ("worker", "rtpengine", "bare", "many", "copy")
BOUNDS = ("bare", "many", "copy")
PATIENCE_S = 60
NG_PORT = 2223


class Failure(Exception):
    """Something does not do what it should."""


def wait_for(condition, what):
    """Until it holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.01)


def cpu_seconds(pid):
    """What all threads of a process have used, to the nanosecond."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def octets_of(pid):
    """The memory of a process that is its own."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Private_"))


def processors():
    """One for what relays, one for the load."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failure("this needs two processors")
    return allowed[-1], allowed[0]


def bencode(value):
    """As rtpengine wants to be spoken to."""
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    text = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(text), text)


def bdecode(octets, at=0):
    """A value and where it ends."""
    kind = octets[at:at + 1]
    if kind == b"i":
        end = octets.index(b"e", at)
        return int(octets[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        values, at = [], at + 1
        while octets[at:at + 1] != b"e":
            value, at = bdecode(octets, at)
            values.append(value)
        return (values if kind == b"l" else dict(zip(values[::2], values[1::2]))), at + 1
    colon = octets.index(b":", at)
    end = colon + 1 + int(octets[at:colon])
    return octets[colon + 1:end].decode(), end


class Way:
    """What relays, and the load that goes through it. Its addresses: 127.HOST.0.1 to .4."""

    def __init__(self, name, host, streams):
        self.name, self.streams = name, streams
        self.inside, self.outside, self.phone, self.far = (f"127.{host}.0.{last}" for last in range(1, 5))
        self.process = self.load = self.pid = None
        self.relay_cpu, self.load_cpu = processors()
        self.sent = self.received = 0

    def spawn(self, arguments, cpu, **options):
        """A child on that processor."""
        return subprocess.Popen(["taskset", "-c", str(cpu), *arguments], text=True, **options)  # pylint: disable=consider-using-with

    def start(self):
        """Everything is negotiated, and the load is ready."""
        lines = self.open_streams()
        self.load = self.spawn([f"{BUILD}/bench/media_load", SUITE, f"{self.phone}:30000", f"{self.far}:30000"], self.load_cpu,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.load.stdin.write("".join(lines) + "\n")
        self.load.stdin.flush()
        if int(self.load.stdout.readline() or 0) != self.streams:
            raise Failure(f"{self.name}: the load does not start")

    def ask(self, command):
        """A command to the load."""
        self.load.stdin.write(command + "\n")
        self.load.stdin.flush()
        line = self.load.stdout.readline()
        if not line:
            raise Failure(f"{self.name}: the load has ended")
        answer = json.loads(line)
        if answer.get("bad"):
            raise Failure(f"{self.name}: {answer['bad']} packets came out wrong")
        return answer

    def run(self, rate, seconds):
        """Answer of the load, with the CPU time of what relays."""
        before = cpu_seconds(self.pid)
        answer = self.ask(f"run {rate} {seconds}")
        answer["cpu"] = cpu_seconds(self.pid) - before
        return answer

    def stop(self):
        """Ends both."""
        for process in (self.load, self.process):
            if process and process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                if process.poll() is None:
                    process.kill()
                    process.wait()


class Own(Way):
    """A program of bench/media: the workers of ime-edge, or the least that relaying costs."""

    def __init__(self, name, program, host, streams, *more):
        super().__init__(name, host, streams)
        self.program, self.more = program, more

    def open_streams(self):
        keys = [(secrets.token_hex(KEY_OCTETS), secrets.token_hex(KEY_OCTETS)) for _ in range(self.streams)]
        self.process = self.spawn([f"{BUILD}/bench/{self.program}", SUITE, f"{self.inside}:1", f"{self.outside}:1", f"{self.phone}:30000",
                                   f"{self.far}:30000", *self.more], self.relay_cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write("".join(f"{sent} {got}\n" for sent, got in keys) + "\n")
        self.process.stdin.flush()
        self.pid = int(self.process.stdout.readline())
        ports = [self.process.stdout.readline().split() for _ in range(self.streams)]
        if self.process.stdout.readline() != "ready\n":
            raise Failure(f"{self.name} does not start")
        return [f"{inside} {outside} {sent} {got}\n" for (inside, outside), (sent, got) in zip(ports, keys)]


class Rtpengine(Way):
    """rtpengine without its kernel module, one thread, over its ng protocol."""

    def open_streams(self):
        self.directory = tempfile.TemporaryDirectory(prefix="bench-media-")  # pylint: disable=consider-using-with
        with open(os.path.join(self.directory.name, "log"), "w", encoding="utf-8") as log:
            self.process = self.spawn(["rtpengine", "--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=3",
                                       f"--interface={self.inside}", f"--listen-ng={self.inside}:{NG_PORT}", "--num-threads=1", "--port-min=16384",
                                       "--port-max=65000", "--silent-timeout=3600", "--timeout=3600"],
                                      self.relay_cpu, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.ng = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ng.connect((self.inside, NG_PORT))
        self.ng.settimeout(0.2)
        wait_for(self.answers, "rtpengine does not answer")
        self.ng.settimeout(5)
        return [self.open_stream(i) for i in range(self.streams)]

    def answers(self):
        """Whether it is there."""
        with contextlib.suppress(OSError):
            return self.tell({"command": "ping"})["result"] == "pong"
        return False

    def tell(self, command):
        """Its answer."""
        cookie = secrets.token_hex(4).encode()
        self.ng.send(cookie + b" " + bencode(command))
        while True:
            answer = self.ng.recv(65536)
            if answer.startswith(cookie):
                return bdecode(answer[len(cookie) + 1:])[0]

    def describe(self, command, host, profile, *lines, **more):
        """What it makes of a description: port, and tag and key of the line of our suite."""
        sdp = "\r\n".join(["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", f"m=audio 30000 {profile} 8",
                           "a=rtpmap:8 PCMA/8000", *lines, ""])
        answer = self.tell({"command": command, "sdp": sdp, "ICE": "remove", "DTLS": "off", **more})
        if answer["result"] != "ok":
            raise Failure(f"rtpengine: {answer}")
        port = re.search(r"^m=audio (\d+)", answer["sdp"], re.M)[1]
        key = re.search(rf"^a=crypto:(\d+) {SUITE} inline:([A-Za-z0-9+/]+)", answer["sdp"], re.M)
        return f"{self.inside}:{port}", *((key[1], base64.b64decode(key[2] + "=" * (-len(key[2]) % 4)).hex()) if key else (None, None))

    def open_stream(self, index):
        """The phone calls the far end."""
        sent = secrets.token_bytes(KEY_OCTETS)
        call = {"call-id": f"call-{index}", "from-tag": "phone"}
        outside, tag, got = self.describe("offer", self.phone, "RTP/AVP", **call, **{"transport-protocol": "RTP/SAVP"})
        line = f"a=crypto:{tag} {SUITE} inline:{base64.b64encode(sent).decode()}"
        inside, _, _ = self.describe("answer", self.far, "RTP/SAVP", line, **call, **{"to-tag": "far"})
        return f"{inside} {outside} {sent.hex()} {got}\n"

    def stop(self):
        super().stop()
        if hasattr(self, "directory"):
            self.ng.close()
            self.directory.cleanup()


def make_ways(streams):
    """All that are compared; each keeps to itself."""
    return {
        "worker": Own("media worker", "media_relay", 41, streams),
        "rtpengine": Rtpengine("rtpengine", 42, streams),
        "bare": Own("bare relaying", "media_bare", 43, streams, "one"),
        "many": Own("bare relaying, many at once", "media_bare", 44, streams, "many"),
        "copy": Own("bare copying", "media_bare", 45, streams, "copy"),
    }


def costs(ways, rate):
    """Microseconds of CPU time per packet that arrived, per round."""
    used = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, way in ways.items():
            answer = way.run(rate, ROUND_S)
            if round_number == 0:
                continue  # sources are learned, memory is touched
            if answer["received"] < 0.98 * answer["sent"]:
                raise Failure(f"{way.name}: {answer['received']} of {answer['sent']} packets arrived at {rate}/s: too much for this machine")
            used[name].append(answer["cpu"] / answer["received"] * 1e6)
    return used


@contextlib.contextmanager
def started(streams, *without):
    """All of them, ready, and what they lived through before is forgotten."""
    ways = {name: way for name, way in make_ways(streams).items() if name not in without}
    try:
        for way in ways.values():
            way.start()
        yield ways
    finally:
        for way in ways.values():
            way.stop()


def highest(name, streams, cost_us):
    """The most that arrives per second, and per second of CPU time: each at the rate that suits it best."""
    per_second, per_cpu_second = [], []
    for share in SHARES:
        with started(streams, *(other for other in NAMES if other != name)) as ways:
            ways[name].run(0.3e6 / cost_us, 1)
            answer = ways[name].run(share * 1e6 / cost_us, ROUND_S)
            per_second.append(answer["received"] / answer["seconds"])
            per_cpu_second.append(answer["received"] / answer["cpu"])
    return {"per_second": max(per_second), "per_cpu_second": max(per_cpu_second)}


def overloaded(way, most):
    """Three times what it can do, then half of it, having been used for a while."""
    way.run(most / 2, 1)
    return way.ask(f"overload {3 * most} {ROUND_S} {most / 2} {ROUND_S}")


def memory_per_call(streams):
    """What a call adds to each: the difference between many and one."""
    octets = {}
    for count in (1, streams):
        with started(count, *BOUNDS) as ways:
            for name, way in ways.items():
                way.run(50 * count, 1)
                octets.setdefault(name, []).append(octets_of(way.pid))
    return {name: (many - one) / (streams - 1) for name, (one, many) in octets.items()}


def measure(arguments):
    """All figures as one object."""
    memory = memory_per_call(min(arguments.streams, 500))
    with started(arguments.streams, "many", "copy") as ways:
        used = costs(ways, arguments.rate)
        median = {name: statistics.median(values) for name, values in used.items()}
        delay = {name: way.run(0.5e6 / median[name], ROUND_S) for name, way in ways.items()}
    most = {name: highest(name, arguments.streams, median.get(name, median["worker"])) for name in NAMES}
    with started(arguments.streams, *BOUNDS) as ways:
        overload = {name: overloaded(way, most[name]["per_second"]) for name, way in ways.items()}
    ratio = most["worker"]["per_cpu_second"] / most["rtpengine"]["per_cpu_second"]
    return {
        "streams": arguments.streams,
        "highest": most,
        "ratio": ratio,
        "aim": AIM,
        "fractions": {name: most["worker"]["per_cpu_second"] / most[name]["per_cpu_second"] for name in BOUNDS},
        "rate": arguments.rate,
        "cost_us": median,
        "cost_ratio": statistics.median(theirs / ours for ours, theirs in zip(used["worker"], used["rtpengine"])),
        "delay_us": {name: {p: answer[p + "_us"] for p in ("p50", "p99")} for name, answer in delay.items()},
        "overload": overload,
        "octets_per_call": memory,
        "good": ratio >= AIM and overload["worker"]["late_ms"] <= AIM_RECOVERY_MS,
    }


def show(result):
    """For people."""
    most, cost, delay, overload = (result[key] for key in ("highest", "cost_us", "delay_us", "overload"))
    rates = {name: values["per_cpu_second"] for name, values in most.items()}
    verdict = "good" if result["ratio"] >= result["aim"] else "MISSED"
    print(f"{'RTP <-> SRTP per CPU second':28} {rates['worker']:10.0f}    {'rtpengine 10.5, userspace':30} {rates['rtpengine']:10.0f}    "
          f"rate ratio {result['ratio']:.3f} (aim: at least {result['aim']:.2f})  {verdict}")
    for name, title in zip(BOUNDS, ("bare recvfrom, SRTP, sendto", "bare recvmmsg, SRTP, segments", "bare recvmmsg, segments")):
        print(f"{'':28} {'':10}    {title:30} {rates[name]:10.0f}    {result['fractions'][name]:.0%} of it")
    print(f"{'most that arrives':28} {most['worker']['per_second']:10.0f}/s  {'rtpengine':30} {most['rtpengine']['per_second']:10.0f}/s  "
          f"bare {most['bare']['per_second']:.0f}/s")
    print(f"{'CPU at ' + str(result['rate']) + '/s':28} {cost['worker']:10.2f} us {'rtpengine':30} {cost['rtpengine']:10.2f} us  bare {cost['bare']:.2f} us")
    for p in ("p50", "p99"):
        print(f"{'end to end, half load, ' + p:28} {delay['worker'][p]:10.0f} us {'rtpengine':31} {delay['rtpengine'][p]:10.0f} us  bare {delay['bare'][p]} us")
    late = {name: f"{values['late_ms']:.0f} ms" if values["late_ms"] < values["then_ms"] else "never" for name, values in overload.items()}
    verdict = "good" if overload["worker"]["late_ms"] <= AIM_RECOVERY_MS else "MISSED"
    factor = overload["worker"]["offered"] / most["worker"]["per_second"]
    print(f"{'over an overload after':28} {late['worker']:>12}  {'rtpengine':30} {late['rtpengine']:>12}  offered {factor:.1f} times the most "
          f"(aim: at most {AIM_RECOVERY_MS} ms)  {verdict}")
    print(f"{'relayed in the overload':28} {overload['worker']['relayed']:10.0f}/s  {'rtpengine':30} {overload['rtpengine']['relayed']:10.0f}/s")
    octets = result["octets_per_call"]
    print(f"{'memory of a call':28} {octets['worker'] / 1024:10.1f} KiB {'rtpengine':29} {octets['rtpengine'] / 1024:10.1f} KiB")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(prog="./run bench media", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--rate", type=int, default=50000, metavar="N", help="packets per second for the cost (default 50000)")
    parser.add_argument("--streams", type=int, default=500, metavar="N", help="calls at a time (default 500)")
    arguments = parser.parse_args()
    subprocess.run(["ninja", "-C", BUILD, *(f"bench/{program}" for program in PROGRAMS)], check=True, stdout=subprocess.DEVNULL)
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if result["good"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        sys.exit(f"bench media: {failure}")
