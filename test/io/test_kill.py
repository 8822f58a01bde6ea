#!/usr/bin/env python3
"""Kills the processes of a world at random moments, a hundred times and more, while call agents upload, publish and enroll, and while
servers validate. Whatever was acknowledged must still be there at the end.

    test_kill.py [--kills N] [--seed S] [--directory DIR]
"""
import argparse
import hashlib
import http.client
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network, open_database  # noqa: E402

VSERVICE = {1: 0xA1, 2: 0xB2}
SETTLE_SECONDS = 120
CALL_SECONDS = 40
KV_RELOAD_DATA = 10


class Agents:
    """What runs besides the killer. Every list holds acknowledged things only."""

    def __init__(self, world, seed):
        self.world = world
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.vcrs = {1: set(), 2: set()}
        self.numbers = set()
        self.serials = set()
        self.routes = set()
        self.failures = []
        self.calls = 0

    def company(self, index):
        """Its part of world.json."""
        return self.world.description["companies"][index - 1]

    def connect(self, index):
        """A registered connection with the company's VService published."""
        company = self.company(index)
        server = company["servers"][0]
        agent = Vap(server["vap"], company["vap"]["user"], company["vap"]["password"], self.world.description["ca"], timeout=10)
        agent.register()
        host = server["pvp"].rsplit(":", 1)[0]
        agent.publish_vservice(VSERVICE[index], company["domain"], [f"sip:a@{company['domain']}:5061;maddr={host};transport=tcp"])
        return agent

    def session(self, index, work):
        """Calls work(agent) again and again; reconnects when the server was killed."""
        agent = None
        while not self.stop.is_set():
            try:
                agent = agent or self.connect(index)
                work(agent)
            except (Closed, OSError, ssl.SSLError, AssertionError) as error:
                if isinstance(error, AssertionError):
                    self.failures.append(f"company {index}: {error}")
                agent = None
                self.stop.wait(0.05)  # the server is being started again
            except VapError as error:
                if error.code not in (474, 481, 500, 503):
                    self.failures.append(f"company {index}: {error}")
                self.stop.wait(0.05)
        if agent:
            agent.close()

    def next_call(self):
        """A call from A to B, of which each side knows its own times."""
        with self.lock:
            self.calls += 1
            n = self.calls
            called = self.random.choice(self.company(2)["numbers"])
            shift = self.random.uniform(-1.4, 1.4)
        start = time.time() - 3600 - 61 * n
        return "+49300199999", called, start, shift

    def upload(self, agent, index, calls):
        """Uploads one side's records of some calls, pipelined; notes what was acknowledged."""
        sent = []
        for calling, called, start, shift in calls:
            begin = round(start + (shift if index == 2 else 0), 3)
            sent.append((agent.vcr(VSERVICE[index], index == 1, calling, called, begin, begin + CALL_SECONDS), called, begin))
        for transaction, called, begin in sent:
            agent.wait(transaction)
            with self.lock:
                self.vcrs[index].add((called, int(begin)))

    def uploader(self):
        """Both sides of the same calls: B's first, so that A's proofs find them."""
        agents = {}
        while not self.stop.is_set():
            calls = [self.next_call() for _ in range(5)]
            for index in (2, 1):
                try:
                    agents[index] = agents.get(index) or self.connect(index)
                    self.upload(agents[index], index, calls)
                except (Closed, OSError, ssl.SSLError):
                    agents.pop(index, None)
                    self.stop.wait(0.05)
                except VapError as error:
                    if error.code not in (474, 481, 500, 503):
                        self.failures.append(f"upload {index}: {error}")
            self.stop.wait(0.05)

    def publisher(self):
        """Publishes B's numbers one after the other."""
        numbers = list(self.company(2)["numbers"])

        def work(agent):
            agent.publish_number(VSERVICE[2], numbers[0])
            with self.lock:
                self.numbers.add(numbers[0])
            numbers.append(numbers.pop(0))

        self.session(2, work)

    def enroller(self):
        """Enrolls made-up servers; keeps the serials of certificates that arrived."""
        n = 0
        while not self.stop.is_set():
            n += 1
            try:
                serial = self.enroll(f"extra{n}.example")
                with self.lock:
                    self.serials.add(serial)
            except (OSError, http.client.HTTPException, WorldError, subprocess.TimeoutExpired):
                self.stop.wait(0.05)

    def enroll(self, server_id):
        """One enrollment over HTTPS, as RFC 6940 11.3 has it. The serial of the certificate."""
        directory = self.world.directory
        token = self.world.ctl(os.path.join(directory, "enroll", "control"), "enroll", "token", "add", "--server-id", server_id,
                               timeout=5)["token"]
        key = os.path.join(directory, "extra.key")
        csr = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                              "-subj", "/CN=x", "-outform", "DER"], capture_output=True, timeout=20, check=True).stdout
        boundary = b"test-boundary"
        fields = {"username": server_id.encode(), "password": token.encode(), "nodeids": b"1", "csr": csr}
        body = b"".join(b"--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (boundary, k.encode(), v)
                        for k, v in fields.items()) + b"--%s--\r\n" % boundary
        host, port = self.world.enroll_address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        for _ in range(3):
            connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
            connection.request("POST", "/enroll", body, {"Content-Type": "multipart/form-data; boundary=" + boundary.decode()})
            answer = connection.getresponse()
            der = answer.read()
            connection.close()
            if answer.status == 200:
                break
        if answer.status != 200:
            raise OSError(f"enrollment: {answer.status} {der[:80]}")
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=der, capture_output=True, timeout=20,
                              check=True).stdout.decode()
        return text.strip().split("=")[1].lower().lstrip("0")

    def watcher(self):
        """Notes the routes that A's server has shown: they may not vanish."""
        control = self.company(1)["servers"][0]["control"]
        while not self.stop.is_set():
            try:
                routes = self.world.ctl(control, "show", "routes", timeout=5)["routes"]
                with self.lock:
                    self.routes |= {(r["number"], r["domain"]) for r in routes}
            except (WorldError, subprocess.TimeoutExpired):
                pass
            self.stop.wait(0.2)


class Killer:
    """Kills and restarts."""

    def __init__(self, world, seed):
        self.world = world
        self.random = random.Random(seed)
        self.kills = {"enroll": 0, "a1": 0, "b1": 0}

    def restart(self, name):
        """Starts a process again and waits until it works."""
        if name == "enroll":
            self.world.start_enroll()
        else:
            index = 1 if name == "a1" else 2
            self.world.start_server(index, 1)
            self.world.wait_server(index, 1)

    def run(self, kills, deadline):
        """So many kills, at moments drawn at random: while starting, joining, working."""
        for _ in range(kills):
            name = self.random.choice(["a1", "a1", "b1", "b1", "enroll"])
            time.sleep(self.random.uniform(0, 0.5))
            self.world.signal(name, signal.SIGKILL)
            if not self.world.wait_end(name):
                raise WorldError(f"{name} does not die")
            self.kills[name] += 1
            if self.random.random() < 0.2:  # again, in the middle of its start
                if name == "enroll":
                    home = os.path.join(self.world.directory, "enroll")
                    self.world.start(name, self.world.processes[name]["argv"], os.path.join(home, "log"))
                else:
                    self.world.start_server(1 if name == "a1" else 2, 1)
                time.sleep(self.random.uniform(0, 0.15))
                self.world.signal(name, signal.SIGKILL)
                self.world.wait_end(name)
                self.kills[name] += 1
            self.restart(name)
            if time.monotonic() > deadline:
                raise WorldError("out of time")


def wait_for(condition, what):
    """Asks until it holds."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            if condition():
                return
        except (WorldError, subprocess.TimeoutExpired):
            pass
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(0.1)


def resource_ids(number):
    """The three places of a number, in hexadecimal: the low 128 bits of SHA-1 (draft-jennings-vipr-vap-02 section 9.4.2)."""
    return [hashlib.sha1((prefix + number).encode()).digest()[4:].hex() for prefix in ("", "COPY1", "COPY2")]


def stored_resources(world):
    """Resource-IDs of all values in all databases."""
    found = set()
    for company in world.description["companies"]:
        for server in company["servers"]:
            with open_database(server["data"]) as database:
                for (key,) in database.execute("select key from kv where tbl = ?", (KV_RELOAD_DATA,)):
                    found.add(bytes(key).hex())
    return found


def check(world, agents):
    """Everything acknowledged is there."""
    a, b = (world.description["companies"][i]["servers"][0] for i in (0, 1))
    for index, server in ((1, a), (2, b)):
        shown = world.ctl(server["control"], "show", "vcrs", "--limit", "100000", timeout=30)["vcrs"]
        own = "originating" if index == 1 else "terminating"
        have = {(v["called"], int(time.mktime(time.strptime(v["start_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone)) for v in shown
                if v["direction"] == own}
        missing = agents.vcrs[index] - have
        assert not missing, f"{len(missing)} of {len(agents.vcrs[index])} acknowledged records of company {index} are gone: {sorted(missing)[:3]}"
    wait_for(lambda: {n["number"] for n in world.ctl(b["control"], "show", "numbers")["numbers"] if n["copies"] == 3} >= agents.numbers,
             "every acknowledged number has three copies")
    keys = stored_resources(world)
    for number in agents.numbers:
        for resource in resource_ids(number):
            assert any(resource in key for key in keys), f"{number}: {resource} lies nowhere"
    routes = {(r["number"], r["domain"]) for r in world.ctl(a["control"], "show", "routes")["routes"]}
    assert agents.routes <= routes, f"routes are gone: {agents.routes - routes}"
    listed = world.ctl(os.path.join(world.directory, "enroll", "control"), "enroll", "certificate", "list", timeout=30)["certificates"]
    serials = {c["serial"].lower().lstrip("0") for c in listed}
    assert agents.serials <= serials, f"{len(agents.serials - serials)} issued certificates are gone"


def look_for_secrets(world):
    """No log may hold a VAP password or a token."""
    secrets = [c["vap"]["password"] for c in world.description["companies"]]
    for entry in world.processes.values():
        with open(entry["log"], errors="replace") as log:
            text = log.read()
        assert not any(s in text for s in secrets), f"a password is in {entry['log']}"
        assert not re.search(r"Sanitizer|runtime error|Assertion", text), f"a sanitizer or an assertion spoke in {entry['log']}"


def main():
    """0 when everything survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "kill"))
    parser.add_argument("--seconds", type=int, default=1200)
    args = parser.parse_args()
    print(f"# seed {args.seed}", flush=True)
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(31))
    try:
        world.up(2, 1)
        agents = Agents(world, args.seed)
        killer = Killer(world, args.seed)
        threads = [threading.Thread(target=t, daemon=True) for t in (agents.uploader, agents.publisher, agents.enroller, agents.watcher)]
        for t in threads:
            t.start()
        killer.run(args.kills, time.monotonic() + args.seconds)
        wait_for(lambda: agents.numbers and agents.vcrs[1] and agents.vcrs[2] and agents.serials and agents.routes,
                 "everything being acknowledged at least once")
        agents.stop.set()
        for t in threads:
            t.join(60)
        assert not agents.failures, agents.failures[:3]
        check(world, agents)
        look_for_secrets(world)
        print(f"# {sum(killer.kills.values())} kills {killer.kills}; acknowledged and still there: {len(agents.vcrs[1])} + "
              f"{len(agents.vcrs[2])} records, {len(agents.numbers)} numbers, {len(agents.routes)} routes, {len(agents.serials)} certificates")
    except (AssertionError, WorldError) as error:
        print(f"not ok 1 - kill -9\n# {error}\n# seed {args.seed}; logs in {args.directory}\n1..1")
        return 1
    finally:
        world.down()
    print("ok 1 - kill -9\n1..1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
