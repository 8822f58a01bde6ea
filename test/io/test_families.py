#!/usr/bin/env python3
"""A ring of IPv4 and IPv6 on loopback: two servers with both, one with IPv6 only. It forms, numbers are stored and found everywhere, and a
call between a server of both and the one of IPv6 is proved.

    test_families.py [--directory DIR]
"""
import contextlib
import signal
import socket
import sys
import time

from steps import edit, run, wait_for
from vap import Vap

CALLER = "+49300100007"
CALL_SECONDS = 45
VSERVICE = {1: 0xA4, 3: 0xC6}


def free_ports(count):
    """Ports of ::1 that nobody uses at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6)) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.companies = world.description["companies"]
        ports = free_ports(6)
        self.ring = [f"[::1]:{p}" for p in ports[:3]]
        self.pvp = [f"[::1]:{p}" for p in ports[3:]]
        self.agents = {}

    def server(self, index):
        """What world.json says of a company's server."""
        return self.companies[index - 1]["servers"][0]

    def ctl(self, index, *words):
        """imectl at a company's server."""
        return self.world.ctl(self.server(index)["control"], *words)

    def peers(self, index):
        """Addresses of the peers that a server is linked to."""
        return [p["address"] for p in self.ctl(index, "show", "ring")["peers"] if p["state"] == "peer"]

    def restart(self, index):
        """Ends a server and starts it again."""
        name = self.world.server_name(index, 1)
        self.world.signal(name, signal.SIGTERM)
        assert self.world.wait_end(name)
        self.world.start_server(index, 1)
        self.world.wait_server(index, 1)

    def step_ring(self):
        """A and B get a second address, C only an address of IPv6; all are neighbors of all."""
        for index in (1, 2, 3):
            name, server = self.world.server_name(index, 1), self.server(index)
            for service, six in (("ring", self.ring[index - 1]), ("pvp", self.pvp[index - 1])):
                addresses = six if index == 3 else f"{server[service]}, {six}"
                edit(self.world, name, "server.conf", f"listen = {server[service]}", f"listen = {addresses}")
        edit(self.world, "enroll", "enroll.conf", f"bootstrap = {self.server(1)['ring']}", f"bootstrap = {self.server(1)['ring']}, {self.ring[0]}")
        self.world.signal("enroll", signal.SIGHUP)
        for index in (1, 2, 3):
            self.restart(index)
        for index in (1, 2, 3):
            wait_for(lambda i=index: len(self.peers(i)) == 2, f"{index} is not linked to both others")
        assert all(address.startswith("[::1]:") for address in self.peers(3)), self.peers(3)
        assert not any("NoCommonAddressFamily" == w["name"] for i in (1, 2, 3) for w in self.ctl(i, "show", "status")["warnings"])

    def step_publish(self):
        """Numbers of A and of C, found by everybody."""
        for index in (1, 3):
            company = self.companies[index - 1]
            agent = Vap(company["servers"][0]["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"])
            agent.register()
            agent.publish_vservice(VSERVICE[index], company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=192.0.2.1;transport=tcp"])
            agent.subscribe(VSERVICE[index])
            agent.publish_number(VSERVICE[index], company["numbers"][0])
            self.agents[index] = agent
        for index in (1, 2, 3):
            for owner in (1, 3):
                answer = self.ctl(index, "ring", "lookup", self.companies[owner - 1]["numbers"][0])
                assert [c["node_id"] for c in answer["claimants"]] == [self.server(owner)["node_id"]], answer

    def step_proofs(self):
        """Calls in both directions: the validation takes the family that both have."""
        for caller, called in ((1, 3), (3, 1)):
            number = self.companies[called - 1]["numbers"][0]
            start = time.time() - 300
            for index in (called, caller):
                self.agents[index].wait(self.agents[index].vcr(VSERVICE[index], index == caller, CALLER, number, start, start + CALL_SECONDS))
            wait_for(lambda c=caller, n=number: any(p.get("entropy") == 12 for p in self.ctl(c, "show", "pools")["pools"]),
                     f"{caller} has not proved its call to {number}")


def main():
    """TAP."""
    try:
        free_ports(1)
    except OSError as error:
        print(f"1..0 # SKIP this machine has no IPv6: {error}")
        return 0
    names = ("step_ring", "step_publish", "step_proofs")
    return run(Steps, "families", names, lambda world: world.up(3, 1), network=49)


if __name__ == "__main__":
    sys.exit(main())
