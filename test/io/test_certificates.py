#!/usr/bin/env python3
"""Certificates of one minute. A ring of three, one of the servers with two Node-IDs, lives through two renewals of everybody's while numbers are
looked up all the time, and none fails. Then the enrollment server is away until the certificates have ended: the servers are red; when it is
back, they come back by themselves.

    test_certificates.py [--directory DIR]
"""
import os
import signal
import sys
import time

from steps import edit, run, wait_for
from vap import Vap
from world import split_address

LIFE_SECONDS = 60
VSERVICE = 0xB2
NUMBERS = 3


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.companies = world.description["companies"]
        self.numbers = self.companies[1]["numbers"][:NUMBERS]
        self.agent = None

    def ctl(self, letter, *words):
        """imectl at a company's server."""
        return self.world.ctl(self.companies["ABC".index(letter)]["servers"][0]["control"], *words)

    def lines(self, letter, event):
        """How often a server has logged this."""
        with open(os.path.join(self.world.directory, letter.lower() + "1", "log"), errors="replace") as f:
            return sum(f" {event} " in line for line in f)

    def missing(self, letter):
        """Numbers that this server does not find."""
        return [n for n in self.numbers if not self.ctl(letter, "ring", "lookup", n)["claimants"]]

    def healths(self):
        """As `show status` has them."""
        return [self.ctl(letter, "show", "status")["health"] for letter in "ABC"]

    def step_short_lives(self):
        """Everybody has a certificate of a minute."""
        edit(self.world, "enroll", "enroll.conf", "[ring]", f"certificate-lifetime = {LIFE_SECONDS}s\n\n[server ime1.c.example]\nnode-ids = 2\n\n[ring]")
        edit(self.world, "c1", "server.conf", "bootstrap = no", "bootstrap = no\nnode-ids = 2")
        self.world.signal("enroll", signal.SIGHUP)
        for index, name in ((1, "a1"), (2, "b1"), (3, "c1")):
            self.world.signal(name, signal.SIGTERM)
            assert self.world.wait_end(name)
            os.remove(os.path.join(self.companies[index - 1]["servers"][0]["data"], "certificate.pem"))
            token = self.world.ctl(os.path.join(self.world.directory, "enroll", "control"), "enroll", "token", "add", "--server-id",
                                   f"ime1.{self.companies[index - 1]['domain']}", "--name",
                                   split_address(self.companies[index - 1]["servers"][0]["vap"])[0])["token"]
            with open(os.path.join(self.world.directory, name, "token"), "w") as f:
                f.write(token + "\n")
            self.world.start_server(index, 1)
        for index in (1, 2, 3):
            self.world.wait_server(index, 1)
        wait_for(lambda: self.ctl("C", "show", "status").get("node_ids_in_ring") == 2, "C's second Node-ID is not in the ring")
        company = self.companies[1]
        self.agent = Vap(company["servers"][0]["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"])
        self.agent.register()
        self.agent.publish_vservice(VSERVICE, company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=192.0.2.1;transport=tcp"])
        for number in self.numbers:
            self.agent.publish_number(VSERVICE, number)

    def step_two_renewals(self):
        """Nobody notices: no look-up fails, no link goes down."""
        wait_for(lambda: len([p for p in self.ctl("A", "show", "ring")["peers"] if p["state"] == "peer"]) == 3, "A is not linked to all")
        renewed = {letter: self.lines(letter, "certificate.renewed") for letter in "ABC"}
        down = {letter: self.lines(letter, "ring.link.down") for letter in "ABC"}
        deadline = time.monotonic() + 3 * LIFE_SECONDS
        wanted = {"A": 2, "B": 2, "C": 4}  # C has two Node-IDs
        lookups = 0
        while any(self.lines(letter, "certificate.renewed") - renewed[letter] < wanted[letter] for letter in "ABC"):
            for letter in "ABC":
                missing = self.missing(letter)
                assert not missing, f"{letter} does not find {missing} after {lookups} look-ups"
                lookups += NUMBERS
            assert set(self.healths()) == {"green"}, self.healths()
            assert time.monotonic() < deadline, "not everybody has renewed twice"
            time.sleep(0.3)
        assert {letter: self.lines(letter, "ring.link.down") for letter in "ABC"} == down
        assert lookups > 100, lookups

    def step_too_late(self):
        """Without the enrollment server the certificates end: warned of, then red."""
        self.world.signal("enroll", signal.SIGTERM)
        assert self.world.wait_end("enroll")
        warning = "DistributedCacheCertificateExpiring"
        wait_for(lambda: any(w["name"] == warning for w in self.ctl("A", "show", "status")["warnings"]), "no warning")
        wait_for(lambda: set(self.healths()) == {"red"}, lambda: f"not red: {self.healths()}")

    def step_back(self):
        """It is back: so are they, with what they published, without a restart."""
        pids = [c["servers"][0]["pid"] for c in self.companies]
        self.world.start_enroll()
        wait_for(lambda: set(self.healths()) == {"green"}, lambda: f"not green: {self.healths()}")
        wait_for(lambda: not any(self.missing(letter) for letter in "ABC"), "a number is not found any more")
        assert all(self.world.alive(name) for name in ("a1", "b1", "c1"))
        assert [c["servers"][0]["pid"] for c in self.companies] == pids


def main():
    """TAP."""
    names = ("step_short_lives", "step_two_renewals", "step_too_late", "step_back")
    return run(Steps, "certificates", names, lambda world: world.up(3, 1), network=50)


if __name__ == "__main__":
    sys.exit(main())
