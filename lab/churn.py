#!/usr/bin/env python3
"""Churn with real processes: while the companies of a world publish, call each other, validate and look numbers up, a third of its servers is
killed (kill -9) and started again, round after round. At the end everything that was acknowledged must be there. In a world with agents, edges, PBXs and
phones people phone all the while (people.py), and must not notice.

The ring promises to lose no record while fewer than three adjacent peers are away between two repairs (a record lies with its owner and
the next two peers). So a round's victims are drawn such that at most two of them are next to each other, and the next round begins when
the ring is whole again. --any draws them without looking at the ring.
"""
import argparse
import heapq
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import audit
from agents import Account, Traffic
from offices import ENROLLED, Offices
from people import People
from ring import REPLICATION, Ring
from world import World, WorldError

FRACTIONS = {"third": 3, "quarter": 4, "half": 2, "all": 1}
KILL_SPREAD_SECONDS = 3.0  # the kills of a round come within this time
AWAY_SECONDS = (0.2, 8.0)  # how long a server is down
FROZEN_SECONDS = (1.0, 25.0)  # how long a server hangs, with --freeze
RELAPSE = 0.15  # how many of those that were started are killed once more while they start
RELAPSE_SECONDS = (0.0, 0.4)
TURN_SECONDS = 0.1
WHOLE_SECONDS = 90  # how long the ring may take to be whole again
SETTLE_SECONDS = 120
LOOKUP_THREADS = 2
LOOKUP_PAUSE_SECONDS = 0.25
SETTLED_SECONDS = 2.0  # a number is looked up so long after it was acknowledged
PROGRESS_SECONDS = 5.0


def spread(values):
    """Median, 99th percentile and maximum, for the report."""
    if not values:
        return None
    ordered = sorted(values)
    return {"n": len(ordered), "median": round(statistics.median(ordered), 3),
            "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3), "max": round(ordered[-1], 3)}


class Members:
    """The servers of a world, by name, as imectl sees them."""

    def __init__(self, world):
        self.world = world
        self.servers = {}
        self.place = {}  # name -> (company, server), both from 1
        for c, company in enumerate(world.description["companies"], 1):
            for s, server in enumerate(company["servers"], 1):
                name = world.server_name(c, s)
                self.servers[name] = server
                self.place[name] = (c, s)
        self.ring = Ring(self.servers)
        self.pool = ThreadPoolExecutor(max_workers=6)

    def ask(self, name, *words, timeout=60):
        """imectl's answer as data; WorldError if there is none."""
        try:
            return self.world.ctl(self.servers[name]["control"], *words, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise WorldError(f"{name} does not answer {' '.join(words)}") from error

    def ask_all(self, *words, names=None):
        """{name: answer, or the WorldError}"""
        names = list(names if names is not None else self.servers)

        def one(name):
            try:
                return self.ask(name, *words)
            except WorldError as error:
                return error

        return dict(zip(names, self.pool.map(one, names)))

    def faults(self):
        """What keeps the ring from being whole: {name: [words]}."""
        views = self.ask_all("show", "ring")
        found = {name: [str(view)] if isinstance(view, WorldError) else self.ring.faults(name, view) for name, view in views.items()}
        return {name: faults for name, faults in found.items() if faults}

    def look_up(self, name, number):
        """Names of the servers that claim a number, as this server finds them."""
        found = self.ask(name, "ring", "lookup", number, timeout=30)
        return {self.ring.name_of.get(c["node_id"], c["node_id"]) for c in found["claimants"]}


class Lookups:
    """Servers that are not away look numbers up, all the time."""

    def __init__(self, members, account, seed, away):
        self.members, self.account, self.away = members, account, away
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.seconds, self.failed, self.incomplete = [], [], []
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed} {i}"),), daemon=True) for i in range(LOOKUP_THREADS)]

    def run(self, chance):
        """One after the other."""
        while not self.stop.wait(LOOKUP_PAUSE_SECONDS):
            present = [name for name in self.members.ring.order if name not in self.away]
            numbers = self.account.settled_numbers(SETTLED_SECONDS)
            if present and numbers:
                self.one(chance.choice(present), *chance.choice(numbers))

    def one(self, name, number, claimants):
        """A look-up that is killed together with its server does not count."""
        began = time.monotonic()
        try:
            missing, error = claimants - self.members.look_up(name, number), None
        except WorldError as failure:
            missing, error = set(), str(failure).split("\n", 1)[0]
        took = time.monotonic() - began
        with self.lock:
            if name in self.away:
                return
            self.seconds.append(took)
            if error:
                self.failed.append(f"{name} looked up {number}: {error}")
            elif missing:
                self.incomplete.append(f"{name} looked up {number}: not found: {' '.join(sorted(missing))}")

    def begin(self):
        """Starts."""
        for thread in self.threads:
            thread.start()

    def finish(self):
        """Ends."""
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def report(self):
        """Figures."""
        return {"asked": len(self.seconds), "failed": len(self.failed), "incomplete": len(self.incomplete),
                "seconds": spread(self.seconds), "examples": (self.failed + self.incomplete)[:5]}


class Storm:
    """Kills and restarts."""

    def __init__(self, members, seed, count, adjacent_max, freeze, tell):
        self.members, self.world, self.ring = members, members.world, members.ring
        self.random = random.Random(seed)
        self.count, self.adjacent_max, self.freeze_share = count, adjacent_max, freeze
        self.tell = tell
        self.away = set()  # killed, and not green again
        self.running_since = {}  # of those that were started and are not green yet
        self.joined = set()  # of these: members, but short of neighbors that are away themselves
        self.rounds = self.kills = self.freezes = self.adjacent_seen = 0
        self.joined_seconds, self.green_seconds, self.whole_seconds = [], [], []
        self.counters = audit.Counters()
        self.problems = []

    def kill(self, name):
        """As hard as it goes. What its counters say is kept."""
        self.away.add(name)
        try:
            self.counters.add(self.members.ask(name, "show", "counters", timeout=5))
        except WorldError:
            pass  # it was starting
        self.world.signal(name, signal.SIGKILL)
        if not self.world.wait_end(name):
            raise WorldError(f"{name} does not die")
        self.running_since.pop(name, None)
        self.joined.discard(name)
        self.kills += 1
        self.adjacent_seen = max(self.adjacent_seen, self.ring.adjacent(self.away))

    def start(self, name):
        """Again; nobody waits."""
        self.world.start_server(*self.members.place[name])
        self.running_since[name] = time.monotonic()

    def freeze(self, name):
        """It hangs, like a virtual machine that is being moved: its connections stay, nobody answers."""
        self.away.add(name)
        self.world.signal(name, signal.SIGSTOP)
        self.freezes += 1
        self.adjacent_seen = max(self.adjacent_seen, self.ring.adjacent(self.away))

    def thaw(self, name):
        """It goes on, with what it knew."""
        self.world.signal(name, signal.SIGCONT)
        self.running_since[name] = time.monotonic()

    def plan(self):
        """What happens in a round: [(seconds from its beginning, what, name)]."""
        victims = self.ring.draw(self.random, self.count, self.adjacent_max)
        if victims is None:
            raise WorldError(f"{self.count} of {len(self.ring.order)} servers cannot be killed with at most {self.adjacent_max} adjacent")
        events = []
        for name in victims:
            at = self.random.uniform(0, KILL_SPREAD_SECONDS)
            if self.random.random() < self.freeze_share:
                events.append((at, "freeze", name))
                events.append((at + self.random.uniform(*FROZEN_SECONDS), "thaw", name))
                continue
            events.append((at, "kill", name))
            at += self.random.uniform(*AWAY_SECONDS)
            events.append((at, "start", name))
            if self.random.random() < RELAPSE:
                at += self.random.uniform(*RELAPSE_SECONDS)
                events.append((at, "kill", name))
                events.append((at + self.random.uniform(*AWAY_SECONDS) / 4, "start", name))
        return events

    def watch(self):
        """Looks after those that were started, and for those that ended without being told to."""
        for name, since in list(self.running_since.items()):
            try:
                view = self.members.ask(name, "show", "ring", timeout=5)
            except WorldError:
                continue
            if view["state"] == "joined" and name not in self.joined:
                self.joined_seconds.append(time.monotonic() - since)
                self.joined.add(name)
            if view["state"] == "joined" and view["health"] == "green":
                self.green_seconds.append(time.monotonic() - since)
                del self.running_since[name]
                self.joined.discard(name)
                self.away.discard(name)
        for name in self.ring.order:
            expected = name not in self.away or name in self.running_since
            if expected and not self.world.alive(name):
                self.problems.append(f"{name} ended by itself; its last lines:\n{self.world.log_tail(name, 30)}")
                self.away.add(name)
                self.start(name)

    def round(self):
        """A third is killed, comes back, and the ring heals."""
        self.rounds += 1
        began = time.monotonic()
        events = [(began + at, what, name) for at, what, name in self.plan()]
        heapq.heapify(events)
        last_start = began
        while events or self.running_since:
            if events and events[0][0] <= time.monotonic():
                _, what, name = heapq.heappop(events)
                {"kill": self.kill, "start": self.start, "freeze": self.freeze, "thaw": self.thaw}[what](name)
                last_start = time.monotonic()
            else:
                self.watch()
                left = events[0][0] - time.monotonic() if events else TURN_SECONDS
                time.sleep(max(0.0, min(left, TURN_SECONDS)))
            if not events and time.monotonic() - last_start > WHOLE_SECONDS:
                break
            self.tell(self)
        self.world.save()
        self.whole_seconds.append(self.wait_whole(last_start))

    def wait_whole(self, since):
        """Until every server is green and knows its right neighbors. How long that took."""
        while True:
            faults = self.members.faults()
            took = time.monotonic() - since
            if not faults:
                self.away.clear()
                return took
            if took > WHOLE_SECONDS:
                self.problems.append(f"round {self.rounds}: {WHOLE_SECONDS} s after the last start the ring is not whole: " +
                                     "; ".join(f"{name}: {', '.join(f)}" for name, f in sorted(faults.items())))
                self.away.clear()
                self.running_since.clear()
                self.joined.clear()
                return took
            self.watch()
            self.tell(self)
            time.sleep(TURN_SECONDS)

    def report(self):
        """Figures."""
        return {"rounds": self.rounds, "kills": self.kills, "freezes": self.freezes, "adjacent_max": self.adjacent_seen,
                "seconds_to_joined": spread(self.joined_seconds), "seconds_to_green": spread(self.green_seconds), "seconds_to_whole_ring": spread(self.whole_seconds)}


class Churn:
    """One run in a world that is up."""

    def __init__(self, world, seed, kill="third", any_victims=False, freeze=0.0, tell=print):
        self.world, self.seed, self.say = world, seed, tell
        self.members = Members(world)
        count = len(self.members.servers) // FRACTIONS[kill] if kill in FRACTIONS else int(kill)
        self.account = Account()
        offices = Offices.of_running(world)
        self.people = People(offices) if offices and len(offices.offices) > 1 else None
        # A number belongs to one call agent: records of the other one's calls are not with it, and what cannot be proved is a failure.
        numbers = slice(ENROLLED, -1) if offices else slice(None)
        self.traffic = Traffic(world, self.account, random.Random(f"{seed} traffic"), of_company=numbers)
        self.storm = Storm(self.members, seed, count, len(self.members.servers) if any_victims else REPLICATION - 1,
                           freeze, self.progress)
        self.lookups = Lookups(self.members, self.account, seed, self.storm.away)
        self.began = self.told = time.monotonic()
        self.stormy = False

    def progress(self, storm):
        """One line every few seconds."""
        now = time.monotonic()
        if now - self.told < PROGRESS_SECONDS:
            return
        self.told = now
        have = self.account.totals()
        bad = len(self.lookups.failed) + len(self.lookups.incomplete)
        stage = f"round {storm.rounds}: {len(storm.away)} away, {storm.kills} killed" if self.stormy else "waiting for the ring and the calls"
        self.say(f"{now - self.began:6.1f} s  {stage}; acknowledged: "
                 f"{have['numbers']} numbers of {have['claims']} servers, {have['records']} records, {have['routes']} routes; "
                 f"{len(self.lookups.seconds)} look-ups, {bad} bad")

    def wait(self, condition, seconds):
        """Until it holds; False if it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.progress(self.storm)
            time.sleep(TURN_SECONDS)
        return True

    def run(self, minutes=None, rounds=None):
        """The whole run; the report. Its "violations" are empty if everything holds."""
        try:
            return self.run_all(minutes, rounds)
        finally:
            if self.people:
                self.people.stop()

    def run_all(self, minutes, rounds):
        """In its order."""
        violations = []
        faults = {}

        def is_whole():
            faults.clear()
            faults.update(self.members.faults())
            return not faults

        if not self.wait(is_whole, WHOLE_SECONDS):
            raise WorldError(f"the ring is not whole to begin with: {faults}")
        self.say(f"{time.monotonic() - self.began:6.1f} s  the ring is whole")
        self.traffic.begin()
        wanted = sum(len(numbers) for numbers in self.traffic.numbers)
        if not self.wait(lambda: len(self.account.claims) >= wanted, SETTLE_SECONDS):
            raise WorldError(f"only {len(self.account.claims)} of {wanted} numbers could be published before the churn")
        if self.people:
            self.people.begin()
            self.say(f"{time.monotonic() - self.began:6.1f} s  people of each company talk with another one's, directly")
        self.say(f"{time.monotonic() - self.began:6.1f} s  {wanted} numbers are published: the churn begins")
        self.lookups.begin()
        self.stormy = True
        churn_began = time.monotonic()
        while self.storm.rounds < rounds if rounds else time.monotonic() - churn_began < 60 * minutes:
            self.storm.round()
        churn_seconds = time.monotonic() - churn_began
        self.stormy = False
        self.lookups.finish()
        self.say(f"{time.monotonic() - self.began:6.1f} s  the churn is over: {self.storm.kills} kills in {self.storm.rounds} rounds; "
                 "what was acknowledged is asked for")
        if self.people:
            violations += self.people.finish()
        for line in self.traffic.finish(SETTLE_SECONDS):
            violations.append(f"{line.name}: {len(line.todo) + len(line.sent) + len(line.later)} requests were not acknowledged "
                              f"within {SETTLE_SECONDS} s")
        unclaimed = [office.fallback_number for office in self.people.offices.offices] if self.people else ()
        check = audit.Audit(self.members, self.account, random.Random(f"{self.seed} audit"), unclaimed)
        if not self.wait(is_whole, WHOLE_SECONDS):
            violations += [f"{name}: {', '.join(f)}" for name, f in sorted(faults.items())]
        self.wait(check.all_validated, SETTLE_SECONDS)
        self.traffic.hang_up()
        violations += self.storm.problems + self.account.problems + check.run(self.storm.counters)
        memory = [self.world.memory(name) or 0 for name in self.members.servers]
        return {
            "seed": self.seed,
            "servers": len(self.members.servers),
            "companies": len(self.world.description["companies"]),
            "churn_seconds": round(churn_seconds, 1),
            **self.storm.report(),
            "lookups": self.lookups.report(),
            "acknowledged": {**self.account.totals(), "calls": self.traffic.calls},
            "connections_lost": self.account.lost,
            "refused_for_the_moment": dict(self.account.refused),
            "audit": check.report,
            **({"people": self.people.report()} if self.people else {}),
            "memory_octets": {"all": sum(memory), "max": max(memory)},
            "violations": violations,
        }


def print_report(report, out):
    """For people."""
    def seconds(key, values):
        return f"  {key:26}" + (f"median {values['median']:.2f} s, p99 {values['p99']:.2f} s, max {values['max']:.2f} s ({values['n']})"
                                if values else "none")

    lookups, have, check = report["lookups"], report["acknowledged"], report["audit"]
    print(f"""
{report['servers']} servers of {report['companies']} companies, seed {report['seed']}: {report['kills']} times kill -9, {report['freezes']} frozen, in {report['rounds']} rounds, \
{report['churn_seconds']} s; at most {report['adjacent_max']} adjacent peers away
{seconds('start to member of ring', report['seconds_to_joined'])}
{seconds('start to green', report['seconds_to_green'])}
{seconds('last start to whole ring', report['seconds_to_whole_ring'])}
{seconds('a look-up meanwhile', lookups['seconds'])}
  look-ups meanwhile        {lookups['asked']}: {lookups['failed']} failed, {lookups['incomplete']} did not find every claimant
  calls                     {have['calls']}, {report['connections_lost']} connections of call agents lost
  acknowledged              {have['numbers']} numbers of {have['claims']} servers, {have['records']} records, {have['routes']} routes
  asked for afterwards      {check['lookups']} look-ups, {check['records']} records, {check['routes']} routes
  made calls ended          {', '.join(f'{n} {state}' for state, n in sorted(check['made'].items())) or 'none'}
  received calls            {', '.join(f'{n} {state}' for state, n in sorted(check['received'].items())) or 'none'}
  memory                    {report['memory_octets']['all'] / 2**20:.0f} MiB, the largest {report['memory_octets']['max'] / 2**20:.1f} MiB""", file=out)
    if "people" in report:
        people = report["people"]
        print(f"""  people                    {people['long_calls']} calls of {people['seconds']} s, the longest pause {people['longest_gap_ms']} ms; \
{people['short_calls']} short ones, {people['direct']} of them direct""", file=out)
    for example in lookups["examples"]:
        print(f"  during the churn: {example}", file=out)
    for violation in report["violations"][:40]:
        print(f"VIOLATED  {violation}", file=out)
    if len(report["violations"]) > 40:
        print(f"VIOLATED  … and {len(report['violations']) - 40} more", file=out)
    print("Everything acknowledged is there." if not report["violations"] else
          f"{len(report['violations'])} violations; logs in the folders of the servers.", file=out)


def main():
    """The command line of ./run world churn."""
    parser = argparse.ArgumentParser(prog="./run world churn", description="Kill and restart servers of the world that is up, under load.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument("--rounds", type=int, help="so many rounds instead")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of victims, pauses and calls (default: drawn)")
    parser.add_argument("--kill", default="third", metavar="PART", help="third (default), quarter, half, all, or how many servers per round")
    parser.add_argument("--any", action="store_true", help="any victims: more than two adjacent ones as well, of which the ring promises nothing")
    parser.add_argument("--freeze", type=float, default=0.0, metavar="SHARE",
                        help="0 to 1: this share of the victims is stopped for up to 25 s instead of being killed (default 0)")
    parser.add_argument("--json", action="store_true", help="the report for programs; progress goes to standard error")
    parser.add_argument("--directory", help="of the world (default build/world)")
    args = parser.parse_args()
    world = World(args.directory)
    if not world.load() or not all(world.alive(name) for name in world.processes):
        print("churn: no world is up, or a part of it has ended: ./run world up starts one", file=sys.stderr)
        return 1
    if any(name.startswith("net-") for name in world.processes):
        print("churn: this world is in network namespaces, where churn does not reach it: ./run world up --loopback", file=sys.stderr)
        return 1
    if args.kill not in FRACTIONS and not (args.kill.isdigit() and 0 < int(args.kill) <= len(world.servers())):
        parser.error(f"--kill must be {', '.join(FRACTIONS)} or 1 to {len(world.servers())}")
    progress = sys.stderr if args.json else sys.stdout
    print(f"seed {args.seed}", file=progress, flush=True)
    if not 0 <= args.freeze <= 1:
        parser.error("--freeze must be 0 to 1")
    churn = Churn(world, args.seed, args.kill, args.any, args.freeze, tell=lambda text: print(text, file=progress, flush=True))
    report = churn.run(args.minutes, args.rounds)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report, sys.stdout)
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorldError as failure:
        print(f"churn: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
