#!/usr/bin/env python3
"""Tests of what judges a churn (lab/ring.py, lab/audit.py): an audit that finds nothing would be worse than none. Prints TAP."""
import os
import random
import sys

SOURCE = os.environ["IME_SOURCE"]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, "lab"))

from agents import ROUTE, Account, Call  # noqa: E402
from audit import NEVER, Audit, Counters  # noqa: E402
from churn import spread  # noqa: E402
from ring import Ring  # noqa: E402
from world import WorldError  # noqa: E402

NAMES = ["a1", "a2", "b1", "b2", "c1", "c2"]  # in the order of the ring


def ring_of(count=6):
    return Ring({name: {"node_id": f"{i + 1:x}" + "0" * 31} for i, name in enumerate(NAMES[:count])})


def view(ring, name, **changes):
    """What a member says when all is well."""
    near = {key: ring.neighbors(name, step, NAMES)[:3] for key, step in (("predecessors", -1), ("successors", 1))}
    return {"state": "joined", "health": "green", **near, **changes}


def test_adjacent_peers_are_counted_around_the_ring():
    ring = ring_of()
    assert ring.adjacent([]) == 0
    assert ring.adjacent(["a1", "b1"]) == 1
    assert ring.adjacent(["c2", "a1", "a2"]) == 3
    assert ring.adjacent(["c1", "a1", "c2", "b1"]) == 3
    assert ring.adjacent(NAMES) == 6


def test_victims_are_drawn_within_the_bound():
    ring = ring_of()
    chance = random.Random(7)
    drawn = [ring.draw(chance, 3, 2) for _ in range(300)]
    assert all(len(set(d)) == 3 and ring.adjacent(d) <= 2 for d in drawn)
    assert any(ring.adjacent(d) == 2 for d in drawn)
    assert {name for d in drawn for name in d} == set(NAMES)
    assert ring.draw(chance, 5, 2) is None


def test_right_neighbors_are_no_fault():
    ring = ring_of()
    assert all(ring.faults(name, view(ring, name)) == [] for name in NAMES)
    more = {"predecessors": ring.neighbors("a1", -1, NAMES)[:4], "successors": ring.neighbors("a1", 1, NAMES)[:4]}
    assert ring.faults("a1", view(ring, "a1", **more)) == []


def test_wrong_neighbors_are_faults():
    ring = ring_of()
    right = view(ring, "b1")["successors"]
    for wrong in (right[:2], right[1:] + right[:1], right[1:], [], right[:2] + ["f" * 32]):
        assert len(ring.faults("b1", view(ring, "b1", successors=wrong))) == 1, wrong
    assert ring.faults("b1", view(ring, "b1", state="joining")) == ["joining, green"]
    assert ring.faults("b1", view(ring, "b1", health="yellow")) == ["joined, yellow"]


def test_small_rings_have_fewer_neighbors():
    ring = ring_of(3)
    present = NAMES[:3]
    said = {key: ring.neighbors("a1", step, present) for key, step in (("predecessors", -1), ("successors", 1))}
    assert len(said["successors"]) == 2
    assert ring.faults("a1", {"state": "joined", "health": "green", **said}) == []


class Members:
    """Servers that answer what a test wants."""

    class pool:
        map = map

    def __init__(self, answers, claimants=()):
        self.ring = ring_of()
        self.answers, self.claimants = answers, set(claimants)
        self.world = self
        self.processes = {}

    def ask_all(self, *words):
        return {name: self.answers.get((name, words[1]), {words[1]: []}) for name in NAMES}

    def look_up(self, _, number):
        if number == "+491":
            raise WorldError("nobody answers")
        return self.claimants


def audit_of(account, answers=None, claimants=(), unclaimed=()):
    return Audit(Members(answers or {}, claimants), account, random.Random(1), unclaimed)


def test_a_claim_that_is_not_found_is_reported():
    account = Account()
    account.claim("+492", "a1")
    account.claim("+492", "b1")
    assert audit_of(account, claimants=["a1", "b1", "c1"]).numbers() == []
    found = audit_of(account, claimants=["a1"]).numbers()
    assert len(found) == 3 and all("not found: b1" in wrong for wrong in found), found
    account.claim("+491", "a1")
    assert len(audit_of(account, claimants=["a1", "b1"]).numbers()) == 3


def vcr(direction="terminating", state="waiting", reason=None, start="2026-01-02T03:04:05Z", stop="2026-01-02T03:04:45Z"):
    return {"direction": direction, "calling": "+491", "called": "+492", "state": state, "reason": reason, "start_at": start, "stop_at": stop}


def test_a_record_that_is_gone_is_reported():
    account = Account()
    account.record("a1", ("terminating", "+491", "+492", 1767323045, 1767323085))
    assert audit_of(account, {("a1", "vcrs"): {"vcrs": [vcr(state="done")]}}).records() == []
    for others in ([], [vcr(direction="originating")], [vcr(start="2026-01-02T03:04:06Z")]):
        assert len(audit_of(account, {("a1", "vcrs"): {"vcrs": others}}).records()) == 1, others
    assert len(audit_of(account, {("a1", "vcrs"): WorldError("away")}).records()) == 1


def test_a_made_call_that_nobody_proved_is_reported():
    for state, reason, wrong in (("done", None, 0), ("waiting", "unreachable", 0), ("failed", "not_proved", 1), ("failed", "not_registered", 1)):
        answers = {("b1", "vcrs"): {"vcrs": [vcr("originating", state, reason)]}}
        assert len(audit_of(Account(), answers).records()) == wrong, (state, reason)
        assert len(audit_of(Account(), answers, unclaimed=["+491"]).records()) == wrong, (state, reason)
        assert audit_of(Account(), answers, unclaimed=["+492"]).records() == [], "nobody publishes where calls in progress move to"


def test_a_route_that_is_gone_is_reported():
    account = Account()
    account.route("a1", "+492", "b.example")
    assert audit_of(account, {("a1", "routes"): {"routes": [{"number": "+492", "domain": "b.example"}]}}).routes() == []
    assert len(audit_of(account, {("a1", "routes"): {"routes": [{"number": "+492", "domain": "c.example"}]}}).routes()) == 1
    assert len(audit_of(account, {("b1", "routes"): {"routes": [{"number": "+492", "domain": "b.example"}]}}).routes()) == 1


def test_counters_of_what_may_not_happen_are_summed():
    counters = Counters()
    counters.add({"counters": [{"name": name, "value": 0} for name in NEVER[1:]]})
    assert counters.violations() == [f"there is no counter {NEVER[0]}"]
    for n in (0, 2, 3):
        counters.add({"counters": [{"name": NEVER[0], "value": n}, {"name": "ring.joins_refused", "value": 9}]})
    assert counters.violations() == [f"counter {NEVER[0]} is 5"]


def test_a_log_in_which_a_sanitizer_speaks_is_reported():
    audit = audit_of(Account())
    path = os.path.join(os.environ["IME_BUILD"], "test_lab.log")
    for line, wrong in (("notice route.learned", 0), ("==1==ERROR: AddressSanitizer: heap-use-after-free", 1), ("x.c:3: runtime error: shift", 1)):
        with open(path, "w") as log:
            log.write(line + "\n")
        audit.members.processes = {"a1": {"log": path}}
        assert len(audit.logs()) == wrong, line
    os.unlink(path)


def test_numbers_count_when_they_are_acknowledged():
    account = Account()
    account.claim("+492", "a1")
    assert account.settled_numbers(0) == [("+492", {"a1"})]
    assert account.settled_numbers(60) == []


def test_both_sides_measure_a_call_differently():
    call = Call("+491", "+492", 1000.25, -1.5)
    assert call.start == {True: 1000.25, False: 998.75}


def test_a_notify_is_understood():
    text = "<valinfo><number>+4930</number><ticket>x</ticket><route><SIPURI>sip:agent@b.example:5061;maddr=1.2.3.4</SIPURI></route></valinfo>"
    assert ROUTE.search(text).groups() == ("+4930", "b.example")
    assert not ROUTE.search("<valinfo/>")


def test_figures_are_of_the_values():
    assert spread([]) is None
    assert spread([3.0, 1.0, 2.0]) == {"n": 3, "median": 2.0, "p99": 3.0, "max": 3.0}


def main():
    """Runs them all."""
    cases = [(name, case) for name, case in globals().items() if name.startswith("test_")]
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {name}")
        except Exception as error:  # every failure is a failed case, whatever it is
            failed += 1
            print(f"not ok {number} - {name}\n# {type(error).__name__}: {error} (line {error.__traceback__.tb_next.tb_lineno})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
