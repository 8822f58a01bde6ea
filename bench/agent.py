#!/usr/bin/env python3
"""Calls through ime-agent beside the same calls through Kamailio 5.6, with sipp as both ends: what a set-up costs, how much later the called
phone rings and is heard, and what a call weighs.

The agent works as in production: it keeps its journal, its log and a record of every call on disk, and an IME server takes the records. Kamailio relays
(agent/kamailio.cfg). All calls go from a PBX by a trunk, over UDP on loopback addresses.

1. Memory: what the processes in the middle grow by with many calls that have just been answered. (Later, Kamailio forgets them.)
2. Set-ups: both are given the same load at the same time, so that whatever else happens on the machine happens to both. What counts is the CPU time of
   the processes in the middle, idle time's share and the end of all timers included: rounds begin to count when the first timers
   have ended. The median of the rounds' ratios is judged.
3. Delay: at a modest rate, in turn straight from sipp to sipp, through Kamailio and through the agent. What is added is what is more than
   from sipp to sipp.
"""
import argparse
import json
import os
import re
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, folder) for folder in ("lab", "interop", "bench/lib")]
from peers import FAILURES, SIP, Lab, listens, wait_for  # noqa: E402 (its folder had to be added first)
from usage import cpu_seconds, kamailio_version, percentile, processes_of_session, proportional_octets  # noqa: E402
from world import OVERLAY, split_address  # noqa: E402

PARTS = os.path.join(ROOT, "bench", "agent")
TIMERS_S = 33  # transactions live for 32 s after they are over (64 * T1)
AIM = 1.0
FAILED_MAX = 0.01  # of the calls: on a machine that does other work, messages come late

HELD_CALLS, HELD_RATE = 3000, 500
LOAD_S, LOAD_ROUNDS = 5, 5  # of one round; that count
RING_MS, TALK_MS = 50, 1000
DELAY_RATE, DELAY_CALLS, DELAY_ROUNDS = 100, 300, 5


class Way:
    """From one sipp to another, with something in the middle or with nothing (entry is the callee's address then)."""

    def __init__(self, lab, name, hosts, pid=None):
        """hosts: the last parts of the addresses of caller, entry and callee."""
        self.lab, self.name, self.pid = lab, name, pid
        self.caller, self.entry, self.callee = (lab.at(host) for host in hosts)
        self.runs = self.failed = 0

    def sipp(self, role, address, *arguments, pauses=True):
        """Begins one; its name as a process, and the folder where it writes what it measures."""
        self.runs += 1
        name = f"{self.name}-{role}-{self.runs}"
        home = self.lab.home(name)
        scenario = os.path.join(home, f"{role}.xml")
        with open(os.path.join(PARTS, f"{role}.xml"), encoding="ascii") as given, open(scenario, "w", encoding="ascii") as out:
            out.write(given.read() if pauses else given.read().replace("  <pause/>\n", ""))
        self.lab.spawn(name, ["sipp", "-sf", scenario, "-i", address, "-p", str(SIP), "-t", "u1", "-nostdin", "-trace_err", "-error_file",
                              os.path.join(home, "errors"), *arguments], cwd=home)
        return name, home

    def answer(self, ring_ms):
        """The called phones are there from now on, and ring so long; a name for silence()."""
        name, _ = self.sipp("callee", self.callee, "-d", str(ring_ms), pauses=ring_ms > 0)
        wait_for(lambda: listens("udp", (self.callee, SIP)) or not self.lab.alive(name), "sipp does not listen")
        return name

    def silence(self, name):
        """They are not there any longer."""
        self.lab.end(name)

    def call(self, rate, calls, talk_ms, *arguments):
        """The phones begin to call; name and folder."""
        return self.sipp("caller", self.caller, "-r", str(rate), "-m", str(calls), "-l", str(calls), "-d", str(talk_ms), *arguments,
                         f"{self.entry}:{SIP}")

    def finish(self, name, calls, seconds):
        """Waits until all of its calls are over; nearly each must have gone as the scenario says."""
        assert self.lab.wait_end(name, seconds), f"{name} does not end"
        log = self.lab.processes[name]["log"]
        with open(log, encoding="utf-8", errors="replace") as f:
            failed = re.findall(r"Failed call +\| +\d+ +\| +(\d+)", f.read())
        assert failed, f"{name} has not come to its end: {log}"
        self.failed += int(failed[-1])
        assert int(failed[-1]) <= calls * FAILED_MAX, f"{name}: {failed[-1]} of {calls} calls were not good: {log}"

    def processes(self):
        """Those in the middle."""
        return processes_of_session(self.pid)

    def cpu_seconds(self):
        """Of all in the middle."""
        return sum(cpu_seconds(pid) for pid in self.processes())

    def octets(self):
        """Of all in the middle."""
        return sum(proportional_octets(pid) for pid in self.processes())


class Bench(Lab):
    """One company with its IME server and its agent; Kamailio; phones."""

    def __init__(self):
        super().__init__("bench-agent")
        os.rmdir(self.directory)
        self.up(1, 1, hold=True)
        try:
            self.ways = {
                "direct": Way(self, "direct", (8, 4, 4)),
                "kamailio": Way(self, "kamailio", (6, 5, 7), self.run_kamailio()),
                "agent": Way(self, "agent", (3, 1, 4), self.run_agent()),
            }
        except BaseException:
            self.down()
            raise

    def at(self, host):
        """1 and 2 the agent for its PBX and its trunk, 3 and 4 those; 5 Kamailio, 6 and 7 what is before and behind it; 8 who calls 4 straight."""
        return f"{self.network}.9.{host}"

    def end(self, name):
        """Ends a process at once: nobody waits for what it has to say."""
        child = self.children[name]
        child.kill()
        child.wait()

    def run_kamailio(self):
        """Its first pid."""
        home = self.home("kamailio")
        child = self.spawn("kamailio", ["kamailio", "-f", os.path.join(PARTS, "kamailio.cfg"), "-A", f'CALLEE="{self.at(7)}"', "-l",
                                        f"udp:{self.at(5)}:{SIP}", "-DD", "-E", "-x", "tlsf", "-X", "tlsf", "-w", home, "-Y", home, "-m", "512", "-M", "16"])
        wait_for(lambda: listens("udp", (self.at(5), SIP)) or not self.alive("kamailio"), lambda: self.log_tail("kamailio"))
        assert self.alive("kamailio"), self.log_tail("kamailio")
        return child.pid

    def run_agent(self):
        """Its pid."""
        company = self.description["companies"][0]
        server = company["servers"][0]
        self.start_agent("agent", [
            ("agent", {"domain": company["domain"], "keepalive": 0, "log-level": "info"}),
            ("pbx-side", {"udp": f"{self.at(1)}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.at(2)}:{SIP}"}),
            ("pbx office", {"host": self.at(3)}),
            ("trunk carrier", {"host": self.at(4)}),
            ("service main", {"domain": company["domain"], "vservice-id": "00000000000000a1", "server": server["vap"],
                              "user": company["vap"]["user"], "password-file": os.path.join(os.path.dirname(server["control"]), "vap-password"),
                              "ca": self.description["ca"], "tls-name": split_address(server["vap"])[0],
                              "external-address": f"{self.at(1)}:5061", "overlay": OVERLAY}),
            ("enrolled office", {"pattern": company["numbers"][0]}),
        ])
        wait_for(lambda: self.ctl(self.control("agent"), "agent", "service", "show")["servers"][0]["state"] == "online",
                 "the agent has no connection to its IME server")
        return self.processes["agent"]["pid"]

    def measured(self):
        """The two that are compared."""
        return {name: self.ways[name] for name in ("agent", "kamailio")}

    # -- 1 ---------------------------------------------------------------------------------------------------------------

    def weigh(self):
        """{way: octets of a call}, of many calls that have just been answered."""
        begin_s = HELD_CALLS / HELD_RATE
        ways = self.measured()
        empty = {name: way.octets() for name, way in ways.items()}
        callees = {name: way.answer(round(1000 * (begin_s + 2))) for name, way in ways.items()}
        callers = {name: way.call(HELD_RATE, HELD_CALLS, round(1000 * (begin_s + 6)))[0] for name, way in ways.items()}
        time.sleep(2 * begin_s)
        wait_for(lambda: self.answered() == HELD_CALLS, "not all calls are answered: this machine is too slow for it")
        full = {name: way.octets() for name, way in ways.items()}
        for name, way in ways.items():
            way.finish(callers[name], HELD_CALLS, 60)
            way.silence(callees[name])
        return {name: (full[name] - empty[name]) / HELD_CALLS for name in ways}

    def answered(self):
        """How many calls the agent has brought to the phone network."""
        counters = self.ctl(self.control("agent"), "show", "counters")["counters"]
        return next(c["value"] for c in counters if c["name"].endswith("calls_pstn_out"))

    # -- 2 ---------------------------------------------------------------------------------------------------------------

    def set_ups(self, rate):
        """{way: [CPU seconds of a set-up in each round]}."""
        ways = self.measured()
        used = {name: [] for name in ways}
        callees = {name: way.answer(RING_MS) for name, way in ways.items()}
        warm_at = time.monotonic() + TIMERS_S
        while min(map(len, used.values())) < LOAD_ROUNDS:
            counts = time.monotonic() >= warm_at
            before = {name: way.cpu_seconds() for name, way in ways.items()}
            callers = {name: way.call(rate, rate * LOAD_S, TALK_MS)[0] for name, way in ways.items()}
            for name, way in ways.items():
                way.finish(callers[name], rate * LOAD_S, 10 * LOAD_S)
            for name, way in ways.items():
                if counts:
                    used[name].append((way.cpu_seconds() - before[name]) / (rate * LOAD_S))
        for name, way in ways.items():
            way.silence(callees[name])
        return used

    # -- 3 ---------------------------------------------------------------------------------------------------------------

    def delays(self):
        """{way: {"ringing", "answered": sorted milliseconds}}."""
        times = {name: {"ringing": [], "answered": []} for name in self.ways}
        for _ in range(DELAY_ROUNDS):
            for name, way in self.ways.items():
                callee = way.answer(0)
                caller, home = way.call(DELAY_RATE, DELAY_CALLS, TALK_MS, "-trace_shortmsg", "-shortmessage_file", "messages")
                way.finish(caller, DELAY_CALLS, 60)
                way.silence(callee)
                with open(os.path.join(home, "messages"), encoding="ascii", errors="replace") as rows:
                    for what, values in waits(rows).items():
                        times[name][what] += values
        for of_way in times.values():
            for values in of_way.values():
                values.sort()
        return times


def waits(rows):
    """From sipp's list of messages: the milliseconds of each call between its first INVITE and its first 180, its first 200."""
    begun, over = {}, {"ringing": {}, "answered": {}}
    for row in rows:
        _, _, at, _, call, cseq, first_line = row.rstrip("\n").split("\t")
        if cseq != "CSeq:1 INVITE":
            continue
        status = first_line.split()[1]
        if first_line.startswith("INVITE"):
            begun.setdefault(call, float(at))
        elif status in ("180", "200"):
            over["ringing" if status == "180" else "answered"].setdefault(call, 1000 * (float(at) - begun[call]))
    return {what: list(calls.values()) for what, calls in over.items()}


def added(times):
    """{way: {what: {p50, p99}}} in milliseconds; of sipp to sipp itself, else what is more."""
    result = {}
    for name, of_way in times.items():
        result[name] = {}
        for what, values in of_way.items():
            bound = times["direct"][what] if name != "direct" else None
            result[name][what] = {f"p{p}": percentile(values, p) - (percentile(bound, p) if bound else 0) for p in (50, 99)}
    return result


def measure(rate):
    """All figures as one object."""
    bench = Bench()
    try:
        memory = bench.weigh()
        used = bench.set_ups(rate)
        times = bench.delays()
    finally:
        bench.down()
    ratios = [theirs / ours for ours, theirs in zip(used["agent"], used["kamailio"])]
    ratio = statistics.median(ratios)
    return {
        "kamailio": kamailio_version(),
        "rate": rate,
        "setups_per_core": {name: 1 / statistics.median(values) for name, values in used.items()},
        "ratio": ratio,
        "ratios": ratios,
        "aim": AIM,
        "good": ratio >= AIM,
        "delay_ms": added(times),
        "octets_per_call": memory,
        "failed": {name: way.failed for name, way in bench.ways.items()},
    }


def show(result):
    """For people."""
    peer = f"Kamailio {result['kamailio']}"
    rates = result["setups_per_core"]
    print(f"{'set-ups through ime-agent':28} {rates['agent']:10.0f}/s  {peer + ' as relay':30} {rates['kamailio']:10.0f}/s  "
          f"rate ratio {result['ratio']:.3f} (aim: at least {result['aim']:.2f})  {'good' if result['good'] else 'MISSED'}")
    delay = result["delay_ms"]
    for what, until in (("ringing", "180"), ("answered", "200")):
        for p in ("p50", "p99"):
            print(f"{'added until ' + until + ', ' + p:28} {delay['agent'][what][p]:10.3f} ms {peer:30} {delay['kamailio'][what][p]:10.3f} ms"
                  f"  sipp to sipp {delay['direct'][what][p]:.3f} ms")
    octets = result["octets_per_call"]
    print(f"{'memory of a call':28} {octets['agent'] / 1024:10.1f} KiB {peer:29} {octets['kamailio'] / 1024:10.1f} KiB")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(prog="./run bench agent", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--rate", type=int, default=500, metavar="N", help="set-ups per second through each (default 500)")
    arguments = parser.parse_args()
    result = measure(arguments.rate)
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if result["good"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FAILURES as failure:
        sys.exit(f"bench agent: {failure}")
