#!/usr/bin/env python3
"""Two companies in network namespaces: A's edge is inline, B's off-path. Calls go direct each way, with audio; nobody inside reaches the far side but through both
edges, and nobody outside the inside. Once more with an Internet that can be bad. Skipped where the machine allows no namespaces.

    test_edge_namespaces.py [--directory DIR]
"""
import os
import subprocess
import sys

from steps import run, wait_for
from offices import ENROLLED, Offices  # in the folder that steps has found
from spaces import NETWORK, entering, refused
from talk import Talk
from world import World, free_network

CALL_SECONDS = 1.2
VALIDATOR = {"minimum-call": "1s"}
RING = {"number-hash": "argon2id", "argon2-memory": "1M", "argon2-passes": "1"}
TONES = (1300, 800)  # of who is called, of who calls
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()"


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.offices = Offices(world, impaired=world.impaired)
        self.a, self.b = self.offices.offices

    def connects(self, space, point):
        """Whether something in a namespace gets a TCP connection to HOST:PORT."""
        words = [*entering(self.world.processes, space), sys.executable, "-c", CONNECT, *point.rsplit(":", 1)]
        return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 0

    def call(self, office, other, number, way):
        """A phone of one company calls a number of the other: the way it went, and each hears the other."""
        heard = office.call(office.numbers[7], office.dials(number), CALL_SECONDS)
        assert heard.good, heard.events

        def ended():
            calls = office.ctl("agent", "calls", number, "--limit", "1")["calls"]
            return calls and calls[0]["ended_by"] != "in progress" and calls[0]
        wait_for(ended, f"{office.name} knows of no call with {number} that has ended")
        assert ended()["to"] == way, office.ctl("agent", "explain", number, "--limit", "1")["explanation"]
        assert (heard.last["heard_hz"], other.heard(number, heard.last)["heard_hz"]) == TONES, heard.last

    def learn(self, office, other):
        """Three calls over the phone network."""
        numbers = other.numbers[2:5]
        heard = office.call_all(office.numbers[7], [office.dials(number) for number in numbers], CALL_SECONDS)
        assert all(call.good for call in heard), [call.events for call in heard]
        wait_for(lambda: set(numbers) <= {route["number"] for route in office.ctl("agent", "route", "list")["routes"]}, f"{office.name} learns no routes")
        return numbers[0]

    def step_start(self):
        """Servers and carriers are reached from the inside."""
        self.offices.start()
        for office in self.offices.offices:
            wait_for(lambda o=office: o.ctl("agent", "publish", "report")["published"] == ENROLLED, f"{office.name} does not publish its numbers")

    def step_walls(self):
        """Who reaches whom, and who does not."""
        a, b = self.a, self.b
        allowed = [("net-inside-a", a.edge.inside), ("net-inside-b", b.edge.inside), ("net-inside-a", a.server()["vap"]), ("net-edge-a", b.edge.outside),
                   ("net-edge-b", a.edge.outside), ("net-internet", b.edge.outside), ("net-edge-b", b.point(101, 5061))]
        forbidden = [("net-inside-a", b.edge.outside), ("net-inside-b", a.edge.outside), ("net-inside-a", a.edge.outside), ("net-inside-a", b.server()["vap"]),
                     ("net-inside-a", b.point(101, 5061)), ("net-inside-b", a.point(101, 5061)), ("net-edge-b", a.point(101, 5061)),
                     ("net-edge-a", b.point(101, 5061)), ("net-internet", b.edge.inside)]
        for space, point in allowed:
            assert self.connects(space, point), f"{space} does not reach {point}"
        for space, point in forbidden:
            assert not self.connects(space, point), f"{space} reaches {point}"

    def step_basic(self):
        """A's calls go through its edge, which is in the way."""
        number = self.learn(self.a, self.b)
        carried = len(self.offices.ended())
        self.call(self.a, self.b, number, "IME")
        assert len(self.offices.carried()) == carried
        assert self.a.edge.ctl("edge", "show", "mappings")["mappings"] == []

    def step_off_path(self):
        """B's calls go to an address of its edge that stands for A's."""
        number = self.learn(self.b, self.a)
        self.call(self.b, self.a, number, "IME")
        mappings = self.b.edge.ctl("edge", "show", "mappings")["mappings"]
        assert [(m["far"], m["calls"]) for m in mappings] == [(self.a.edge.outside, 1)], mappings

    def step_down(self):
        """Nothing is left: neither a process, nor with these a namespace, and the machine's own network never had anything of it."""
        own = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, timeout=20, check=True).stdout
        assert f" {NETWORK}.1.110/" not in own, own
        pids = [entry["pid"] for entry in self.world.processes.values()]
        held = {os.readlink(f"/proc/{self.world.processes[name]['pid']}/ns/net") for name in self.world.processes if name.startswith("net-")}
        assert len(held) == 7, held
        self.world.down()
        assert not any(self.world.alive(name) for name in self.world.processes), pids

        def namespaces():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    yield os.readlink(f"/proc/{pid}/ns/net")
                except OSError:
                    pass
        wait_for(lambda: not held & set(namespaces()), "something lives on in a namespace")

    def step_bad_internet(self):
        """What edges say to each other passes an Internet that can be bad, inline and off-path."""
        world = make(self.world.directory, self.world.build, impaired=True)
        try:
            up(world)
            Steps(world).losses()
        finally:
            world.down()

    def losses(self):
        """Of a call that goes on through them."""
        self.step_start()
        number = self.learn(self.b, self.a)
        internet, before = self.offices.internet, len(self.offices.ended())
        talk = Talk(self.b.call_argv(self.b.numbers[7], self.b.dials(number), None))
        try:
            talk.wait("answered")
            internet.set("loss=30%")
            wait_for(lambda: all(internet.ways()[way]["lost"] > 0 for way in (("a", "b"), ("b", "a"))), lambda: f"nothing is lost: {internet.ways()}")
            internet.clear()
            last = talk.hang_up()
        finally:
            talk.stop()
        assert last["in_order"] and last["heard_hz"], last
        assert len(self.offices.carried()) == before


def make(folder, build, impaired=False):
    """The world of these steps; what the deployments are is said per company."""
    return World(folder, build, NETWORK, deployments=["basic", "off-path"], impaired=impaired)


def up(world):
    """A server each, where a world with other addresses has left its files."""
    before = World(world.directory, world.build, free_network(9))
    before.up(1, 1, ring=RING)
    before.down()
    world.up(2, 1, ring=RING, validator=VALIDATOR)


def main():
    """TAP."""
    why = refused()
    if why:
        print(f"1..0 # SKIP {why}")
        return 0
    names = ("step_start", "step_walls", "step_basic", "step_off_path", "step_down", "step_bad_internet")
    return run(Steps, "edge_namespaces", names, up, make=make)


if __name__ == "__main__":
    sys.exit(main())
