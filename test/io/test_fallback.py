#!/usr/bin/env python3
"""Calls that move to the phone network while people talk, and come back: two companies with PBXs, phones, agents and edges, and two carriers between them.
What people hear is measured at both phones. How long each single move takes is measured where nothing else runs (bench/fallback.py): here all programs share
the machine with whatever else it does, so that a pause is too long only if each of several calls had one.

    test_fallback.py [--directory DIR]
"""
import signal
import sys
import time

from steps import edit, run, wait_for
from offices import Offices  # in the folder that steps has found
from talk import Talk

LEARN_SECONDS = 1.2
TALK_SECONDS = 2  # each way is talked over for so long
GAP_MS_MAX = 200
CALLS_MAX = 6  # until one of them had no longer pause
MOVE_SECONDS = 60
VALIDATOR = {"minimum-call": "1s"}
RING = {"number-hash": "argon2id", "argon2-memory": "1M", "argon2-passes": "1"}


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world, return_after="10m", **how):
        """return_after: of good quality, calls that nobody has told to. how: options of Offices."""
        self.world = world
        self.offices = Offices(world, "basic", **how)
        self.offices.more["fallback"]["return"] = return_after
        self.a, self.b = self.offices.offices
        self.caller, self.number = self.a.numbers[7], self.b.numbers[6]

    # -- what is asked ---------------------------------------------------------------------------------------------------

    def here(self):
        """What A's agent says of the newest call to the number."""
        return self.a.ctl("agent", "calls", self.number, "--limit", "1")["calls"][0]

    def why(self):
        """How that went."""
        return "\n".join(office.ctl("agent", "explain", self.number, "--limit", "1")["explanation"] for office in self.offices.offices)

    def begin(self):
        """A phone of A calls, and talks directly, with video."""
        self.rang = len(self.b.rang(self.number))
        talk = Talk(self.a.call_argv(self.caller, self.a.dials(self.number), None, "--video", "--watch"))
        talk.wait("answered")
        time.sleep(TALK_SECONDS)
        assert self.here()["to"] == "IME", self.why()
        return talk

    def moves(self, talk, word, video):
        """By command."""
        self.are_moved(talk, video, "agent " + word, lambda: self.a.ctl("agent", word, self.number))

    def are_moved(self, talk, video, why, act, seconds=MOVE_SECONDS):
        """Both phones are told that their media are elsewhere."""
        caller, called = len(talk.noted("moved")), len(self.b.noted(self.number, "moved"))
        act()

        def moved():
            at_caller, at_called = talk.noted("moved")[caller:], self.b.noted(self.number, "moved")[called:]
            return at_caller and at_called and at_caller[-1]["video"] == at_called[-1]["video"] == video
        wait_for(moved, lambda: f"{why}: {talk.words()}\n{self.why()}", seconds)
        time.sleep(TALK_SECONDS)
        assert talk.is_up(), talk.words()

    def fallback_calls(self):
        """What the phone network knows of calls to B's fallback number, the oldest first."""
        return [call for call in self.offices.carried() if call["to"] == self.b.fallback_number]

    def ends(self, talk):
        """The caller hangs up: what both phones heard, and the longest pause, ms. Nothing is left of the call anywhere."""
        caller = talk.hang_up()
        called = self.b.heard(self.number, caller)
        assert len(self.b.rang(self.number)) == self.rang + 1, "the called phone rang again"
        for phone in (caller, called):
            assert phone["in_order"] and phone["heard_hz"] and phone["faults"] == 0, phone
        print("# pauses in ms at A's phone:", *[gap["ms"] for gap in caller["gaps"]], "at B's:", *[gap["ms"] for gap in called["gaps"]], flush=True)
        wait_for(self.is_quiet, lambda: f"something is left: {self.left()}", MOVE_SECONDS)
        return caller, called, max(caller["longest_gap_ms"], called["longest_gap_ms"])

    def calls(self, moves):
        """Calls that are moved so, until nobody in one of them has heard more than a moment of silence."""
        pauses_ms = []
        while not pauses_ms or min(pauses_ms) >= GAP_MS_MAX:
            assert len(pauses_ms) < CALLS_MAX, f"each call has a pause of {pauses_ms} ms\n{self.why()}"
            talk = self.begin()
            moves(talk)
            caller, called, pause_ms = self.ends(talk)
            pauses_ms.append(pause_ms)
        return caller, called

    def left(self):
        """Calls in progress at agents, streams at edges, calls and media at carriers and PBXs."""
        left = {"carriers": self.offices.network_ctl("show", "status")["calls"]}
        for office in self.offices.offices:
            left[office.name] = sum(call["ended_by"] == "in progress" for call in office.ctl("agent", "calls")["calls"])
            left[office.edge.name] = len(office.edge.ctl("edge", "show", "calls")["streams"])
            if self.offices.pbx == "lab":
                left[office.pbx] = office.pbx_ctl("show", "status")["calls"]
        return left

    def is_quiet(self):
        """None of that."""
        return not any(self.left().values())

    # -- steps -----------------------------------------------------------------------------------------------------------

    def step_learn(self):
        """A call over the phone network leaves a route."""
        self.offices.start()
        heard = self.a.call_all(self.caller, [self.a.dials(number) for number in self.b.numbers[6:9]], LEARN_SECONDS)
        assert all(call.good for call in heard), [call.events for call in heard]
        wait_for(lambda: self.number in {route["number"] for route in self.a.ctl("agent", "route", "list")["routes"]}, "A learns no route")

    def there(self, talk):
        """To the phone network."""
        before = len(self.fallback_calls())
        self.moves(talk, "fallback", False)
        assert [call["cause"] for call in self.fallback_calls()[before:]] == ["under way"], self.fallback_calls()

    def there_and_back(self, talk):
        """And from there."""
        self.there(talk)
        self.moves(talk, "return", True)
        wait_for(lambda: self.fallback_calls()[-1]["cause"] == "ended", "the end of the call by the phone network", MOVE_SECONDS)

    def step_there_and_back(self):
        """The call moves to the phone network, without its video, and comes back with it: nobody hears more than a moment of silence."""
        caller, called = self.calls(self.there_and_back)
        assert caller["pictures_received"] and called["pictures_received"]

    def step_hang_up(self):
        """The caller hangs up while the call is on the phone network: everything ends, once."""
        self.calls(self.there)
        assert self.fallback_calls()[-1]["cause"] == "ended", self.fallback_calls()

    def step_digits(self):
        """The phone network loses callers: digits tell which call it is. And it is slow."""
        self.restart_network("rtp = ", "lost = 100\nrtp-delay = 60ms\nrtp = ")
        self.calls(self.there_and_back)
        assert self.fallback_calls()[-1]["shown"] == "", self.fallback_calls()
        assert self.offices.carried()[-1]["caller_digits"] >= 6, self.offices.carried()[-1]

    def restart_network(self, old, new):
        """With other carriers."""
        self.world.signal("pstn", signal.SIGTERM)
        assert self.world.wait_end("pstn")
        for _ in range(2):
            edit(self.world, "pstn", "pstn.conf", "\n" + old, "\n" + new.replace(old, "rtp  = "))
        self.world.start_daemon("pstn", "pstn")
        self.world.wait_daemon("pstn")


def main():
    """TAP."""
    names = ("step_learn", "step_there_and_back", "step_hang_up", "step_digits")
    return run(Steps, "fallback", names, lambda world: world.up(2, 1, ring=RING, validator=VALIDATOR), network=96)


if __name__ == "__main__":
    sys.exit(main())
