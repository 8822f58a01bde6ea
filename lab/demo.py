#!/usr/bin/env python3
"""The demo: three companies, an enrollment server and six IME servers; two of them learn a direct route from their phone calls, and call directly.

Every step is done by the programs that a user runs, over real TLS, and checked: the demo exits 0 only if all of it happened.
"""
import argparse
import base64
import csv
import datetime
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

from capture import TCP, UDP, Capture, bring_up_loopback, permitted
from offices import CARRIERS, ENROLLED, SIP, Offices
from processes import write_private
from world import SHORT_CALLS, World, WorldError, free_network, open_database, program

STEP_SECONDS = 30
CALL_SECONDS = 47
PUBLISHED = 20
# Numbers are few enough to try them all: a hash that costs 16 MiB per try, instead of the default, makes that slow.
RING = {"number-hash": "argon2id", "argon2-memory": "16M", "argon2-passes": "2"}
CALLER = "+49300100007"
TALK_SECONDS = 2
CALLER_HZ, CALLED_HZ = 800, 1300  # the tones of the phones
ALONE = "IME_DEMO_ALONE"  # set: it has entered a network namespace of its own
# Where each of the three calls begins, in seconds before now, at A; and by how much B's clock and the phone network shift start and stop.
CALLS = [(900.2, 1.0, 1.5), (700.4, -1.2, -0.3), (500.1, 1.4, 0.6)]


class Failure(Exception):
    """A step that did not happen."""


class Narrator:
    """Prints steps as they happen."""

    def __init__(self):
        self.began = time.monotonic()
        self.color = sys.stdout.isatty()

    def paint(self, code, text):
        """Colors on a terminal only."""
        return f"\033[{code}m{text}\033[0m" if self.color else text

    def step(self, number, title):
        """A heading."""
        print(f"\n{self.paint('1', f'{number}. {title}')}", flush=True)

    def say(self, text):
        """One thing that happened."""
        stamp = f"{time.monotonic() - self.began:6.1f} s"
        for line in text.splitlines():
            print(f"{self.paint('2', stamp)}  {line}", flush=True)
            stamp = " " * len(stamp)

    def check(self, good, text):
        """One thing that must have happened."""
        if not good:
            raise Failure(text)
        self.say(f"{self.paint('32', 'ok')}  {text}")


class Company:
    """One company's call agent: ime-vcr with its credentials."""

    def __init__(self, world, index, vservice, directory):
        self.world = world
        self.description = world.description["companies"][index - 1]
        self.name = self.description["name"]
        self.domain = self.description["domain"]
        self.numbers = self.description["numbers"]
        self.vservice = vservice
        self.server = self.description["servers"][0]
        self.directory = os.path.join(directory, self.name.lower())
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.password_file = os.path.join(self.directory, "vap-password")
        write_private(self.password_file, self.description["vap"]["password"] + "\n")
        self.background = []

    def path(self, name):
        """A file of this company."""
        return os.path.join(self.directory, name)

    def argv(self, command, *arguments):
        """The command line of ime-vcr."""
        return [
            program("ime-vcr", self.world.build), command, "--server", self.server["vap"], "--user", self.description["vap"]["user"],
            "--password-file", self.password_file, "--ca", self.world.description["ca"], "--vservice", self.vservice, *arguments
        ]

    def service(self):
        """What the VService says of itself."""
        host = self.server["pvp"].rsplit(":", 1)[0]
        return [
            "--domain", self.domain, "--route",
            f"sip:agent-{self.name.lower()}@{self.domain}:5061;maddr={host};transport=tcp"
        ]

    def run(self, command, *arguments, seconds=STEP_SECONDS):
        """Runs ime-vcr to its end; its standard output."""
        done = subprocess.run(self.argv(command, *arguments), capture_output=True, text=True, timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure(f"ime-vcr {command} of company {self.name}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout + done.stderr

    def spawn(self, command, *arguments):
        """Leaves ime-vcr running; its standard output is the caller's."""
        argv = self.argv(command, *arguments)
        with open(self.path(command + ".log"), "ab") as log:
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, stdin=subprocess.DEVNULL,
                                     start_new_session=True)
        self.background.append(child)
        self.world.adopt(f"{self.name.lower()}-{command}", child, argv, self.path(command + ".log"))
        self.world.save()
        return child

    def ctl(self, *words, **options):
        """Asks this company's server."""
        return self.world.ctl(self.server["control"], *words, **options)

    def stop(self):
        """Ends what was left running."""
        for child in self.background:
            child.terminate()
        for child in self.background:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def national(number):
    """+4930… as a German PBX writes it."""
    return "0" + number[3:]


def master_csv(calls, called_is_ours):
    """Call records as Asterisk's cdr_csv writes them: 18 columns, whole seconds, UTC."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")

    def stamp(seconds):
        return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")

    for i, (caller, called, start, stop) in enumerate(calls):
        channel, far = ("SIP/trunk-%08x" % i, "SIP/desk-%08x" % i) if called_is_ours else ("SIP/desk-%08x" % i, "SIP/trunk-%08x" % i)
        writer.writerow([
            "", national(caller), national(called), "from-trunk" if called_is_ours else "from-internal",
            f'"Desk" <{national(caller)}>', channel, far, "Dial", far.rsplit("-", 1)[0] + "/" + national(called),
            stamp(start - 6), stamp(start), stamp(stop), int(stop) - int(start) + 6, int(stop) - int(start), "ANSWERED", "DOCUMENTATION",
            f"{start - 6:.3f}.{i}", ""
        ])
    return out.getvalue()


class Lines:
    """Collects a child's output lines in a thread."""

    def __init__(self, child):
        self.lines = []
        self.arrived = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def wait(self, count, seconds):
        """At least so many lines, or what came in time."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.lines) >= count or self.ended, seconds)
            return list(self.lines)


def wait_for(condition, what, seconds=STEP_SECONDS):
    """Asks until the condition gives something; control sockets answer questions, they do not call back."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


class Demo:
    """The steps, in order."""

    def __init__(self, world, narrator):
        self.world = world
        self.tell = narrator
        self.companies = []
        self.called = []
        self.offices = None

    def step_world(self):
        """Enrollment and ring."""
        self.tell.step(1, "Six servers of three companies enroll and form a ring")
        self.world.up(3, 2, ring=RING, validator=SHORT_CALLS, tell=self.tell.say)
        directory = os.path.join(self.world.directory, "agents")
        os.makedirs(directory, mode=0o700)
        self.companies = [Company(self.world, i, f"{0xa0 + i:016x}", directory) for i in (1, 2, 3)]
        servers = [s for c in self.world.description["companies"] for s in c["servers"]]

        def everybody_knows():
            rings = [self.world.ctl(s["control"], "show", "ring") for s in servers]
            return all(len({p for p in r["predecessors"] + r["successors"]}) >= len(servers) - 1 for r in rings)

        wait_for(everybody_knows, "every server knowing its neighbors")
        self.tell.check(len({s["node_id"] for s in servers}) == 6, "six members, each with a Node-ID and a certificate of the ring's authority")

    def step_publish(self):
        """Company B publishes."""
        b = self.companies[1]
        self.tell.step(2, f"Company B publishes {PUBLISHED} numbers: hashed by Argon2id, sealed, three copies of each")
        numbers = b.path("numbers")
        write_private(numbers, "\n".join(b.numbers[:PUBLISHED]) + "\n")
        b.spawn("publish", "--numbers", numbers, "--stay", *b.service())

        def published():
            shown = b.ctl("show", "numbers")["numbers"]
            return [n for n in shown if n["copies"] == 3] if len(shown) == PUBLISHED else None

        stored = wait_for(lambda: (lambda s: s if s and len(s) == PUBLISHED else None)(published()), "publishing")
        copies = [r for n in stored for r in n["resources"] if r["stored"]]
        self.tell.check(len(copies) == 3 * PUBLISHED, f"{len(copies)} copies stored, at {len({r['resource_id'] for r in copies})} places of the ring")
        self.show_owners(copies)

    def owned_by(self, resource):
        """The server whose range holds a Resource-ID."""
        place = int(resource, 16)
        for company in self.world.description["companies"]:
            for server in company["servers"]:
                ring = server.get("_ring") or self.world.ctl(server["control"], "show", "ring")
                server["_ring"] = ring
                low, high = int(ring["owned_from"], 16), int(ring["owned_to"], 16)
                if (low < place <= high) if low < high else (place > low or place <= high):
                    return server
        return None

    def show_owners(self, copies):
        """Who stores them, and that the storing servers cannot read them."""
        count = {}
        for copy in copies:
            server = self.owned_by(copy["resource_id"])
            if server is None:
                raise Failure(f"nobody owns {copy['resource_id']}")
            count[server["node_id"]] = count.get(server["node_id"], 0) + 1
        self.tell.say("on the peers that own them: " + ", ".join(f"{node[:8]}… {n}" for node, n in sorted(count.items())))
        readable = 0
        rows = 0
        for company in self.world.description["companies"]:
            for server in company["servers"]:
                server.pop("_ring", None)
                if company["name"] == "B":
                    continue
                with open_database(server["data"]) as database:
                    for key, value in database.execute("select key, value from kv where tbl in (10, 11)"):
                        rows += 1
                        blob = bytes(key) + bytes(value)
                        readable += any(n[1:].encode() in blob for n in self.companies[1].numbers)
        self.tell.check(rows > 0 and readable == 0, f"{rows} rows lie in the databases of A and C, none of them shows a number")

    def make_calls(self):
        """Three calls from A to B as both PBXs recorded them."""
        b = self.companies[1]
        now = time.time()
        self.called = b.numbers[3:6]
        of_a, of_b = [], []
        for called, (ago, start_shift, stop_shift) in zip(self.called, CALLS):
            start = int(now - ago) + (ago % 1)
            stop = start + CALL_SECONDS
            of_a.append((CALLER, called, start, stop))
            of_b.append((CALLER, called, start + start_shift, stop + stop_shift))
        return master_csv(of_a, False), master_csv(of_b, True)

    def step_calls(self):
        """Both sides upload."""
        a, b = self.companies[0], self.companies[1]
        self.tell.step(3, "Both companies upload the records of the same three calls")
        a.spawn("publish", "--numbers", a.numbers[0], "--stay", *a.service())
        wait_for(lambda: a.ctl("show", "clients")["clients"], "company A's call agent registering")
        self.watch = Lines(a.spawn("watch", "--json"))
        wait_for(lambda: any(c["subscriptions"] for c in a.ctl("show", "clients")["clients"]), "company A's subscription")
        csv_a, csv_b = self.make_calls()
        self.claim_falsely()
        for company, text, own in ((b, csv_b, "terminating"), (a, csv_a, "originating")):
            path = company.path("Master.csv")
            write_private(path, text)
            words = company.run("upload", "--format", "asterisk-csv", "--country", "49", "--own",
                                f"{company.numbers[0]}-{company.numbers[-1][-3:]}", "--state", company.path("state"), *company.service(), path)
            self.tell.say("\n".join(f"company {company.name}: {line}" for line in words.strip().splitlines()))
            vcrs = [v for v in company.ctl("show", "vcrs")["vcrs"] if v["direction"] == own]
            self.tell.check(len(vcrs) == 3, f"company {company.name}: 3 {own} records from Master.csv, on disk")
        shift = max(abs(s) for _, start, stop in CALLS for s in (start, stop))
        self.tell.say(f"start and stop differ between the two companies by up to {shift} s")

    def claim_falsely(self):
        """Company C claims one of B's numbers."""
        c = self.companies[2]
        c.spawn("publish", "--numbers", self.called[0], "--stay", *c.service())
        wait_for(lambda: [n for n in c.ctl("show", "numbers")["numbers"] if n["copies"] == 3], "company C's claim")
        self.tell.say(f"company C claims {self.called[0]} in the ring, which is B's")

    def step_validate(self):
        """Proofs, the pool, the routes."""
        a, b = self.companies[0], self.companies[1]
        self.tell.step(4, "A's server finds B's, and both prove that they know the calls")
        told = set()

        def steps():
            for number in self.called:
                for entry in a.ctl("explain", number)["steps"]:
                    key = (number, entry["at"], entry["step"], entry["text"])
                    if entry["step"].isdigit() and key not in told:
                        told.add(key)
                        self.tell.say(f"{number}: {entry['text']}")
            return len(a.ctl("show", "routes")["routes"]) >= 3

        wait_for(steps, "learning the routes")
        steps()
        fills = sorted({int(m.group(1)) for _, _, _, text in told for m in [re.search(r"pool of b\.example: (\d+),", text)] if m})
        self.tell.check(fills == [12, 24, 36], "the pool of b.example filled 12, 24, 36; 24 must be exceeded")
        lines = [json.loads(line) for line in self.watch.wait(3, STEP_SECONDS)]
        self.tell.check(sorted(line["number"] for line in lines) == sorted(self.called), "A's call agent was notified of three routes with tickets")
        granted = b.ctl("show", "counters", "server.tickets_granted")["counters"]
        self.tell.check(granted and granted[0]["value"] >= 3, "B granted three tickets")

    def step_penalty(self):
        """C's claim."""
        a, c = self.companies[0], self.companies[2]
        self.tell.step(5, "Company C's claim was tried and failed")
        node = c.server["node_id"]
        pools = wait_for(lambda: [p for p in a.ctl("show", "pools")["pools"] if p["penalty"] and p["node_id"] == node], "the penalty box")
        self.tell.check(pools[0]["bucket"] == self.called[0], f"{node[:8]}… of company C is in the penalty box for {self.called[0]}")
        routes = a.ctl("show", "routes")["routes"]
        self.tell.check(all(r["domain"] == "b.example" for r in routes), "no route leads to c.example")

    def step_ticket(self):
        """The routes and what a ticket is good for."""
        a, b = self.companies[0], self.companies[1]
        self.tell.step(6, "What was learned")
        routes = sorted(a.ctl("show", "routes")["routes"], key=lambda r: r["number"])
        for r in routes:
            self.tell.say(f"{r['number']}  {r['domain']}  {r['uri']}\n    ticket valid {r['ticket_not_before_at']} to {r['ticket_not_after_at']}")
        route = routes[0]
        decoded = subprocess.run([program("ime-wire", self.world.build), "ticket"], input=base64.b64decode(route["ticket"]).hex() + "\n",
                                 capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
        if decoded.returncode != 0:
            raise Failure(f"ime-wire ticket: {decoded.stderr}")
        self.tell.say("the ticket of " + route["number"] + ":")
        self.tell.say("\n".join("    " + line for line in decoded.stdout.rstrip().splitlines()))

        def verdict(ticket, number, domain):
            return b.ctl("ticket", "verify", ticket, "--number", number, "--domain", domain)

        good = verdict(route["ticket"], route["number"], a.domain)
        self.tell.check(good["good"], "it verifies with B's key for " + a.domain)
        raw = bytearray(base64.b64decode(route["ticket"]))
        raw[-1] ^= 1
        flipped = base64.b64encode(raw).decode()
        for text, wanted, arguments in (
            ("for another domain", "wrong_domain", (route["ticket"], route["number"], "c.example")),
            ("for another number", "wrong_number", (route["ticket"], b.numbers[0], a.domain)),
            ("with one bit flipped", "bad_integrity", (flipped, route["number"], a.domain)),
        ):
            got = verdict(*arguments)
            self.tell.check(not got["good"] and got["verdict"] == wanted, f"{text} it is refused: {got['explanation']}")

    def step_agents(self):
        """Call agents take the place of ime-vcr; phones ring."""
        self.tell.step(7, "A and B put a call agent between their PBX and the phone network, and an edge before the Internet, and call")
        for company in self.companies:
            company.stop()
        self.offices = Offices(self.world, "basic")
        a, b, _ = self.offices.offices
        self.offices.start()
        wait_for(lambda: b.ctl("agent", "publish", "report")["published"] == ENROLLED, "publishing by B's agent")
        wait_for(lambda: all(t["state"] == "up" for o in (a, b) for t in o.ctl("agent", "trunks")["trunks"]), "trunks and PBXs answering")
        self.show_offices((a, b))
        numbers = b.numbers[6:9]
        number = numbers[0]
        self.show_dialing(a, number)
        heard = a.call_all(CALLER, [a.dials(n) for n in numbers], TALK_SECONDS)
        self.tell.check(all(h.good for h in heard) and len(self.offices.carried()) == 3,
                        "three calls from A to B by the phone network, for there is no route to these numbers yet")
        self.show_calls()

        def learned():
            routes = a.ctl("agent", "route", "list")["routes"]
            return routes if set(numbers) <= {r["number"] for r in routes} else None

        route = wait_for(learned, "learning routes from these calls")[0]
        self.tell.check(route["domain"] == b.domain, f"both agents handed in the records; A's was told {route['uri']}")
        with Capture(self.is_of_edges) as capture:
            self.ring(number, "IME", "from agent to edge, from edge to edge over TLS and SRTP, let in by its ticket, to the other agent")
        self.check_secret(capture, number)
        self.show_media(b)
        self.world.signal(b.edge.name, signal.SIGTERM)
        self.tell.check(self.world.wait_end(b.edge.name, STEP_SECONDS), "company B's edge ends: nobody takes direct calls there")
        self.ring(number, "PSTN", "back by the phone network, and the caller hears one call")
        self.tell.say(f"imectl agent explain {number}")
        self.tell.say("\n".join("    " + line for line in a.ctl("agent", "explain", number, "--limit", "1")["explanation"].rstrip().splitlines()))
        self.show_prices()

    def is_of_edges(self, packet):
        """Whether an edge sends it, or gets it."""
        hosts = {point.rsplit(":", 1)[0] for o in self.offices.offices for point in (o.edge.inside, o.edge.outside)}
        return packet.source[0] in hosts or packet.target[0] in hosts

    def check_secret(self, capture, number):
        """What the Internet saw of a call."""
        hosts = {o.edge.outside.rsplit(":", 1)[0] for o in self.offices.offices}
        outside = {protocol: [p for p in capture.of(protocol) if {p.source[0], p.target[0]} <= hosts] for protocol in (TCP, UDP)}
        inside = {p.payload[12:] for p in capture.of(UDP) if not {p.source[0], p.target[0]} <= hosts}
        texts = (b"SIP/2.0", b"sip:", b"INVITE", number[1:].encode(), CALLER[1:].encode())
        readable = [text for text in texts for p in outside[TCP] if text in p.payload]
        seen = any(text in p.payload for text in texts for p in capture.of(TCP) if p not in outside[TCP])
        self.tell.check(outside[TCP] and seen and not readable,
                        f"an eavesdropper between the edges read {len(outside[TCP])} packets of TLS: no SIP, no number; inside it is there")
        same = sum(any(voice in p.payload for voice in inside if len(voice) > 100) for p in outside[UDP])
        self.tell.check(outside[UDP] and inside and not same,
                        f"and {len(outside[UDP])} packets of SRTP: none holds one of the {len(inside)} pieces of voice that passed inside")

    def show_media(self, office):
        """What the edge noted of the call."""
        counters = {c["name"]: c["value"] for c in office.edge.ctl("show", "counters")["counters"]}
        self.tell.check(counters.get("edge.tickets_good", 0) == 1, f"{office.edge.name} let one call in, with a good ticket")

    def show_offices(self, offices):
        """Who is there."""
        for index, carrier in enumerate(CARRIERS):
            customers = ", ".join(o.letter.upper() for o in self.offices.offices if o.carrier == index)
            self.tell.say(f"carrier {carrier} at {':'.join(map(str, self.offices.carrier_address(index)))}: trunks of {customers}")
        for o in offices:
            way = f"registered at its agent as {o.pbx}" if o.style["registers"] else "known to its agent by address"
            shown = "extensions" if o.style["extensions"] else "+E.164"
            self.tell.say(f"{o.pbx} at {o.point(102, SIP)}: extensions 200 to 209, {o.style['outside']} for an outside line, {way}, callers as {shown}")
            self.tell.say(f"{o.name} at {o.point(101, SIP)} for the PBX; {o.edge.name} at {o.edge.inside} for it, at {o.edge.outside} for other companies")

    def show_dialing(self, office, number):
        """What the agent's rules make of what is dialed."""
        dialed = was = office.dials(number)
        changes = []
        for step in office.ctl("agent", "number", "test", dialed)["steps"]:
            if step["number"] != was:
                changes.append(f"{step['step']} → {step['number']}")
                was = step["number"]
        self.tell.check(was == number, f"imectl agent number test {dialed}: " + ", ".join(changes))

    def show_calls(self):
        """Calls as the phone network measured them: two sides, two times."""
        for call in self.offices.ended():
            talked = [f"{call[side + '_talk_ms'] / 1000:.3f} s" for side in ("caller", "called")]
            self.tell.say(f"{call['carrier']}: {call['from']} shown as {call['shown']} to {call['to']}, {talked[0]} at the caller's side, "
                          f"{talked[1]} at the called one, {call['caller_packets']} and {call['called_packets']} packets of voice relayed")

    def show_prices(self):
        """What it cost."""
        for row in self.offices.network_ctl("show", "prices")["carriers"]:
            self.tell.say(f"carrier {row['carrier']}: {row['answered']} of {row['calls']} calls answered, {row['price'] / 1000:.2f} to be paid")

    def ring(self, number, way, text):
        """A real call, and which way it went as both agents have it."""
        a, b, _ = self.offices.offices
        carried, rang = len(self.offices.carried()), len(b.rang(number))
        dialed = a.dials(number)
        heard = a.call(CALLER, dialed, TALK_SECONDS)

        def noted(office):
            calls = office.ctl("agent", "calls", number, "--limit", "1")["calls"]
            return calls[0] if calls and calls[0]["ended_by"] != "in progress" else None

        at_a, at_b = (wait_for(lambda o=office: noted(o), "the call ending") for office in (a, b))
        good = heard.good and len(b.rang(number)) == rang + 1 and at_a["to"] == at_b["from"] == way
        good = good and heard.last["heard_hz"] == CALLED_HZ and b.heard(number)["heard_hz"] == CALLER_HZ
        good = good and len(self.offices.carried()) - carried == (way == "PSTN")
        if not heard.good:
            raise Failure(f"extension {a.extension(CALLER)} dials {dialed}, and hears {heard.events}")
        self.tell.check(good, f"extension {a.extension(CALLER)} dials {dialed}: extension {b.extension(number)} of B rings after "
                        f"{heard.seconds('rang'):.2f} s, each hears the other's tone for {heard.last['talk_ms'] / 1000:.1f} s: {text}")

    def run(self):
        """All of it."""
        self.step_world()
        self.step_publish()
        self.step_calls()
        self.step_validate()
        self.step_penalty()
        self.step_ticket()
        self.step_agents()

    def stop(self):
        """Ends what is not a process of the world."""
        for company in self.companies:
            company.stop()


def enter_own_network():
    """The same program again, in a network namespace of its own, where whoever runs it may capture."""
    if os.environ.get(ALONE):
        sys.exit("demo: step 7 reads what passes between the edges, which this user may not, not even in a namespace of its own: run it as root")
    print("This user may not capture packets: the demo runs in a network namespace of its own.", flush=True)
    os.environ[ALONE] = "1"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


def main():
    """The command line of ./run demo."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the world running (./run world down ends it)")
    parser.add_argument("--directory", help="where the world's files go (default build/world)")
    parser.add_argument("--network", default="127.1", help="the first two octets of all addresses (default 127.1; free: some that nobody uses)")
    args = parser.parse_args()
    if os.environ.get(ALONE):
        bring_up_loopback()
    if not permitted():
        enter_own_network()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its world ends with it
    tell = Narrator()
    world = World(args.directory, network=free_network(30) if args.network == "free" else args.network)
    demo = Demo(world, tell)
    status = 1
    try:
        demo.run()
        print(f"\nAll of it happened, in {time.monotonic() - tell.began:.0f} s.")
        status = 0
    except (Failure, WorldError, subprocess.TimeoutExpired, OSError) as error:
        print(f"\ndemo: failed: {error}", file=sys.stderr)
        print(f"Logs: {world.directory}/*/log", file=sys.stderr)
    finally:
        if not args.keep:
            demo.stop()
            world.down()
    return status


if __name__ == "__main__":
    sys.exit(main())
