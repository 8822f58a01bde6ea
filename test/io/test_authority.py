#!/usr/bin/env python3
"""Another authority takes the place of the ring's, while numbers are looked up all the time and none is missed: it is added, it issues, all servers
renew by themselves, the former one is removed. A server that was away all the time is refused, and comes back with a fresh token.

    test_authority.py [--directory DIR]
"""
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

from steps import run, wait_for
from vap import Vap
from world import WorldError, split_address

LIFE_SECONDS = 120  # of certificates: another authority is followed within an eighth of it
NUMBER_SECONDS = 120  # so do servers sign anew what they have in the ring
VSERVICE = 0xB2
NUMBERS = 3


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.companies = world.description["companies"]
        self.numbers = self.companies[1]["numbers"][:NUMBERS]
        self.agent = self.former = self.fresh = None
        self.lookups, self.failures = 0, []
        self.stop = threading.Event()
        self.watch = threading.Thread(target=self.look_up_all_the_time, daemon=True)

    def ctl(self, letter, *words):
        """imectl at a company's server."""
        return self.world.ctl(self.companies["ABCD".index(letter)]["servers"][0]["control"], *words)

    def operator(self, *words):
        """imectl at the enrollment server."""
        return self.world.ctl(os.path.join(self.world.directory, "enroll", "control"), *words)

    def lines(self, letter, event):
        """How often a server has logged this."""
        with open(os.path.join(self.world.directory, letter.lower() + "1", "log"), errors="replace") as f:
            return sum(f" {event} " in line for line in f)

    def look_up_all_the_time(self):
        """What A and B do while everything else happens."""
        while not self.stop.is_set():
            for letter in "AB":
                for number in self.numbers:
                    try:
                        if not self.ctl(letter, "ring", "lookup", number)["claimants"]:
                            self.failures.append(f"{letter} does not find {number}")
                    except (WorldError, subprocess.SubprocessError) as error:
                        self.failures.append(f"{letter}: {error}")
                    self.lookups += 1
            self.stop.wait(0.2)

    def counter(self, letter, name):
        """Of a company's server."""
        return self.ctl(letter, "show", "counters", name, "--all")["counters"][0]["value"]

    def sequences(self, letters):
        """Of the configurations in use."""
        return {self.ctl(letter, "ring", "config", "show")["sequence"] for letter in letters}

    def authorities(self):
        """{serial: state}, the one that issues first."""
        return {a["serial"]: a["state"] for a in self.operator("enroll", "authority", "list")["authorities"]}

    def certificates(self):
        """How many are in the ca-file."""
        with open(self.world.description["ca"]) as f:
            return f.read().count("BEGIN CERTIFICATE")

    def refused(self, *words):
        """What the operator is told."""
        try:
            self.operator(*words)
        except WorldError as error:
            return str(error)
        raise AssertionError(f"not refused: {words}")

    def step_before(self):
        """B's numbers are in the ring; D goes away."""
        company = self.companies[1]
        self.agent = Vap(company["servers"][0]["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"])
        self.agent.register()
        self.agent.publish_vservice(VSERVICE, company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=192.0.2.1;transport=tcp"])
        for number in self.numbers:
            self.agent.publish_number(VSERVICE, number)
        self.world.signal("d1", signal.SIGKILL)
        assert self.world.wait_end("d1")
        self.former = list(self.authorities())[0]
        self.watch.start()

    def step_added(self):
        """All trust it; it does not issue yet."""
        sequence = self.operator("enroll", "authority", "add")["sequence"]
        wait_for(lambda: self.sequences("ABC") == {sequence}, "not all servers have the configuration")
        states = self.authorities()
        assert list(states.values()) == ["issues", "stands by"], states
        self.fresh = list(states)[1]
        assert self.certificates() == 2

    def step_it_issues(self):
        """All servers renew by themselves, long before the end of what they have; also over a restart of the enrollment server."""
        renewed = {letter: self.lines(letter, "certificate.renewed") for letter in "ABC"}
        self.operator("enroll", "authority", "switch")
        self.world.signal("enroll", signal.SIGKILL)
        assert self.world.wait_end("enroll")
        self.world.start_enroll()
        assert list(self.authorities()) == [self.fresh, self.former]
        assert "have certificates of it" in self.refused("enroll", "authority", "remove"), "too early"
        wait_for(lambda: all(self.lines(letter, "certificate.renewed") > n for letter, n in renewed.items()), "not all have renewed")
        text = self.refused("enroll", "authority", "remove")
        assert "1 server has certificates of it: ime1.d.example" in text, text

    def step_removed(self):
        """When what they have in the ring is signed anew, the former one goes; D is forgotten."""
        wait_for(lambda: self.counter("B", "numbers.signed_again") >= 3 * NUMBERS, "B does not sign anew what it has stored")
        wait_for(lambda: self.counter("B", "numbers.stores") >= 2 * 3 * NUMBERS, "it is not stored anew")
        sequence = self.operator("enroll", "authority", "remove", "--force")["sequence"]
        wait_for(lambda: self.sequences("ABC") == {sequence}, "not all servers have the configuration")
        assert list(self.authorities()) == [self.fresh]
        assert self.certificates() == 1
        for letter in "ABC":
            wait_for(lambda who=letter: self.ctl(who, "show", "status")["health"] == "green", f"{letter} is not green")
        before = self.lookups
        wait_for(lambda: self.lookups > max(before + 6 * NUMBERS, 100), lambda: f"nobody looks anything up: {self.lookups}")
        self.stop.set()
        self.watch.join()
        assert not self.failures, self.failures[:3]

    def step_too_late(self):
        """D's certificate is of nobody: it says so and ends. Who shows it gets no link, and is counted."""
        self.world.start_server(4, 1)
        assert self.world.wait_end("d1")
        assert self.lines("D", "certificate.unusable") == 1
        data = self.companies[3]["servers"][0]["data"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(os.path.join(data, "certificate.pem"), os.path.join(data, "key.pem"))
        before = self.counter("A", "ring.links.tls_unknown_ca")
        try:
            with socket.create_connection(split_address(self.companies[0]["servers"][0]["ring"]), timeout=10) as raw:
                with context.wrap_socket(raw) as tls:
                    assert tls.recv(1) == b"", "it is talked to"
        except (ssl.SSLError, ConnectionError):
            pass  # the alert, or the end of the connection that overtakes it
        wait_for(lambda: self.counter("A", "ring.links.tls_unknown_ca") == before + 1, "the refusal is not counted")

    def step_back(self):
        """With a fresh token it is a member again."""
        company = self.companies[3]
        token = self.operator("enroll", "token", "add", "--server-id", f"ime1.{company['domain']}", "--name",
                              split_address(company["servers"][0]["vap"])[0])["token"]
        with open(os.path.join(self.world.directory, "d1", "token"), "w") as f:
            f.write(token + "\n")
        os.remove(os.path.join(company["servers"][0]["data"], "certificate.pem"))
        node_id = company["servers"][0]["node_id"]
        self.world.start_server(4, 1)
        self.world.wait_server(4, 1)
        assert company["servers"][0]["node_id"] == node_id
        for number in self.numbers:
            assert self.ctl("D", "ring", "lookup", number)["claimants"], number


def main():
    """TAP."""
    names = ("step_before", "step_added", "step_it_issues", "step_removed", "step_too_late", "step_back")
    return run(Steps, "authority", names, network=51, up=lambda world: world.up(
        4, 1, ring={"chord-update-interval": "5", "chord-ping-interval": "5", "number-lifetime": f"{NUMBER_SECONDS}s"},
        issuing={"certificate-lifetime": f"{LIFE_SECONDS}s"}, enroll={"a1": {"poll": "1s"}}))


if __name__ == "__main__":
    sys.exit(main())
