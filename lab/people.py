"""People of a world who phone while its servers come and go: two talk all the time, others call one after the other. None of them may notice.

Each company's people call the next company: three numbers at first, so that routes are learned; then one call that goes on to the end, and short ones to the
same numbers. What a call needs of an IME server was there before it: routes and tickets at the agent, keys at the edge. So it goes direct all the time.
"""
import subprocess
import threading
import time

from offices import ENROLLED, until
from talk import Talk
from world import WorldError

LEARN_SECONDS = 1.5  # of talk: more than the shortest call that counts
ROUTE_SECONDS = 20
LEARN_ROUNDS = 4
TALK_SECONDS = 1.0
REST_SECONDS = 0.5
PUBLISHED_SECONDS = 60


class Pair:
    """Two companies: people of the first call the second."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.caller, self.talker = a.numbers[7], a.numbers[8]
        self.numbers = b.numbers[6:9]
        self.talk = None
        self.calls = self.direct = 0
        self.problems = []

    def learn(self):
        """Calls over the phone network, of which A learns routes to all three numbers. Three calls are enough, but for one that others' calls were counted with: then
        it takes some more to that number."""
        for last in [False] * (LEARN_ROUNDS - 1) + [True]:
            missing = [self.a.dials(number) for number in self.unknown()]
            heard = self.a.call_all(self.caller, missing, LEARN_SECONDS) if missing else []
            if not all(call.good for call in heard):
                raise WorldError(f"calls from {self.a.name} to {self.b.name} fail before anything was killed: {[call.events for call in heard if not call.good]}")
            try:
                until(lambda: not self.unknown(), f"{self.a.name} learning three routes to {self.b.domain}", ROUTE_SECONDS)
                return
            except WorldError:
                if last:
                    raise

    def unknown(self):
        """The numbers without a route."""
        known = {route["number"] for route in self.a.ctl("agent", "route", "list")["routes"]}
        return [number for number in self.numbers if number not in known]

    def way(self, number):
        """Which one the newest call with a number went, as the caller's agent has it."""
        return next(call["to"] for call in self.a.ctl("agent", "calls", number)["calls"] if call["called"] == number)

    def begin(self):
        """The long call."""
        self.talk = Talk(self.a.call_argv(self.talker, self.a.dials(self.numbers[0]), None, "--watch"))
        self.talk.wait("answered")
        if self.way(self.numbers[0]) != "IME":
            raise WorldError(f"the call from {self.a.name} to {self.numbers[0]} goes by the phone network before anything was killed")

    def call(self, number):
        """A short one."""
        heard = self.a.call(self.caller, self.a.dials(number), TALK_SECONDS)
        self.calls += 1
        if not heard.good or not heard.last["heard_hz"]:
            self.problems.append(f"a call from {self.a.name} to {number} during the churn: {heard.events}")
        elif self.way(number) == "IME":
            self.direct += 1

    def finish(self):
        """Everybody hangs up. The longest pause that the caller heard in the long call, in ms."""
        last = self.talk.hang_up()
        if last["event"] != "ended" or not last["in_order"] or not last["heard_hz"]:
            self.problems.append(f"the call from {self.a.name} to {self.numbers[0]} did not live through the churn: {last}")
        return last.get("longest_gap_ms", 0)


class People:
    """All of them, in threads of their own."""

    def __init__(self, offices):
        self.offices = offices
        everybody = offices.offices
        self.pairs = [Pair(a, b) for a, b in zip(everybody, everybody[1:] + everybody[:1]) if a is not b]
        self.others = {name: entry["pid"] for name, entry in offices.world.processes.items() if self.is_other(name)}
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(pair,), daemon=True) for pair in self.pairs]
        self.talk_seconds = 0.0

    @staticmethod
    def is_other(name):
        """A process that nobody kills: no IME server."""
        return name.split("-", maxsplit=1)[0] in ("agent", "edge", "pbx", "phones", "pstn", "internet", "enroll")

    def begin(self):
        """Until all long calls are there."""
        for pair in self.pairs:
            pair.learn()
        for pair in self.pairs:
            pair.begin()
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()

    def run(self, pair):
        """Of one pair."""
        turn = 0
        while not self.over.wait(REST_SECONDS):
            turn += 1
            try:
                pair.call(pair.numbers[1 + turn % 2])
            except (WorldError, OSError, ValueError, LookupError, StopIteration, subprocess.SubprocessError) as error:
                pair.problems.append(f"a call from {pair.a.name} during the churn: {error}")

    def finish(self):
        """Ends all calls; what was wrong."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.talk_seconds = time.monotonic() - self.began
        self.gap_ms = max((pair.finish() for pair in self.pairs), default=0)
        problems = [problem for pair in self.pairs for problem in pair.problems]
        world = self.offices.world
        problems += [f"{name} ended by itself; its last lines:\n{world.log_tail(name)}" for name in self.others if not world.alive(name)]
        for office in self.offices.offices:
            try:
                until(lambda o=office: o.ctl("agent", "publish", "report")["published"] == ENROLLED, f"{office.name} has published all of its numbers", PUBLISHED_SECONDS)
                until(office.is_connected, f"{office.pbx} has everything it needs", PUBLISHED_SECONDS)
            except WorldError as error:
                problems.append(str(error))
        return problems

    def report(self):
        """Figures."""
        return {"long_calls": len(self.pairs), "seconds": round(self.talk_seconds, 1), "longest_gap_ms": self.gap_ms,
                "short_calls": sum(pair.calls for pair in self.pairs), "direct": sum(pair.direct for pair in self.pairs)}

    def stop(self):
        """Whatever they do."""
        self.over.set()
        for pair in self.pairs:
            if pair.talk:
                pair.talk.stop()
