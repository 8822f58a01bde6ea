#!/usr/bin/env python3
"""ime-agent and ime-server of two companies: numbers published, records of calls handed over, routes learned and kept, the backup server; then
SIP calls over a phone network, from which a route is learned, and calls that go from agent to agent with their ticket.

    test_agent_world.py [--directory DIR]
"""
import json
import os
import signal
import sys
import time

from steps import run, wait_for
from offices import ENROLLED, Offices  # in the folder that steps has found

CALL_SECONDS = 2
VALIDATOR = {"minimum-call": "1s"}
RING = {"number-hash": "argon2id", "argon2-memory": "1M", "argon2-passes": "1"}
SHIFT = 1.2  # seconds between the two companies' records of a call that they hand over themselves


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.offices = Offices(world)
        self.a, self.b = self.offices.offices
        self.caller = self.a.numbers[7]
        self.placed = 0

    # -- what is asked ---------------------------------------------------------------------------------------------------

    def routes(self):
        """A's: (number, server that granted the ticket), with what else is told."""
        return {(route["number"], route["node_id"]): route for route in self.a.ctl("agent", "route", "list")["routes"]}

    def learned(self, numbers):
        """Waits until A's agent has a route to each number, from each of B's servers."""
        wanted = {(number, server["node_id"]) for number in numbers for server in self.b.company["servers"]}
        def why():
            number, _ = min(wanted - set(self.routes()))
            return f"no route to {number}: " + "; ".join(
                step["text"] for server in self.a.company["servers"] for step in self.world.ctl(server["control"], "explain", number)["steps"])

        wait_for(lambda: wanted <= set(self.routes()), why)

    def newest(self, office, number):
        """What an agent noted of the newest call to or from a number, once that has ended."""
        def ended():
            calls = office.ctl("agent", "calls", number, "--limit", "1")["calls"]
            return calls and calls[0]["ended_by"] != "in progress" and calls[0]
        wait_for(ended, f"{office.name} knows of no call with {number} that has ended")
        return ended()

    def explained(self, office, number):
        """Why its newest call went as it did."""
        return office.ctl("agent", "explain", number, "--limit", "1")["explanation"]

    @staticmethod
    def acknowledged(office):
        """How many of an agent's records its servers have taken, since it was started."""
        return sum(counter["value"] for counter in office.ctl("show", "counters", "service.vcrs_acknowledged")["counters"])

    def hand_over(self, numbers):
        """Both companies' agents get the records of made-up calls by imectl."""
        sent, received = [], []
        for number in numbers:
            self.placed += 1
            start = time.time() - 100 * self.placed
            sent.append({"direction": "sent", "calling": self.caller, "called": number, "start": start, "stop": start + 47})
            received.append({"direction": "received", "calling": self.caller, "called": number, "start": start + SHIFT, "stop": start + 47 - SHIFT})
        for office, records in ((self.b, received), (self.a, sent)):
            path = os.path.join(self.world.home(office.name), "records.json")
            with open(path, "w") as f:
                json.dump(records, f)
            before = self.acknowledged(office)
            office.ctl("agent", "record", "add", path)
            wait_for(lambda o=office, n=before + len(records): self.acknowledged(o) >= n, "the records were not acknowledged")

    def restart(self, office, number=signal.SIGTERM, direct=True):
        """Ends an agent and starts it again."""
        self.world.signal(office.name, number)
        assert self.world.wait_end(office.name)
        office.start(direct)
        self.world.wait_daemon(office.name)

    # -- with records of imectl ------------------------------------------------------------------------------------------

    def step_connect(self):
        """Both agents find both of their servers."""
        for office in (self.a, self.b):
            office.start()
        for office in (self.a, self.b):
            self.world.wait_daemon(office.name)
            wait_for(lambda o=office: all(s["state"] == "online" for s in o.ctl("agent", "service", "show")["servers"]),
                     lambda o=office: f"not online: {o.ctl('agent', 'service', 'show')}")

    def step_publish(self):
        """The enrolled pattern becomes numbers in the ring."""
        for office in (self.a, self.b):
            for number in (1, 2):
                wait_for(lambda s=office.server(number): len([n for n in self.world.ctl(s["control"], "show", "numbers")["numbers"] if n["copies"] == 3]) == ENROLLED,
                         "the numbers are not in the ring")
            report = office.ctl("agent", "publish", "report")
            assert not report["failed"], report

    def step_learn(self):
        """Records of the same calls from both companies: routes."""
        self.hand_over(self.b.numbers[:3])
        self.learned(self.b.numbers[:3])
        for route in self.routes().values():
            assert route["domain"] == self.b.domain, route

    def step_show(self):
        """The route is shown, found, and where a call would go."""
        number = self.b.numbers[0]
        shown = self.a.ctl("agent", "route", "show", number)["routes"]
        assert len(shown) == 2 and all(f"maddr={self.b.address(101, 0)[0]};" in route["uri"] for route in shown), shown
        assert self.a.ctl("agent", "route", "search", self.b.domain)["routes"] == list(self.routes().values())
        assert len(self.a.ctl("agent", "route", "export")["csv"].splitlines()) == 1 + len(self.routes())
        way = self.a.ctl("agent", "number", "test", self.a.dials(number))["way"]
        assert way.startswith(f"direct, to {self.b.domain}: "), way

    def step_kill(self):
        """The agent is killed: its routes are there when it comes back."""
        before = self.routes()
        self.restart(self.a, signal.SIGKILL)
        after = self.routes()
        assert after == before, (before, after)

    def step_delete(self):
        """A deleted route stays away, also after a restart; the others stay."""
        number = self.b.numbers[0]
        self.a.ctl("agent", "route", "delete", number)
        self.restart(self.a, signal.SIGKILL)
        assert {kept for kept, _ in self.routes()} == set(self.b.numbers[1:3]), self.routes()

    def step_backup(self):
        """The primary server of the caller is away: the backup takes the record and learns the route."""
        wait_for(lambda: all(s["state"] == "online" for s in self.a.ctl("agent", "service", "show")["servers"]), "not online again")
        self.world.signal("a1", signal.SIGTERM)
        assert self.world.wait_end("a1")
        wait_for(lambda: self.a.ctl("agent", "service", "show")["servers"][0]["state"] != "online", "A's agent does not notice")
        self.hand_over(self.b.numbers[3:6])
        self.learned(self.b.numbers[3:6])
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)

    # -- with SIP calls --------------------------------------------------------------------------------------------------

    def call(self, number):
        """A phone of A calls a number of B; it must hear one answer."""
        before = len(self.b.rang(number))
        heard = self.a.call(self.caller, self.a.dials(number), CALL_SECONDS)
        assert heard.good, heard.events
        assert len(self.b.rang(number)) == before + 1, "the called phone rang more than once, or not"
        return heard

    def step_phone_network(self):
        """Calls over the phone network; the agents hand in their records by themselves, and the route is learned."""
        self.offices.connect()
        numbers = self.b.numbers[6:9]
        heard = self.a.call_all(self.caller, [self.a.dials(number) for number in numbers], CALL_SECONDS)
        assert all(call.good for call in heard), [call.events for call in heard]
        carried = self.offices.ended()
        assert sorted((c["from"], c["shown"], c["to"], c["cause"]) for c in carried) == \
            [(self.caller, "0" + self.caller[3:], number, "ended") for number in numbers], carried
        assert all(call["caller_packets"] and call["called_packets"] for call in carried), carried
        for number in numbers:
            a, b = self.newest(self.a, number), self.newest(self.b, number)
            assert (a["from"], a["to"], b["from"], b["to"]) == ("PBX", "PSTN", "PSTN", "PBX"), (a, b)
            assert b["calling"] == self.caller, b
            assert "no route to this number has been learned" in self.explained(self.a, number)
        self.learned(numbers)

    def step_direct(self):
        """The next call goes from agent to agent."""
        number = self.b.numbers[6]
        self.call(number)
        assert len(self.offices.carried()) == 3
        a, b = self.newest(self.a, number), self.newest(self.b, number)
        assert (a["from"], a["to"], b["from"], b["to"]) == ("PBX", "IME", "IME", "PBX"), (a, b)
        assert (a["cause"], b["calling"], b["called"]) == ("-", self.caller, number), (a, b)
        assert not self.b.ctl("show", "counters", "agent.calls_refused")["counters"]

    def step_call_back(self):
        """B's PBX dials and shows numbers in another way than A's: the callee finds the caller in its list, and calls back by that."""
        called = self.b.numbers[6]
        shown = self.b.rang(called)[-1]["from"]
        assert shown == self.b.dials(self.caller), shown
        before = len(self.a.rang(self.caller))
        heard = self.b.call(called, shown, CALL_SECONDS)
        assert heard.good, heard.events
        rings = self.a.rang(self.caller)
        assert len(rings) == before + 1 and rings[-1]["from"] == called, rings
        assert len(self.offices.carried()) == 4

    def step_inside(self):
        """From one extension to another: the agent does not hear of it."""
        heard = self.a.call(self.caller, self.a.extension(self.a.numbers[3]), 0.1)
        assert heard.good, heard.events
        assert self.a.rang(self.a.numbers[3])[-1]["from"] == self.a.extension(self.caller)
        heard = self.a.call(self.caller, "299", 0.1)
        assert heard.last["cause"] == "no-number", heard.events
        assert len(self.offices.carried()) == 4

    def step_block(self):
        """B blocks A's domain, and reads its configuration again: it refuses the direct call, which goes over the phone network."""
        path = os.path.join(self.world.home(self.b.name), "agent.conf")
        with open(path, "a") as f:
            f.write(f"[trust others]\ntrusted = no\ndomain = {self.a.domain}\n")
        self.world.signal(self.b.name, signal.SIGHUP)
        wait_for(lambda: not self.b.ctl("agent", "trust", "test", self.a.domain)["trusted"], "B does not read its configuration")
        number = self.b.numbers[7]
        self.call(number)
        assert len(self.offices.carried()) == 5
        a, b = self.newest(self.a, number), self.newest(self.b, number)
        assert (a["to"], b["from"], b["to"]) == ("PSTN", "PSTN", "PBX"), (a, b)
        assert "the other side's domain is blocked" in self.explained(self.a, number), self.explained(self.a, number)

    def step_fall_back(self):
        """B takes no direct calls any more: the same call goes over the phone network, and the caller hears one call."""
        self.restart(self.b, direct=False)
        number = self.b.numbers[8]
        self.call(number)
        assert len(self.offices.carried()) == 6
        a, b = self.newest(self.a, number), self.newest(self.b, number)
        assert (a["to"], b["from"], b["to"]) == ("PSTN", "PSTN", "PBX"), (a, b)
        assert a["cause"] != "-", a
        why = self.explained(self.a, number)
        assert why.count("no connection to the other side") == why.count("another route, to the same place: not tried") == 1, why


def main():
    """TAP."""
    names = ("step_connect", "step_publish", "step_learn", "step_show", "step_kill", "step_delete", "step_backup", "step_phone_network",
             "step_direct", "step_call_back", "step_inside", "step_block", "step_fall_back")
    return run(Steps, "agent_world", names, lambda world: world.up(2, 2, ring=RING, validator=VALIDATOR, bootstraps=2), network=52)


if __name__ == "__main__":
    sys.exit(main())
