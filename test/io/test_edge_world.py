#!/usr/bin/env python3
"""ime-edge of two companies, between their agents: calls with tickets over TLS and SRTP, keys that come from the IME servers and change, tickets that are
revoked, a server that is away; inline, and beside the way with the mapping service.

    test_edge_world.py [--directory DIR]
"""
import os
import signal
import sys

from steps import run, wait_for
from offices import ENROLLED, Offices  # in the folder that steps has found

CALL_SECONDS = 1.2
VALIDATOR = {"minimum-call": "1s"}
RING = {"number-hash": "argon2id", "argon2-memory": "1M", "argon2-passes": "1"}
TONES = {"caller": 800, "called": 1300}


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.offices = Offices(world, "basic")
        self.a, self.b = self.offices.offices
        self.caller = self.a.numbers[7]
        self.numbers = self.b.numbers[6:9]

    # -- what is asked ---------------------------------------------------------------------------------------------------

    def newest(self, office, number):
        """What an agent noted of the newest call to or from a number, once that has ended."""
        def ended():
            calls = office.ctl("agent", "calls", number, "--limit", "1")["calls"]
            return calls and calls[0]["ended_by"] != "in progress" and calls[0]
        wait_for(ended, f"{office.name} knows of no call with {number} that has ended")
        return ended()

    def call(self, number, way):
        """A phone of A calls a number of B; one answer is heard, each phone hears the other, and it went that way."""
        before = len(self.b.rang(number))
        heard = self.a.call(self.caller, self.a.dials(number), CALL_SECONDS)
        assert heard.good, heard.events
        assert len(self.b.rang(number)) == before + 1, "the called phone rang more than once, or not"
        a, b = self.newest(self.a, number), self.newest(self.b, number)
        why = self.a.ctl("agent", "explain", number, "--limit", "1")["explanation"]
        assert a["to"] == b["from"] == way, (a, b, why)
        assert (heard.last["heard_hz"], self.b.heard(number, heard.last)["heard_hz"]) == (TONES["called"], TONES["caller"]), heard.last
        return why

    def counter(self, office, name):
        """Of its edge."""
        return sum(c["value"] for c in office.edge.ctl("show", "counters", name)["counters"] if c["name"] == name)

    def grown(self, office, name, by, action):
        """An action makes a counter of its edge grow by so much."""
        before = self.counter(office, name)
        action()
        assert self.counter(office, name) == before + by, (name, before, self.counter(office, name))

    def epochs(self, office):
        """Of the keys that its edge has."""
        return {row["epoch"] for row in office.edge.ctl("edge", "show", "tickets")["epochs"]}

    def server(self, office, *words):
        """Asks the company's IME server."""
        return self.world.ctl(office.server()["control"], *words)

    # -- inline ----------------------------------------------------------------------------------------------------------

    def step_learn(self):
        """Three calls over the phone network; the route leads to B's edge."""
        self.offices.start()
        wait_for(lambda: self.b.ctl("agent", "publish", "report")["published"] == ENROLLED, "B does not publish its numbers")
        heard = self.a.call_all(self.caller, [self.a.dials(number) for number in self.numbers], CALL_SECONDS)
        assert all(call.good for call in heard), [call.events for call in heard]

        def learned():
            return set(self.numbers) <= {route["number"] for route in self.a.ctl("agent", "route", "list")["routes"]}
        wait_for(learned, "A learns no routes")
        host = self.b.edge.outside.rsplit(":", 1)[0]
        assert all(f"maddr={host};" in route["uri"] for route in self.a.ctl("agent", "route", "list")["routes"])

    def step_direct(self):
        """From edge to edge, with B's ticket and A's certificate."""
        self.grown(self.b, "edge.tickets_good", 1, lambda: self.call(self.numbers[0], "IME"))
        assert len(self.offices.carried()) == 3
        wait_for(lambda: not self.b.edge.ctl("edge", "show", "calls")["streams"], "B's edge keeps the call")
        at_a, at_b = (office.edge.ctl("edge", "show", "trunks")["trunks"][0] for office in (self.a, self.b))
        assert (at_b["domain"], at_a["domain"]) == (self.a.domain, self.b.domain)
        assert (at_a["address"], at_a["connections"], at_b["connections"]) == (self.b.edge.outside, 1, 1), (at_a, at_b)
        assert self.counter(self.b, "edge.shares") == 1, "calls of B's would not go over the connection that A has made"

    def step_rotate(self):
        """B's server has another key from now on: its edge knows that at once, and takes old tickets all the same."""
        self.server(self.b, "ticket", "rotate")
        wait_for(lambda: len(self.epochs(self.b)) == 2, "B's edge does not get the new key")
        self.grown(self.b, "edge.tickets_good", 1, lambda: self.call(self.numbers[0], "IME"))

    def step_revoke(self):
        """The tickets for one number are taken back: the call goes over the phone network, rings once, and A is told why."""
        self.server(self.b, "ticket", "revoke", "number", self.numbers[2])
        wait_for(lambda: any(row["revoked"] for row in self.b.edge.ctl("edge", "show", "tickets")["epochs"]), "the edge does not hear of it")
        self.grown(self.b, "edge.ticket_revoked", 1, lambda: self.call(self.numbers[2], "PSTN"))
        assert "answered with 403" in self.a.ctl("agent", "explain", self.numbers[2], "--limit", "1")["explanation"]
        self.call(self.numbers[1], "IME")

    def step_server_away(self):
        """B's IME server is killed: its edge goes on checking tickets, also when it was started anew."""
        self.world.signal("b1", signal.SIGKILL)
        assert self.world.wait_end("b1")
        self.world.signal(self.b.edge.name, signal.SIGTERM)
        assert self.world.wait_end(self.b.edge.name)
        self.b.edge.start()
        self.world.wait_daemon(self.b.edge.name)
        assert len(self.epochs(self.b)) == 2
        self.grown(self.b, "edge.tickets_good", 1, lambda: self.call(self.numbers[1], "IME"))
        self.world.start_server(2, 1)

    def step_edge_away(self):
        """A's own edge is killed: all calls go over the phone network, at once; they go direct again when it is back."""
        self.world.signal(self.a.edge.name, signal.SIGKILL)
        assert self.world.wait_end(self.a.edge.name)
        self.call(self.numbers[1], "PSTN")
        self.a.edge.start()
        self.world.wait_daemon(self.a.edge.name)
        self.call(self.numbers[1], "IME")

    # -- off-path --------------------------------------------------------------------------------------------------------

    def step_off_path(self):
        """A asks its edge where to call; the address is used again."""
        for name in (self.a.name, self.a.edge.name):
            self.world.signal(name, signal.SIGTERM)
            assert self.world.wait_end(name)
        self.a.edge.deployment = "off-path"
        self.a.edge.start()
        self.world.wait_daemon(self.a.edge.name)
        self.a.start()
        self.world.wait_daemon(self.a.name)
        wait_for(self.a.is_connected, "A's PBX does not come back")
        self.call(self.numbers[0], "IME")
        self.call(self.numbers[1], "IME")
        mappings = self.a.edge.ctl("edge", "show", "mappings")["mappings"]
        assert [(m["far"], m["calls"]) for m in mappings] == [(self.b.edge.outside, 2)], mappings
        assert self.counter(self.a, "mapping.questions") == 1

    def step_mapping_away(self):
        """The edge is away with its mapping service: the phone network."""
        self.world.signal(self.a.edge.name, signal.SIGTERM)
        assert self.world.wait_end(self.a.edge.name)
        self.call(self.numbers[1], "PSTN")

    def step_secrets(self):
        """No log of an edge tells a password or a key of SRTP."""
        for office in self.offices.offices:
            with open(os.path.join(self.world.home(office.edge.name), "log"), encoding="utf-8", errors="replace") as log:
                text = log.read()
            assert "inline:" not in text and office.edge.account["password"] not in text and office.company["ticket"] not in text


def main():
    """TAP."""
    names = ("step_learn", "step_direct", "step_rotate", "step_revoke", "step_server_away", "step_edge_away", "step_off_path", "step_mapping_away",
             "step_secrets")
    return run(Steps, "edge_world", names, lambda world: world.up(2, 1, ring=RING, validator=VALIDATOR), network=92)


if __name__ == "__main__":
    sys.exit(main())
