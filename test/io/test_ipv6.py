#!/usr/bin/env python3
"""Two companies on ::1: enrollment, a ring, numbers in it, calls, proofs and a learned route, all of it over IPv6.

    test_ipv6.py [--directory DIR]
"""
import socket
import sys
import time

from steps import run, wait_for
from vap import Vap

CALLER = "+49300100007"
VSERVICE = {1: 0xA6, 2: 0xB6}
CALLS, CALL_SECONDS = 3, 45


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.companies = world.description["companies"]
        self.servers = [s for c in self.companies for s in c["servers"]]
        self.called = self.companies[1]["numbers"][3]
        self.agents = {}

    def ctl(self, company, *words):
        """imectl at a company's first server."""
        return self.world.ctl(self.companies[company - 1]["servers"][0]["control"], *words)

    def step_ring(self):
        """All servers are members, with IPv6 addresses only."""
        for server in self.servers:
            assert all(server[service].startswith("[::1]:") for service in ("ring", "vap", "pvp")), server
            self.world.ctl(server["control"], "wait", "ring")
        assert len({s["node_id"] for s in self.servers}) == len(self.servers)

    def step_publish(self):
        """B's number, sealed, in the ring."""
        for index, company in enumerate(self.companies, 1):
            agent = Vap(company["servers"][0]["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"])
            agent.register()
            agent.publish_vservice(VSERVICE[index], company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=[::1];transport=tcp"])
            self.agents[index] = agent
        self.agents[2].publish_number(VSERVICE[2], self.called)
        wait_for(lambda: [n["copies"] for n in self.ctl(2, "show", "numbers")["numbers"] if n["number"] == self.called] == [3],
                 "three copies of the number")

    def step_calls(self):
        """The same calls at both companies; B's records first, so that A's proofs find them."""
        self.agents[1].subscribe(VSERVICE[1])
        for index in (2, 1):
            for n in range(CALLS):
                start = time.time() - 300 - 100 * n + (0.9 if index == 2 else 0)
                self.agents[index].wait(self.agents[index].vcr(VSERVICE[index], index == 1, CALLER, self.called, start, start + CALL_SECONDS))

    def step_route(self):
        """A route to B with an IPv6 address in it, learned and notified."""
        wait_for(lambda: any(r["number"] == self.called for r in self.ctl(1, "show", "routes")["routes"]), "no route is learned")
        route, = [r for r in self.ctl(1, "show", "routes")["routes"] if r["number"] == self.called]
        assert route["domain"] == self.companies[1]["domain"], route
        while not any(self.called in text for text in self.agents[1].notifies):
            self.agents[1].step()
        assert "[::1]" in self.agents[1].notifies[-1], self.agents[1].notifies[-1]

    def step_restart(self):
        """The ring forms again through addresses that were written down, with the same nodes."""
        before = [s["node_id"] for s in self.servers]
        self.world.signal("b1", 15)
        assert self.world.wait_end("b1")
        self.world.start_server(2, 1)
        self.world.wait_server(2, 1)
        assert [s["node_id"] for s in self.servers] == before


def main():
    """TAP."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        print(f"1..0 # SKIP this machine has no IPv6: {error}")
        return 0
    names = ("step_ring", "step_publish", "step_calls", "step_route", "step_restart")
    return run(Steps, "ipv6", names, lambda world: world.up(2, 2), ipv6=True)


if __name__ == "__main__":
    sys.exit(main())
