#!/usr/bin/env python3
"""Calls that move to the phone network while people talk, and come back: what is not heard meanwhile, at both phones, and whether many that move at once find
the right call each.

Two companies with PBXs, phones, agents and edges, and two carriers between them, all as processes on this machine (lab/offices.py). Each phone says a tone from
the answer to the end, and plays out what it receives as a real phone does (ime-pstn(8)): pauses in the other one's tone are what people would have heard. The
carriers take 20 to 120 ms to tell the caller of an answer, and --delay for each packet; a way that is longer by so much is silent for so long when a call moves there.

1. Continuity: calls move there and back, a few at a time; the longest pause around each move, at both phones.
2. Correlation: many calls, of callers who are the same for ten of them, move at once to one number. Which call by the phone network each phone is on is
   told by the carrier's ports: those of a caller and of who was called must belong together.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import statistics
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "lab"))
from offices import ENROLLED, Offices, until  # noqa: E402 (its folder had to be added first)
from talk import Talk  # noqa: E402
from world import SHORT_CALLS, World, WorldError, free_network  # noqa: E402

RING = {"number-hash": "argon2id", "argon2-memory": "1M", "argon2-passes": "1"}
LEARNED = 9  # routes to these: each third proof of a call is worth routes
LANES = 5  # calls at a time in the first part: each from and to numbers of its own
AWAY_S = 1.5  # each way is talked over for so long
MOVE_S = 30
GAP_MS_MAX = 200
CALLS_MAX = 250
FIRST_PORT = 20000  # of a carrier; two even ones for each call
STARTED_TOGETHER = 8


class Phones:
    """The phones of the called company: their log, read as it grows."""

    def __init__(self, path):
        self.path, self.read, self.events, self.lock = path, 0, [], threading.Lock()

    def noted(self):
        """All events so far."""
        with self.lock, open(self.path, "rb") as log:
            log.seek(self.read)
            whole, end, _ = log.read().rpartition(b"\n")
            self.read += len(whole + end)
            self.events += [json.loads(line) for line in whole.splitlines() if re.match(rb"\{.*\}$", line)]
            return list(self.events)


def slot(event):
    """Which of a carrier's calls a phone was moved to; None: to none."""
    host, port = event["towards"].rsplit(":", 1)
    return (host, (int(port) - FIRST_PORT) // 4) if not event["video"] else None


class Bench:
    """The world, and calls in it."""

    def __init__(self, world, delay_ms):
        self.world, self.offices = world, Offices(world, "basic")
        self.a, self.b = self.offices.offices
        self.offices.more |= {
            "carrier": {"rtp-calls": CALLS_MAX, "rtp-delay": f"{delay_ms}ms"},
            "agent": {"media-ports": "10000-13999"},
            "pbx": {"calls": 2 * CALLS_MAX},
            "phones": ["--voices", str(CALLS_MAX)],
        }
        self.callers, self.called = self.a.numbers[:ENROLLED], self.b.numbers[:LEARNED]

    def start(self):
        """Everything, until A has routes to all numbers that will be called."""
        self.offices.start()
        self.phones = Phones(self.world.processes[self.b.phones]["log"])
        heard = self.a.call_all(self.callers[0], [self.a.dials(number) for number in self.called], 1.2)
        if not all(call.good for call in heard):
            raise WorldError("the calls from which routes are learned failed")
        until(lambda: set(self.called) <= {route["number"] for route in self.a.ctl("agent", "route", "list")["routes"]}, "A learns routes", 60)

    def begin(self, caller, called, *options):
        """A direct call that goes on."""
        return Talk(self.a.call_argv(caller, self.a.dials(called), 0, *options))

    def at_called(self, called):
        """Events of the newest call of a phone of B."""
        mine = [e for e in self.phones.noted() if e.get("to") == self.b.extension(called)]
        last = max((i for i, e in enumerate(mine) if e["event"] == "ringing"), default=len(mine))
        return mine[last:]

    # -- continuity ------------------------------------------------------------------------------------------------------

    def moves(self, talk, called, word, video):
        """Both phones are told that their media are elsewhere: how long that took, ms."""
        begun = time.monotonic()
        self.a.ctl("agent", word, called)

        def moved():
            there = [e for e in self.at_called(called) if e["event"] == "moved"], talk.noted("moved")
            return all(events and events[-1]["video"] == video for events in there)
        until(moved, lambda: f"agent {word}: {talk.words()}", MOVE_S)
        return 1000 * (time.monotonic() - begun)

    def one(self, caller, called):
        """One call there and back: a row."""
        talk = self.begin(caller, called, "--video", "--watch")
        try:
            talk.wait("answered")
            time.sleep(AWAY_S)
            row = {"there_ms": self.moves(talk, called, "fallback", False)}
            time.sleep(AWAY_S)
            back_at = 1000 * time.time()
            row["back_ms"] = self.moves(talk, called, "return", True)
            time.sleep(AWAY_S)
            phones = {"caller": talk.hang_up()}
            until(lambda: self.at_called(called)[-1]["event"] == "ended", "the called phone's end")
            phones["called"] = self.at_called(called)[-1]
        finally:
            talk.stop()
        for name, end in phones.items():
            if not end["in_order"] or not end["heard_hz"] or end["faults"]:
                raise WorldError(f"a call did not end in order at the {name} phone: {end}")
            split = back_at - end["answered_ms"]
            row[name, "there"] = max((gap["ms"] for gap in end["gaps"] if gap["at_ms"] < split), default=0)
            row[name, "back"] = max((gap["ms"] for gap in end["gaps"] if gap["at_ms"] >= split), default=0)
        return row

    def continuity(self, runs):
        """Rows of so many calls."""
        def lane(index):
            return [self.one(self.callers[index], self.called[index]) for _ in range(runs // LANES + (index < runs % LANES))]
        with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
            return [row for rows in pool.map(lane, range(LANES)) for row in rows]

    # -- correlation -----------------------------------------------------------------------------------------------------

    def pairs(self, calls):
        """Who calls whom."""
        return [(self.callers[i % ENROLLED], self.called[(i // ENROLLED + i) % LEARNED]) for i in range(calls)]

    def direct_calls(self):
        """Call-IDs of those in progress."""
        listed = self.a.ctl("agent", "calls", "--limit", str(4 * CALLS_MAX))["calls"]
        return [call["call_id"] for call in listed if call["ended_by"] == "in progress" and call["to"] == "IME"]

    def ask(self, call):
        """One call is to move; perhaps it does already, for so much sound is more than the machine can carry."""
        try:
            self.a.ctl("agent", "fallback", call)
        except WorldError as refusal:
            if "wrong_state" not in str(refusal):
                raise

    def correlation(self, calls):
        """Many move at once: what became of them."""
        before = len(self.phones.noted())
        pairs = self.pairs(calls)
        talks = []
        try:
            for caller, called in pairs:
                talks.append(self.begin(caller, called, "--watch"))
                time.sleep(0.02)
            until(lambda: all(talk.noted("answered") for talk in talks), "the answers to all calls", 60)
            ids = self.direct_calls()
            begun = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(STARTED_TOGETHER) as pool:
                list(pool.map(self.ask, ids))
            asked = time.monotonic() - begun
            deadline = time.monotonic() + MOVE_S
            while not all(talk.noted("moved") for talk in talks) and time.monotonic() < deadline:
                time.sleep(0.1)
            took = time.monotonic() - begun
            time.sleep(AWAY_S)
            here, there = collections.Counter(), collections.Counter()
            for (caller, called), talk in zip(pairs, talks):
                moved = talk.noted("moved")
                if moved:
                    here[self.a.extension(caller), self.b.extension(called), slot(moved[-1])] += 1
            for event in self.phones.noted()[before:]:
                if event["event"] == "moved":
                    there[self.a.extension("+49" + event["from"][-11:]), event["to"], slot(event)] += 1
        finally:
            ends = [talk.hang_up() if talk.child.poll() is None else {} for talk in talks]
        gaps = [end["longest_gap_ms"] for end in ends if "longest_gap_ms" in end]
        return {"calls": calls, "asked_s": asked, "took_s": took, "moved": sum(here.values()), "right": sum((here & there).values()),
                "wrong": sum((here - there).values()), "gaps_ms": gaps}

    def is_quiet(self):
        """No call anywhere."""
        agents = [office.ctl("agent", "calls", "--limit", str(4 * CALLS_MAX))["calls"] for office in self.offices.offices]
        return not self.offices.network_ctl("show", "status")["calls"] and not any(call["ended_by"] == "in progress" for calls in agents for call in calls) and \
            not any(office.edge.ctl("edge", "show", "calls")["streams"] for office in self.offices.offices)


def show(result):
    """For people."""
    rows = result["rows"]
    print(f"{'':34}{'median':>10}{'9 of 10':>10}{'worst':>10}")
    for title, key in (("pause there, caller's phone", ("caller", "there")), ("pause there, called phone", ("called", "there")),
                       ("pause back, caller's phone", ("caller", "back")), ("pause back, called phone", ("called", "back")),
                       ("until both have moved there", "there_ms"), ("until both are back", "back_ms")):
        values = sorted(row[key] for row in rows)
        print(f"{title:34}{statistics.median(values):7.0f} ms{values[(9 * len(values) - 1) // 10]:7.0f} ms{values[-1]:7.0f} ms")
    print(f"{len(rows)} calls there and back, worst pause {result['worst_ms']} ms (aim: less than {GAP_MS_MAX})  {'good' if result['worst_ms'] < GAP_MS_MAX else 'MISSED'}")
    many = result["many"]
    if many:
        print(f"{many['calls']} calls at once to one number: {many['moved']} moved within {many['took_s']:.1f} s (asked for in {many['asked_s']:.1f} s), "
              f"{many['right']} found the right call, {many['wrong']} a wrong one; pauses median {statistics.median(many['gaps_ms']):.0f} ms, "
              f"worst {max(many['gaps_ms'])} ms  {'good' if many['right'] == many['calls'] else 'MISSED'}")


def main():
    """0: the aims were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help="calls there and back (default 50)")
    parser.add_argument("--calls", type=int, default=200, help="calls that move at once (default 200, 0: none)")
    parser.add_argument("--delay", type=int, default=0, help="ms that a carrier takes for each packet (default 0)")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    args = parser.parse_args()
    build = os.environ.get("IME_BUILD", os.path.join(ROOT, "build", "dev"))
    world = World(os.path.join(build, "bench-fallback"), build, free_network(100))
    try:
        world.up(2, 1, ring=RING, validator=SHORT_CALLS)
        bench = Bench(world, args.delay)
        bench.start()
        rows = bench.continuity(args.runs)
        many = bench.correlation(args.calls) if args.calls else None
        until(bench.is_quiet, "the end of everything")
    finally:
        world.down()
    worst = max(row[phone, way] for row in rows for phone in ("caller", "called") for way in ("there", "back"))
    result = {"rows": rows, "worst_ms": worst, "many": many}
    if args.json:
        print(json.dumps({**result, "rows": [{"_".join(key) if isinstance(key, tuple) else key: value for key, value in row.items()} for row in rows]}))
    else:
        show(result)
    return 0 if worst < GAP_MS_MAX and (not many or many["right"] == many["calls"]) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorldError as failure:
        print(f"fallback: {failure}", file=sys.stderr)
        sys.exit(1)
