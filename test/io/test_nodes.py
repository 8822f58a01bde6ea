#!/usr/bin/env python3
"""A server that grows to three Node-IDs in a ring of three others: shares, stores, is killed and comes back, shrinks, and leaves. All the time
the numbers in the ring are found.

    test_nodes.py [--directory DIR]
"""
import os
import signal
import sys

from steps import SECONDS, edit, run, wait_for
from vap import Vap
from world import WorldError

VSERVICE = 0xB2
NUMBERS = 8
NODES = 3


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.companies = world.description["companies"]
        self.big = self.companies[3]["servers"][0]
        self.numbers = self.companies[1]["numbers"][:NUMBERS]

    def ctl(self, letter, *words):
        """imectl at a company's server."""
        return self.world.ctl(self.companies["ABCD".index(letter)]["servers"][0]["control"], *words)

    def nodes(self):
        """D's Node-IDs as `show ring` has them; none while the server is away."""
        try:
            return self.ctl("D", "show", "ring").get("nodes", [])
        except WorldError:
            return []

    def restart(self, number=signal.SIGTERM):
        """Ends D's server and starts it again."""
        self.world.signal("d1", number)
        assert self.world.wait_end("d1")
        self.world.start_server(4, 1)
        self.world.wait_server(4, 1)

    def all_joined(self):
        """All of D's Node-IDs are in the ring."""
        nodes = self.nodes()
        return len(nodes) == NODES and all(n["state"] == "joined" for n in nodes)

    def found(self):
        """C finds every number that B has published."""
        missing = []
        for number in self.numbers:
            entries = self.ctl("C", "ring", "lookup", number)
            if not entries["claimants"]:
                missing.append(number)
        return missing

    def step_publish(self):
        """Numbers in a ring of four."""
        company = self.companies[1]
        self.agent = Vap(company["servers"][0]["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"])
        self.agent.register()
        self.agent.publish_vservice(VSERVICE, company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=192.0.2.1;transport=tcp"])
        for number in self.numbers:
            self.agent.publish_number(VSERVICE, number)
        assert not self.found()

    def step_not_allowed(self):
        """The enrollment server lets it have one Node-ID: it says so, and works as before."""
        edit(self.world, "d1", "server.conf", "bootstrap = no", f"bootstrap = no\nnode-ids = {NODES}")
        self.restart()
        wait_for(lambda: "raise node-ids in enroll.conf" in self.world.log_tail("d1", 400), "no advice in the log")
        assert self.ctl("D", "show", "status")["state"] == "joined"
        assert not self.nodes()

    def step_grow(self):
        """The operator of the ring allows it; the server asks again by itself."""
        with open(os.path.join(self.world.directory, "enroll", "enroll.conf"), "a") as f:
            f.write(f"\n[server ime1.d.example]\nnode-ids = {NODES}\n")
        self.world.signal("enroll", signal.SIGHUP)
        wait_for(self.all_joined, lambda: f"not all are in the ring: {self.nodes()}")
        nodes = self.nodes()
        assert len({n["node_id"] for n in nodes}) == NODES
        host, port = self.big["ring"].rsplit(":", 1)
        assert [n["address"] for n in nodes] == [f"{host}:{int(port) + k}" for k in range(NODES)], nodes
        status = self.ctl("D", "show", "status")
        assert status["node_ids"] == status["node_ids_in_ring"] == NODES, status
        self.world.wait_ready("a1", self.companies[0]["servers"][0]["control"], "show", "ring")
        wait_for(lambda: round(float(self.ctl("A", "show", "ring")["node_count_estimate"])) >= 5, "A does not see six nodes")
        assert not self.found()

    def step_stores(self):
        """Its Node-IDs take part: together they store more than one of the others has to."""
        wait_for(lambda: all(n["records_stored"] for n in self.nodes()), lambda: f"a Node-ID stores nothing: {self.nodes()}")
        owned = sum(float(n["share_owned"]) for n in self.nodes())
        rest = sum(float(self.ctl(c, "show", "ring")["share_owned"]) for c in "ABC")
        assert abs(owned + rest - 1) < 0.01, (owned, rest)

    def step_kill(self):
        """Killed: it comes back with the same Node-IDs and what they stored."""
        before = sorted(n["node_id"] for n in self.nodes())
        self.restart(signal.SIGKILL)
        wait_for(self.all_joined, lambda: f"not all are back: {self.nodes()}")
        assert sorted(n["node_id"] for n in self.nodes()) == before
        assert all(n["records_stored"] for n in self.nodes())
        assert not self.found()

    def step_shrink(self):
        """Two instead of three: the third hands over and leaves; its certificate goes."""
        path = os.path.join(self.big["data"], "certificate-2.pem")
        assert os.path.exists(path)
        edit(self.world, "d1", "server.conf", f"node-ids = {NODES}", "node-ids = 2")
        self.restart()
        wait_for(lambda: not os.path.exists(path), "the third Node-ID has not left")
        assert not self.found()
        assert self.ctl("D", "show", "status")["node_ids"] == 2

    def step_leave(self):
        """All leave, one after the other, and nothing is lost."""
        self.ctl("D", "leave")
        assert self.world.wait_end("d1", SECONDS)
        wait_for(lambda: not self.found(), lambda: f"lost: {self.found()}")
        assert abs(sum(float(self.ctl(c, "show", "ring")["share_owned"]) for c in "ABC") - 1) < 0.01


def main():
    """TAP."""
    names = ("step_publish", "step_not_allowed", "step_grow", "step_stores", "step_kill", "step_shrink", "step_leave")
    return run(Steps, "nodes", names, lambda world: world.up(4, 1), network=48)


if __name__ == "__main__":
    sys.exit(main())
