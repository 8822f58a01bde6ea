"""Network namespaces for a world: an inside network for each company, its edge, its border, and an Internet between them.

The Internet ("net-internet") has the enrollment server, the IME servers and the carriers, and routes between companies. Company a has

    net-inside-a   agent, PBX, phones
    net-border-a   its firewall: the inside reaches its own IME servers and the carriers, and they reach it. Off-path also the edge, and the Internet
                   reaches the edge's outside address
    net-edge-a     its edge. Inline (basic) with one foot inside and one on the Internet, and it forwards nothing; off-path behind the border only

so that direct calls have no way but through both edges. If the Internet can be bad (internet.py), it is itself at the address where others believe an edge to
be, and the edge is at the address behind it. The rules of a border are tables of routes by the interface that a packet comes from: what is not
in one is unreachable, at once.

A namespace is that of a process of the world which does nothing else, and ends with the last process that is in it, with all of its interfaces. The machine's own
network gets neither interface nor name nor route. Who is not root has them inside a user namespace.
"""
import os
import re
import shutil
import subprocess
import time

NETWORK = "10.1"  # in place of 127.1
HOLDER = ["sleep", "infinity"]
SECONDS = 60
INSIDE_HOSTS = (101, 102, 103, 104)  # agent, PBX, phones, phones that call
EDGE_INSIDE, EDGE_OUTSIDE, EDGE_BEHIND = (110, 111), 120, 119  # the last with an Internet that can be bad
GATEWAY, WAN = 97, 121  # of a border: towards its company, towards the Internet
CARRIER_HOSTS = (101, 102)
ENROLL, INTERNET = 1, 254  # of 0, the network that is no company's
FROM_INSIDE, FROM_EDGE, FROM_OWN, FROM_OTHERS = 10, 11, 12, 13  # tables of a border


class SpaceError(Exception):
    """What this machine does not allow."""


def run(words, text=None):
    """A command, with its standard input."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise SpaceError(f"{' '.join(words[:1])}: {(done.stderr.strip() or 'failed').splitlines()[0]}")
    return done.stdout


def refused():
    """Why this machine does not allow what is done here; None if it does."""
    missing = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}
    for word, package in missing.items():
        if not shutil.which(word):
            return f"no network namespaces here: {word} is missing: apt-get install {package}"
    script = ("ip link add name a type veth peer name b && ip link set dev a up && ip rule add iif a lookup 9 && "
              "ip route add unreachable default table 9 && echo 1 > /proc/sys/net/ipv4/ip_forward")
    try:
        run([*unshare(), "unshare", "--net", "sh", "-c", script])
    except (SpaceError, OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces here: {error}"
    return None


def unshare():
    """What comes before a command that makes the first namespace."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]


def space_of(name):
    """The namespace in which a process of the world runs."""
    found = re.fullmatch(r"(agent|pbx|phones|edge)-([a-z]+)", name)
    if not found:
        return "net-internet"
    return f"net-edge-{found[2]}" if found[1] == "edge" else f"net-inside-{found[2]}"


def entering(processes, space):
    """What comes before a command that is to run in a namespace; nothing if the world has none."""
    if space not in processes:
        return []
    pid = processes[space]["pid"]
    user = [] if os.geteuid() == 0 else ["--preserve-credentials", f"--user=/proc/{pid}/ns/user"]
    return ["nsenter", *user, f"--net=/proc/{pid}/ns/net"]


class Spaces:
    """Makes those of a world, with its deployments: one of edges.DEPLOYMENTS for each company."""

    def __init__(self, world, deployments, impaired=False):
        """impaired: the Internet can be bad."""
        self.world, self.deployments, self.impaired = world, deployments, impaired
        self.batches = {}  # of ip, by namespace

    def address(self, company, host):
        """In the form that ip wants."""
        return f"{self.world.network}.{company}.{host}"

    def ip(self, space, *lines):
        """To be done in a namespace, in this order."""
        self.batches.setdefault(space, ["link set dev lo up"]).extend(lines)

    def hold(self, space):
        """Makes a namespace."""
        first = next((name for name in self.world.processes if name.startswith("net-")), None)
        user = unshare() if first is None else entering(self.world.processes, first)
        self.world.start_holder(space, [*user, "unshare", "--net"], HOLDER)
        pid, deadline = self.world.processes[space]["pid"], time.monotonic() + SECONDS
        while not self.is_held(pid):
            if not self.world.alive(space) or time.monotonic() > deadline:
                raise SpaceError(f"{space}: no namespace: {self.world.log_tail(space).strip()}")
            time.sleep(0.005)

    @staticmethod
    def is_held(pid):
        """The process has got that far."""
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")[0] == HOLDER[0].encode()

    def link(self, space, name, peer_space, peer):
        """An interface in each of two namespaces."""
        pid = self.world.processes[peer_space]["pid"]
        self.ip(space, f"link add name {name} type veth peer name {peer} netns {pid}", f"link set dev {name} up")
        self.ip(peer_space, f"link set dev {peer} up")

    def make(self, servers):
        """All of them; servers: how many each company has."""
        companies = [(index, self.world.letter(index), deployment) for index, deployment in enumerate(self.deployments, 1)]
        for space in ["net-internet", *(f"net-{kind}-{letter}" for _, letter, _ in companies for kind in ("border", "edge", "inside"))]:
            self.hold(space)
        outside = [(0, ENROLL), (0, INTERNET), *((0, host) for host in CARRIER_HOSTS)]
        outside += [(index, server) for index, _, _ in companies for server in range(1, servers + 1)]
        if self.impaired:
            outside += [(index, EDGE_OUTSIDE) for index, _, _ in companies]
        self.ip("net-internet", *(f"addr add {self.address(*place)}/32 dev lo" for place in outside))
        for index, letter, deployment in companies:
            self.company(index, letter, deployment == "basic", [self.address(index, s) for s in range(1, servers + 1)])
        order = [space for kind in ("internet", "border", "edge", "inside") for space in self.batches if space.startswith("net-" + kind)]
        for space in order:  # who makes a link comes before who only has it
            run([*entering(self.world.processes, space), "ip", "-batch", "-"], "\n".join(self.batches[space]) + "\n")
        for space in order:
            if space.startswith(("net-internet", "net-border")):
                run([*entering(self.world.processes, space), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])

    def company(self, index, letter, is_basic, servers):
        """One of them."""
        inside, border, edge = (f"net-{kind}-{letter}" for kind in ("inside", "border", "edge"))
        internet, gateway, wan = self.address(0, INTERNET), self.address(index, GATEWAY), self.address(index, WAN)
        hosts = [self.address(index, host) for host in INSIDE_HOSTS]
        edge_inside, edge_outside = [self.address(index, host) for host in EDGE_INSIDE], self.address(index, EDGE_BEHIND if self.impaired else EDGE_OUTSIDE)
        carriers = [self.address(0, host) for host in CARRIER_HOSTS]

        self.link("net-internet", f"border-{letter}", border, "wan")
        self.link(border, "inside", inside, "border")
        if is_basic:
            self.link("net-internet", f"edge-{letter}", edge, "wan")
            self.link(edge, "inside", inside, "edge")
        else:
            self.link(border, "edge", edge, "border")

        self.ip(inside, *(f"addr add {host}/32 dev lo" for host in hosts), f"route add {gateway} dev border src {hosts[0]}",
                f"route add default via {gateway} dev border src {hosts[0]}")
        self.ip(edge, *(f"addr add {host}/32 dev lo" for host in (*edge_inside, edge_outside)))
        self.ip(border, f"addr add {gateway}/32 dev lo", f"addr add {wan}/32 dev lo", f"route add {internet} dev wan src {wan}",
                f"route add default via {internet} dev wan src {wan}", *(f"route add {host} dev inside src {gateway}" for host in hosts))
        self.ip("net-internet", f"route add {wan} dev border-{letter} src {internet}",
                *(f"route add {host} via {wan} dev border-{letter}" for host in hosts))
        if is_basic:
            self.ip(inside, *(f"route add {host} dev edge src {hosts[0]}" for host in edge_inside))
            self.ip(edge, *(f"route add {host} dev inside src {edge_inside[0]}" for host in hosts), f"route add {internet} dev wan src {edge_outside}",
                    f"route add default via {internet} dev wan src {edge_outside}")
            self.ip("net-internet", f"route add {edge_outside} dev edge-{letter} src {internet}")
        else:
            self.ip(edge, f"route add {gateway} dev border src {edge_inside[0]}", *(f"route add {host} via {gateway} src {edge_inside[0]}" for host in hosts),
                    f"route add default via {gateway} src {edge_outside}")
            self.ip(border, *(f"route add {host} dev edge src {gateway}" for host in (*edge_inside, edge_outside)))
            self.ip("net-internet", f"route add {edge_outside} via {wan} dev border-{letter}")
        self.rules(border, is_basic, {
            "inside": hosts,
            "outside": [*servers, *carriers],
            "edge inside": edge_inside,
            "edge outside": edge_outside,
            "internet": internet,
        })

    def rules(self, border, is_basic, who):
        """What a border lets through."""
        tables = {
            FROM_INSIDE: [f"{host} via {who['internet']} dev wan" for host in who["outside"]],
            FROM_OWN: [f"{host} dev inside" for host in who["inside"]],
            FROM_OTHERS: [],
        }
        rules = [f"rule add priority {100 + n} iif wan from {host} lookup {FROM_OWN}" for n, host in enumerate(who["outside"])]
        rules += [f"rule add priority 300 iif wan lookup {FROM_OTHERS}", f"rule add priority 301 iif inside lookup {FROM_INSIDE}"]
        if not is_basic:
            tables[FROM_INSIDE] += [f"{host} dev edge" for host in who["edge inside"]]
            tables[FROM_EDGE] = [f"{host} dev inside" for host in who["inside"]] + [f"default via {who['internet']} dev wan"]
            for table in (FROM_OWN, FROM_OTHERS):
                tables[table].append(f"{who['edge outside']} dev edge")
            rules.append(f"rule add priority 302 iif edge lookup {FROM_EDGE}")
        for table, routes in tables.items():
            closed = [] if table == FROM_EDGE else [f"route add unreachable default table {table}"]
            self.ip(border, *(f"route add {route} table {table}" for route in routes), *closed)
        self.ip(border, *rules)
