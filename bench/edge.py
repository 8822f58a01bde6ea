#!/usr/bin/env python3
"""Calls through ime-edge beside the same calls through Kamailio 5.6, from TLS outside to TCP inside: what a set-up costs, how much later the called phone
rings and is heard, what a call weighs, and what a flood of bad tickets does to good calls.

The edge works as in production: it checks each ticket, keeps the state of each dialog, rewrites both descriptions and opens ports for the media of
each call at its worker. Kamailio relays (edge/kamailio.cfg): TLS with certificates of both sides, transactions, Record-Route; no tickets, no media.
Both ends of all calls are one program, edge/ends.c, apart from what is measured.

1. Memory: what the processes in the middle grow by with many calls that have just been answered.
2. Set-ups, of calls without session descriptions, so that both do the same: signalling; and of calls with media, for which the edge has four ports
   each, and Kamailio none. Both are given the same load at the same time, so that whatever else happens on the machine happens to both. What counts is the CPU time of
   the processes in the middle, the end of all timers included: rounds begin to count when the first timers have ended. First at a modest rate (--rate), where
   most of it is being woken for single messages; then at half of what a core of Kamailio would do by that, where it is work. The median of the rounds' ratios
   is judged, at the higher rate, of the calls without media.
3. Flood: calls with bad tickets over a good certificate, beside good calls at a modest rate: how many are refused for a second of CPU time, and
   whether each good call still comes through.

With --soak MINUTES none of that, but calls all the time, of both kinds, some refused and some with bad tickets; judged is whether the edge grows.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, folder) for folder in ("lab", "interop", "bench/lib")]
from authority import Authority  # noqa: E402 (its folder had to be added first)
from peers import FAILURES, Lab, listens, wait_for  # noqa: E402
from processes import write_private  # noqa: E402
from tickets import Granter, forged  # noqa: E402
from usage import cpu_seconds, kamailio_version, processes_of_session, proportional_octets  # noqa: E402

PARTS = os.path.join(ROOT, "bench", "edge")
OUR_DOMAIN, FAR_DOMAIN, NUMBER = "a.example", "far.example", "+49301001234"
SIP, SIPS = 5060, 5061
TIMERS_S = 33  # transactions live for 32 s after they are over (64 * T1)
AIM = 1.5
FAILED_MAX = 0.01  # of the calls: on a machine that does other work, messages come late
HELD_CALLS, HELD_RATE = 2000, 400
LOAD_S, LOAD_ROUNDS = 5, 5  # of one round; that count
BUSY_SHARE = 0.5  # of what one core of Kamailio does at most
TALK_MS = 1000
FLOOD_RATE, FLOOD_S, GOOD_RATE = 2000, 10, 50
YEAR_S = 365 * 86400
SOAK_RATE, SOAK_S = 20, 20
SOAK_SETTLED_S = 120  # timers and tables have come to their size
SOAK_GROWTH_MAX = 0.02

OFFER = """v=0
o=- 20518 0 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio 40000 RTP/SAVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OUFCQ0RF
a=ptime:20
a=sendrecv
"""
ANSWER = """v=0
o=- 8231 0 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio 40000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
"""


@contextlib.contextmanager
def undisturbed():
    """SIGTERM waits until what was begun is done."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if came:
        sys.exit(1)


class Way:
    """What stands in the middle, with the calls that go through it."""

    def __init__(self, lab, name, outside, inside_host):
        self.lab, self.name, self.outside, self.inside_host = lab, name, outside, inside_host
        self.runs = self.failed = 0

    def call(self, rate, calls, talk_ms=TALK_MS, media=True, **options):
        """Calls begin; the process's name."""
        self.runs += 1
        name = f"{self.name}-ends-{self.runs}"
        lab = self.lab
        options = {"ticket": lab.ticket, "inside": f"{lab.at(self.inside_host)}:{SIP}", **options}
        if media:
            options.update({"offer": lab.offer, "answer": lab.answer})
        self.lab.spawn(name, [
            lab.ends, "--to", self.outside, "--name", OUR_DOMAIN, "--certificate", lab.far[0], "--key", lab.far[1], "--ca", lab.authority.ca,
            "--called", NUMBER, "--domain", OUR_DOMAIN, "--rate", str(rate), "--calls", str(calls), "--talk", str(talk_ms),
            *(word for key, value in options.items() for word in ("--" + key, str(value)))
        ])
        return name

    def finish(self, name, calls, seconds=120):
        """Waits until all of its calls are over; nearly each must have gone as it should. What it measured."""
        assert self.lab.wait_end(name, seconds), f"{name} does not end"
        with open(self.lab.processes[name]["log"], encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()
        assert lines and lines[-1].startswith("{"), f"{name}: {lines[-1:] or 'it says nothing'}"
        result = json.loads(lines[-1])
        self.failed += result["failed"]
        assert result["failed"] <= calls * FAILED_MAX, f"{name}: {result['failed']} of {calls} calls were not good: {result['wrong']}"
        return result

    def processes(self):
        """Those in the middle."""
        return processes_of_session(self.lab.processes[self.name]["pid"])

    def cpu_seconds(self):
        """Of all in the middle."""
        return sum(cpu_seconds(pid) for pid in self.processes())

    def octets(self):
        """Of all in the middle."""
        return sum(proportional_octets(pid) for pid in self.processes())


class Bench(Lab):
    """ime-edge and Kamailio before the same company."""

    def __init__(self, with_kamailio=True):
        self.sessions = []
        super().__init__("bench-edge")
        self.ends = os.path.join(os.environ.get("IME_BUILD", os.path.join(ROOT, "build", "dev")), "bench", "bench_edge_ends")
        self.authority = Authority(self.home("authority"))
        self.ours = self.authority.issue("ours", f"DNS:{OUR_DOMAIN}")
        self.far = self.authority.issue("far", f"DNS:{FAR_DOMAIN}")
        self.grant()
        self.offer, self.answer = self.text("offer", OFFER), self.text("answer", ANSWER)
        try:
            self.run_edge()
            self.ways = {"edge": Way(self, "edge", f"{self.at(1)}:{SIPS}", 3)}
            if with_kamailio:
                self.run_kamailio()
                self.ways["kamailio"] = Way(self, "kamailio", f"{self.at(5)}:{SIPS}", 7)
        except BaseException:
            self.down()
            raise

    def adopt(self, name, child, argv, log):
        """Each process is the first of a session, in which all that it starts stays."""
        self.sessions.append(child.pid)
        super().adopt(name, child, argv, log)

    def start(self, *arguments, **more):
        """What was started is known before anything can end us."""
        with undisturbed():
            return super().start(*arguments, **more)

    def spawn(self, *arguments, **more):
        """The same, of others' programs."""
        with undisturbed():
            return super().spawn(*arguments, **more)

    def down(self):
        """Also what a program has left behind: Kamailio that is ended while it starts leaves its children."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ended = super().down()
        for pid in [pid for session in self.sessions for pid in processes_of_session(session)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return ended

    def at(self, host):
        """1 and 2 the edge outside and inside, 3 its agent; 5 and 6 Kamailio, 7 its agent; 9 where far media would be."""
        return f"{self.network}.9.{host}"

    def text(self, name, description):
        """A session description in a file."""
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii", newline="") as out:
            out.write(description.format(host=self.at(9 if name == "offer" else 3)).replace("\n", "\r\n"))
        return path

    def grant(self):
        """A good ticket and a bad one, by what the ticket's password gives."""
        self.password = os.path.join(self.directory, "ticket-password")
        write_private(self.password, "a password of tickets".replace(" ", "-") + "\n")
        with open(self.password, encoding="ascii") as f:
            granter = Granter(OUR_DOMAIN, f.read().strip())
        now = time.time()
        good = granter.grant(NUMBER, b"\1" * 16, FAR_DOMAIN, now - 60, now + YEAR_S)
        self.ticket, self.bad_ticket = (os.path.join(self.directory, name) for name in ("ticket", "bad-ticket"))
        write_private(self.ticket, good + "\n")
        write_private(self.bad_ticket, forged(good) + "\n")

    def run_edge(self):
        """As a company has it."""
        self.configure("edge", "edge", [
            ("edge", {"log-level": "info"}),
            ("inside", {"tcp": f"{self.at(2)}:{SIP}", "networks": f"{self.at(2)}/31"}),
            ("outside", {"tls": f"{self.at(1)}:{SIPS}", "networks": f"{self.network}.0.0/16"}),
            ("tls", {"ca": self.authority.ca, "system-store": "no"}),
            (f"domain {OUR_DOMAIN}", {"certificate": self.ours[0], "key": self.ours[1], "ticket-password-file": self.password}),
            ("agent main", {"address": f"{self.at(3)}:{SIP}"}),
            ("media", {"workers": 1}),
            ("limits", {"calls-per-domain": 20000, "requests-per-second": 20000}),
        ])
        self.start_daemon("edge", "edge")
        self.wait_daemon("edge")
        wait_for(lambda: self.ctl(self.control("edge"), "edge", "show", "tickets")["epochs"], "the edge has no key for tickets")

    def run_kamailio(self):
        """One worker, its fastest allocator."""
        home = self.home("kamailio")
        paths = {"KEY": self.ours[1], "CERTIFICATE": self.ours[0], "AUTHORITY": self.authority.ca, "TLS_CFG": os.path.join(home, "tls.cfg"),
                 "INSIDE": f"{self.at(7)}:{SIP}"}
        for name in ("tls.cfg", "kamailio.cfg"):
            with open(os.path.join(PARTS, name), encoding="ascii") as given:
                text = given.read()
            for word, value in paths.items():
                text = text.replace(f"= {word}\n", f"= {value}\n").replace(f'"{word}"', f'"{value}"').replace(f"sip:{word};", f"sip:{value};")
            write_private(os.path.join(home, name), text)
        self.spawn("kamailio", ["kamailio", "-f", os.path.join(home, "kamailio.cfg"), "-l", f"tls:{self.at(5)}:{SIPS}", "-l",
                                f"tcp:{self.at(6)}:{SIP}", "-DD", "-E", "-x", "tlsf", "-X", "tlsf", "-w", home, "-Y", home, "-m", "512", "-M", "32"])
        wait_for(lambda: listens("tcp", (self.at(5), SIPS)) or not self.alive("kamailio"), lambda: self.log_tail("kamailio"))
        assert self.alive("kamailio"), self.log_tail("kamailio")

    def forget(self, name):
        """A process that has ended, with what it wrote."""
        del self.processes[name], self.children[name]
        shutil.rmtree(self.home(name))

    def descriptors(self, name):
        """Open files and sockets of a process."""
        return len(os.listdir(f"/proc/{self.processes[name]['pid']}/fd"))

    # -- 1 ---------------------------------------------------------------------------------------------------------------

    def weigh(self):
        """{way: octets of a call}, of many calls that have just been answered."""
        begin_s = HELD_CALLS / HELD_RATE
        for way in self.ways.values():  # so that what is made once is there
            way.finish(way.call(100, 100, 100), 100)
        empty = {name: way.octets() for name, way in self.ways.items()}
        callers = {name: way.call(HELD_RATE, HELD_CALLS, round(1000 * (begin_s + 5))) for name, way in self.ways.items()}
        time.sleep(begin_s + 2)
        full = {name: way.octets() for name, way in self.ways.items()}
        for name, way in self.ways.items():
            way.finish(callers[name], HELD_CALLS)
        return {name: (full[name] - empty[name]) / HELD_CALLS for name in self.ways}

    # -- 2 ---------------------------------------------------------------------------------------------------------------

    def set_ups(self, rate, media):
        """{way: [CPU seconds of a set-up in each round]}, and what the last round's calls heard."""
        used = {name: [] for name in self.ways}
        heard = {}
        warm_at = time.monotonic() + TIMERS_S
        while min(map(len, used.values())) < LOAD_ROUNDS:
            counts = time.monotonic() >= warm_at
            before = {name: way.cpu_seconds() for name, way in self.ways.items()}
            callers = {name: way.call(rate, rate * LOAD_S, media=media) for name, way in self.ways.items()}
            for name, way in self.ways.items():
                heard[name] = way.finish(callers[name], rate * LOAD_S)
            for name, way in self.ways.items():
                if counts:
                    used[name].append((way.cpu_seconds() - before[name]) / (rate * LOAD_S))
        return used, heard

    # -- 3 ---------------------------------------------------------------------------------------------------------------

    def flood(self):
        """Refusals per second of CPU time; the good calls beside them, and how long those waited."""
        way = self.ways["edge"]
        before = way.cpu_seconds()
        good = way.call(GOOD_RATE, GOOD_RATE * FLOOD_S)
        bad = way.call(FLOOD_RATE, FLOOD_RATE * FLOOD_S, expect=403, ticket=self.bad_ticket, inside=f"{self.at(4)}:{SIP}")
        refused, passed = way.finish(bad, FLOOD_RATE * FLOOD_S), way.finish(good, GOOD_RATE * FLOOD_S)
        return {
            "refused": refused["good"],
            "refused_per_core": refused["good"] / (way.cpu_seconds() - before),
            "good_calls": passed["good"],
            "good_calls_failed": passed["failed"],
            "answered_ms": passed["answered_ms"],
        }


def per_core(used):
    """Of CPU seconds by rounds: set-ups per second and core."""
    return {name: 1 / statistics.median(values) for name, values in used.items()}


def ratio_of(used):
    """The edge's to Kamailio's, the median of the rounds."""
    return statistics.median(theirs / ours for ours, theirs in zip(used["edge"], used["kamailio"]))


def soak(minutes):
    """Calls of all kinds for so long; what the edge weighs, a row per round."""
    bench = Bench(with_kamailio=False)
    way = bench.ways["edge"]
    end, rows = time.monotonic() + minutes * 60, []
    try:
        while time.monotonic() < end:
            running = [
                (way.call(SOAK_RATE, SOAK_RATE * SOAK_S, talk_ms=5000), SOAK_RATE * SOAK_S),
                (way.call(SOAK_RATE, SOAK_RATE * SOAK_S, media=False, inside=f"{bench.at(4)}:{SIP}"), SOAK_RATE * SOAK_S),
                (way.call(SOAK_RATE, SOAK_RATE * SOAK_S, expect=403, ticket=bench.bad_ticket, inside=f"{bench.at(8)}:{SIP}"), SOAK_RATE * SOAK_S),
            ]
            for name, calls in running:
                way.finish(name, calls)
                bench.forget(name)
            rows.append({"seconds": round(minutes * 60 - (end - time.monotonic())), "octets": way.octets(), "descriptors": bench.descriptors("edge")})
            print(json.dumps(rows[-1]), flush=True)
        left = len(bench.ctl(bench.control("edge"), "edge", "show", "calls")["streams"])
    finally:
        bench.down()
    settled = [row for row in rows if row["seconds"] > SOAK_SETTLED_S] or rows
    quarter = max(1, len(settled) // 4)
    first, last = (statistics.median(row["octets"] for row in part) for part in (settled[:quarter], settled[-quarter:]))
    calls = len(rows) * SOAK_RATE * SOAK_S * 3
    return {"calls": calls, "rounds": len(rows), "octets_first": first, "octets_last": last, "growth": last / first - 1,
            "calls_left": left, "good": last / first - 1 <= SOAK_GROWTH_MAX and not left}


def measure(rate):
    """All figures as one object."""
    bench = Bench()
    try:
        memory = bench.weigh()
        modest, heard = bench.set_ups(rate, media=False)
        with_media, _ = bench.set_ups(rate, media=True)
        busy_rate = max(rate, round(BUSY_SHARE * per_core(modest)["kamailio"] / 100) * 100)
        busy, heard_busy = bench.set_ups(busy_rate, media=False)
        flood = bench.flood()
    finally:
        bench.down()
    ratio = ratio_of(busy)
    return {
        "kamailio": kamailio_version(),
        "aim": AIM,
        "ratio": ratio,
        "modest": {"rate": rate, "setups_per_core": per_core(modest), "ratio": ratio_of(modest), "heard": heard},
        "with_media": {"rate": rate, "setups_per_core": per_core(with_media), "ratio": ratio_of(with_media)},
        "busy": {"rate": busy_rate, "setups_per_core": per_core(busy), "ratio": ratio, "heard": heard_busy},
        "octets_per_call": memory,
        "flood": flood,
        "good": ratio >= AIM and flood["good_calls_failed"] == 0,
    }


def show(result):
    """For people."""
    peer = f"Kamailio {result['kamailio']}"
    met = "good" if result["ratio"] >= result["aim"] else "MISSED"
    for part, theirs, judged in (("modest", peer + " as relay", ""), ("with_media", peer + ", no media", ""),
                                 ("busy", peer + " as relay", f" (aim: at least {result['aim']:.2f})  {met}")):
        figures = result[part]
        what = f"set-ups, {'with media, ' if part == 'with_media' else ''}{figures['rate']} a second"
        print(f"{what:38} {figures['setups_per_core']['edge']:10.0f}/s  {theirs:30} {figures['setups_per_core']['kamailio']:10.0f}/s  "
              f"rate ratio {figures['ratio']:.3f}{judged}")
    for part in ("modest", "busy"):
        heard = result[part]["heard"]
        for what, until in (("ringing", "180"), ("answered", "200")):
            ours, theirs = (heard[name][what + "_ms"] for name in ("edge", "kamailio"))
            for p in ("p50", "p99"):
                line = f"INVITE to {until}, {result[part]['rate']} a second, {p}"
                print(f"{line:38} {ours[p]:10.3f} ms {peer:30} {theirs[p]:10.3f} ms")
    octets = result["octets_per_call"]
    print(f"{'memory of a call':38} {octets['edge'] / 1024:10.1f} KiB {peer:29} {octets['kamailio'] / 1024:10.1f} KiB")
    flood = result["flood"]
    print(f"{'bad tickets refused':38} {flood['refused_per_core']:10.0f}/s  of {flood['refused']} beside {flood['good_calls']} good calls, "
          f"{flood['good_calls_failed']} of which failed; these were answered after {flood['answered_ms']['p50']:.2f} ms, p99 {flood['answered_ms']['p99']:.2f} ms")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(prog="./run bench edge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--rate", type=int, default=300, metavar="N", help="set-ups per second through each (default 300)")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="calls for so long, and whether the edge grows")
    arguments = parser.parse_args()
    if arguments.soak:
        result = soak(arguments.soak)
        print(json.dumps(result) if arguments.json else
              f"{result['calls']} calls: the edge weighs {result['octets_first'] / 2**20:.2f} MiB at first, {result['octets_last'] / 2**20:.2f} MiB at last, "
              f"{100 * result['growth']:+.2f} %; {result['calls_left']} calls are left  {'good' if result['good'] else 'MISSED'}")
        return 0 if result["good"] else 1
    result = measure(arguments.rate)
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if result["good"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (*FAILURES, subprocess.TimeoutExpired) as failure:
        sys.exit(f"bench edge: {failure}")
