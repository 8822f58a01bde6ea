#!/usr/bin/env python3
"""The lab's companies with Kamailio as PBX (./run world up --pbx kamailio --impaired): their calls move to the phone network by command, and because the Internet between the edges is bad, and come back."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "test", "io"))

import test_fallback
from offices import RETURN
from steps import run

BAD = ("loss=20%", "jitter=60ms", "delay=40ms")
LOSSY_GAP_MS_MAX = 3000  # words between agents are lost as well, and said again; how long that takes is measured where nothing else runs (bench/fallback.py)
BELIEF_SECONDS = 90  # an edge takes ten before it believes that a call is bad, or good, and the agent five more


class Steps(test_fallback.Steps):
    """In order; each needs the ones before."""

    def __init__(self, world):
        super().__init__(world, RETURN, pbx="kamailio", impaired=True)

    def step_bad_internet(self):
        """Nobody says a word: edges notice, agents move the call, and back."""
        internet = self.offices.internet
        talk = self.begin()
        self.are_moved(talk, False, "a bad Internet", lambda: internet.set(*BAD), BELIEF_SECONDS)
        assert self.fallback_calls()[-1]["cause"] == "under way", self.fallback_calls()
        self.are_moved(talk, True, "a good Internet", internet.clear, BELIEF_SECONDS)
        _, _, pause_ms = self.ends(talk)
        assert pause_ms < LOSSY_GAP_MS_MAX, f"{pause_ms} ms\n{self.why()}"


def main():
    """TAP."""
    names = ("step_learn", "step_there_and_back", "step_hang_up", "step_bad_internet")
    return run(Steps, "fallback", names, lambda world: world.up(2, 1, ring=test_fallback.RING, validator=test_fallback.VALIDATOR), network=98)


if __name__ == "__main__":
    sys.exit(main())
