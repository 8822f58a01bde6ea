"""What companies of a world have beside their IME servers: a call agent (ime-agent) each, certificates for their domains, a PBX with phones,
and a phone network of two carriers between them (ime-pstn); an edge (edges.py), or agents that reach each other without.

Company N's agent is at 127.1.N.101: 5060 for the PBX, 5070 for the trunk, 5061 for its edge or other companies. Its PBX is at 127.1.N.102, the phones of
its extensions 200 to 209 are at 127.1.N.103. The carriers are at 127.1.0.101 and 127.1.0.102.

The PBXs differ as PBXs do (STYLES): how people dial a number outside, how the PBX writes numbers, and whether it registers at the agent. The
agent's number rules make the same +E.164 numbers of all of that.
"""
import concurrent.futures
import json
import os
import re
import secrets
import subprocess
import time

import kamailio_pbx
from edges import Edge
from internet import Internet
from processes import write_private
from spaces import entering, space_of
from world import LATE, WorldError, company_letter, program

SIP, TRUNK, DIRECT = 5060, 5070, 5061
COUNTRY, AREA = "49", "30"
ENROLLED = 10  # numbers of each company, each with an extension
OPENSSL_SECONDS = 60
START_SECONDS = 90
CALL_SECONDS = 60  # a call that takes longer will not end by itself
BETWEEN_SECONDS = 0.4  # of calls that overlap
CARRIERS = ("north", "south")
RETURN = "5s"  # a call that has moved to the phone network comes back after so long a time of good quality

PBXS = ("lab", "kamailio")  # ime-pstn, or somebody else's

# outside: dialed for an outside line. extensions: between the PBX and its agent, its own numbers are extensions. registers: at the agent.
STYLES = (
    {"outside": "0", "extensions": False, "registers": True},
    {"outside": "9", "extensions": True, "registers": False},
    {"outside": "00", "extensions": False, "registers": False},
)


def openssl(*words):
    """Runs it."""
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=OPENSSL_SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"openssl {words[0]}: {done.stderr.strip()}")


def new_key(words, key, certificate):
    """A key and its certificate."""
    with open(key, "w", opener=lambda path, flags: os.open(path, flags, 0o600)):
        pass
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout", key, "-out",
            certificate, *words)


def until(condition, what, seconds=START_SECONDS):
    """Waits, and gives what the condition gave."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise WorldError(f"this did not happen in {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return result


class Offices:
    """All of them."""

    def __init__(self, world, deployment=None, impaired=False, pbx="lab", are_up=False, count=None):
        """deployment: of edges.DEPLOYMENTS; None: that of the world's namespaces, without such no edges, and agents are reached directly. impaired: between
        the edges there is an Internet that can be bad (internet.py); a world in namespaces has to know it from its beginning. pbx: of PBXS. are_up: somebody else has started them (of_running). count: so many companies have any, the first ones."""
        self.world, self.impaired, self.pbx, self.are_up = world, impaired, pbx, are_up
        count = count or len(world.description["companies"])
        self.deployments = world.deployments or [deployment] * count
        self.directory = world.home("domains")
        self.ca = os.path.join(self.directory, "ca.pem")
        if not are_up:
            new_key(["-subj", "/CN=authority of domains", "-addext", "keyUsage=critical,keyCertSign,cRLSign"], os.path.join(self.directory, "ca.key"), self.ca)
        self.offices = [Office(self, index) for index in range(1, count + 1)]
        self.internet = Internet(world, [office.edge for office in self.offices]) if impaired else None
        self.more = {"carrier": {}, "agent": {}, "fallback": {}, "pbx": {}, "phones": []}  # keys and options beyond those that are written here

    @classmethod
    def of_running(cls, world):
        """Those of a world that is up; None: it has servers only."""
        if "pstn" not in world.processes:
            return None
        is_kamailio = "control" not in world.processes["pbx-a"]
        count = sum(name.startswith("agent-") for name in world.processes)
        return cls(world, "basic", "internet" in world.processes, "kamailio" if is_kamailio else "lab", are_up=True, count=count)

    def configure_network(self):
        """Writes the phone network's file."""
        carriers = [(f"carrier {name}", {
            "udp": ":".join(map(str, self.carrier_address(index))),
            "rtp": f"{self.carrier_address(index)[0]}:20000",
            "setup-delay-min": "50ms",
            "setup-delay-max": "250ms",
            "price-call": 50,
            "price-minute": 20,
            **self.more["carrier"],
        }) for index, name in enumerate(CARRIERS)]
        trunks = [(f"trunk {office.letter}", {
            "carrier": CARRIERS[office.carrier],
            "address": office.point(101, TRUNK),
            "country": COUNTRY,
            "area": AREA,
            "range": office.main + "*",
        }) for office in self.offices]
        self.world.configure("pstn", "pstn", [("pstn", {}), *carriers, *trunks])

    def connect(self):
        """The phone network, the PBXs, the phones; waits until every phone is registered, and every PBX where it should be."""
        self.configure_network()
        self.world.start_daemon("pstn", "pstn")
        for office in self.offices:
            office.start_pbx()
        self.world.wait_daemon("pstn")
        for office in self.offices:
            office.wait_pbx()
            office.start_phones()
        for office in self.offices:
            until(office.is_connected, lambda o=office: f"{o.pbx} has everything it needs: {o.missing()}")
        self.world.save()

    def start(self):
        """Everything, with all agents and edges."""
        if self.internet:
            self.internet.start()
            self.internet.wait()
        for office in self.offices:
            office.start()
            if office.edge:
                office.edge.start()
        for office in self.offices:
            self.world.wait_daemon(office.name)
            if office.edge:
                self.world.wait_daemon(office.edge.name)
                until(office.edge.has_keys, f"the keys of tickets have come to {office.edge.name}")
        self.connect()

    def carrier_address(self, index):
        """Where trunks find a carrier."""
        return f"{self.world.network}.0.{101 + index}", SIP

    def network_ctl(self, *words):
        """Asks the phone network."""
        return self.world.ctl(self.world.processes["pstn"]["control"], *words)

    def carried(self):
        """What the phone network knows of its calls, the oldest first."""
        return self.network_ctl("show", "calls")["calls"][::-1]

    def ended(self):
        """The same when all of them have ended, on both sides."""
        until(lambda: all(call["cause"] != "under way" for call in self.carried()), "the phone network ending its calls")
        return self.carried()


class Heard:
    """What a caller's phone noted of one call. A good one was answered and ended in order, and the called phone's tone was heard."""

    def __init__(self, output, status):
        self.events = [json.loads(line) for line in output.splitlines()]
        self.last = self.events[-1] if self.events else {}
        words = [event["event"] for event in self.events if event["event"] not in ("moved", "gap")]
        self.good = status == 0 and words == ["ringing", "answered", "ended"]

    def seconds(self, event):
        """From its beginning to "rang" or "answered"."""
        return (self.last[event + "_ms"] - self.last["begun_ms"]) / 1000


class Office:
    """One company's."""

    IME = DIRECT

    def __init__(self, offices, index):
        self.offices, self.world, self.index = offices, offices.world, index
        self.company = self.world.description["companies"][index - 1]
        self.domain, self.numbers = self.company["domain"], self.company["numbers"]
        self.main = self.numbers[0][:-2]  # what all of its numbers begin with
        self.fallback_number = self.numbers[-1]  # where others call when a call has to move; none of the enrolled ones
        self.letter = company_letter(index)
        self.name, self.pbx, self.phones = (f"{kind}-{self.letter}" for kind in ("agent", "pbx", "phones"))
        self.style = STYLES[(index - 1) % len(STYLES)]
        if offices.pbx == "kamailio":
            self.style = {**self.style, "extensions": True, "registers": False}
        self.carrier = (index - 1) % len(CARRIERS)
        self.password = secrets.token_urlsafe(12)
        self.key, self.certificate = (os.path.join(offices.directory, f"{self.domain}.{kind}") for kind in ("key", "pem"))
        if not offices.are_up:
            new_key(["-subj", f"/CN={self.domain}", "-addext", f"subjectAltName=DNS:{self.domain}", "-addext", "basicConstraints=critical,CA:false",
                     "-CA", offices.ca, "-CAkey", os.path.join(offices.directory, "ca.key")], self.key, self.certificate)
        deployment = offices.deployments[index - 1]
        self.edge = Edge(self, deployment, offices.impaired) if deployment else None

    def address(self, host, port):
        """Of something of this company."""
        return f"{self.world.network}.{self.index}.{host}", port

    def point(self, host, port):
        """The same as text."""
        return ":".join(map(str, self.address(host, port)))

    # -- numbers ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def extension(number):
        """What is dialed inside for a number of this company."""
        return "2" + number[-2:]

    def dials(self, number):
        """How people here dial a number in the country."""
        return self.style["outside"] + "0" + number[1 + len(COUNTRY):]

    def number_rules(self):
        """What the agent must know of how this PBX writes numbers."""
        rules = {"country": COUNTRY, "area": AREA, "outside-line": self.style["outside"]}
        if self.style["extensions"]:
            rules.update({
                "format": "dialed",
                "extension-digits": 3,
                "extension-prefix": self.main,
                "in-rule": f"extension 1 {self.main}",  # the 2 off
                "out-rule": f"extension {len(self.main)} 2",
            })
        return rules

    # -- the agent -------------------------------------------------------------------------------------------------------

    def configure(self, direct=True):
        """Writes the agent's files. direct: it takes calls of other companies."""
        home = self.world.home(self.name)
        for name, secret in (("vap-password", self.company["vap"]["password"]), ("ticket-password", self.company["ticket"]),
                             ("pbx-password", self.password)):
            write_private(os.path.join(home, name), secret + "\n")
        network = self.offices.carrier_address(self.carrier)
        pbx = {"host": self.address(102, SIP)[0], "port": SIP}
        if self.style["registers"]:
            pbx = {"registers": "yes", "user": self.pbx, "password-file": os.path.join(home, "pbx-password")}
        side = {"tls": self.point(101, DIRECT if direct else DIRECT + 100), "certificate": self.certificate, "key": self.key, "ca": self.offices.ca}
        tickets = [("ticket", {"password-file": os.path.join(home, "ticket-password"), "epoch": 1})]
        if self.edge:
            side, tickets = {"tcp": self.point(101, DIRECT), **self.edge.agent_keys()}, []
        self.world.configure(self.name, "agent", [
            ("agent", {"domain": self.domain, "late": LATE, **self.offices.more["agent"]}),
            ("pbx-side", {"udp": self.point(101, SIP)}),
            ("pstn-side", {"udp": self.point(101, TRUNK)}),
            ("ime-side", side),
            ("pbx office", {**pbx, **self.number_rules()}),
            ("trunk carrier", {"host": network[0], "port": network[1], "country": COUNTRY, "area": AREA}),
            ("service ime", {
                "domain": self.domain,
                "vservice-id": f"{0xa0 + self.index:016x}",
                "server": ", ".join(server["vap"] for server in self.company["servers"]),
                "user": self.company["vap"]["user"],
                "password-file": os.path.join(home, "vap-password"),
                "ca": self.world.description["ca"],
                "external-address": self.edge.outside if self.edge else self.point(101, DIRECT),
            }),
            ("fallback office", {"number": self.fallback_number, "return": RETURN, **self.offices.more["fallback"]}),
            ("enrolled office", {"pattern": self.numbers[0][:-1] + "X", "fallback": "office"}),
            *tickets,
        ])

    def start(self, direct=True):
        """The agent; does not wait."""
        self.configure(direct)
        self.world.start_daemon(self.name, "agent")

    def ctl(self, *words, **options):
        """Asks the agent."""
        return self.world.ctl(self.world.processes[self.name]["control"], *words, **options)

    def server(self, number=1):
        """What world.json says of a server."""
        return self.company["servers"][number - 1]

    # -- the PBX and its phones ------------------------------------------------------------------------------------------

    def password_file(self):
        """Of every phone, and of the PBX at the agent."""
        return os.path.join(self.world.home(self.pbx), "password")

    def start_pbx(self):
        """Does not wait."""
        self.world.home(self.pbx)
        write_private(self.password_file(), self.password + "\n")
        if self.offices.pbx == "kamailio":
            self.start_kamailio()
            return
        trunk = {"address": self.point(101, SIP), "callers": "extension" if self.style["extensions"] else "number"}
        if self.style["registers"]:
            trunk.update({"registers": "yes", "user": self.pbx, "password-file": self.password_file()})
        self.world.configure(self.pbx, "pbx", [
            ("pbx", {"udp": self.point(102, SIP), "country": COUNTRY, "area": AREA, "outside-line": self.style["outside"], "keep-outside-line": "yes",
                     **self.offices.more["pbx"]}),
            ("trunk agent", trunk),
            *((f"extension {self.extension(number)}", {"number": number, "password-file": self.password_file()})
              for number in self.numbers[:ENROLLED]),
        ])
        self.world.start_daemon(self.pbx, "pbx")

    def wait_pbx(self):
        """Until it answers."""
        if self.offices.pbx == "kamailio":
            until(lambda: kamailio_pbx.answers(*self.address(102, SIP)) or not self.world.alive(self.pbx), f"{self.pbx} answers")
            if not self.world.alive(self.pbx):
                raise self.world.ended(self.pbx)
        else:
            self.world.wait_daemon(self.pbx)

    def start_kamailio(self):
        """In place of the lab's PBX."""
        home = self.world.home(self.pbx)
        path = os.path.join(home, "kamailio.cfg")
        write_private(path, kamailio_pbx.configuration(*self.address(102, SIP), self.address(101, SIP)[0], self.password))
        self.world.start(self.pbx, kamailio_pbx.argv(home, path), os.path.join(home, "log"), control=False)

    def start_phones(self):
        """One program has the phones of all extensions; does not wait."""
        extensions = [self.extension(number) for number in self.numbers[:ENROLLED]]
        self.world.start(self.phones, [
            program("ime-pstn", self.world.build), "answer", *extensions, "--register", self.point(102, SIP), "--password-file",
            self.password_file(), "--listen", self.point(103, SIP), "--delay", "0.3", "--video", "--watch", "--json", *self.offices.more["phones"]
        ], os.path.join(self.world.home(self.phones), "log"), control=False)

    def pbx_ctl(self, *words):
        """Asks the PBX."""
        return self.world.ctl(self.world.processes[self.pbx]["control"], *words)

    def is_connected(self):
        """Every phone has registered at the PBX, and that one at the agent if it should."""
        if not self.world.alive(self.phones):
            raise self.world.ended(self.phones)
        if self.offices.pbx == "kamailio":
            return bool(self.events("registered"))
        return self.pbx_ctl("show", "status")["health"] == "green"

    def missing(self):
        """Why it is not connected yet."""
        if self.offices.pbx == "kamailio":
            return "its phones do not register"
        return "; ".join(warning["text"] for warning in self.pbx_ctl("show", "status")["warnings"])

    def events(self, what):
        """What the phones noted: all events of a kind."""
        with open(self.world.processes[self.phones]["log"], encoding="utf-8") as log:
            events = [json.loads(line) for line in log if re.match(r"\{.*\}$", line)]
        return [event for event in events if event["event"] == what]

    def noted(self, number, what):
        """The same of the calls that came to one number."""
        return [event for event in self.events(what) if event["to"] == self.extension(number)]

    def rang(self, number):
        """Every ringing."""
        return self.noted(number, "ringing")

    def heard(self, number, call):
        """What the phone of a number of this office notes of a call at its end; call: what the caller's phone noted of it."""
        def ended():
            return next((end for end in self.noted(number, "ended") if end["begun_ms"] >= call["begun_ms"]), None)
        return until(ended, f"the phone of {number} noting the end of a call")

    def call_argv(self, calling, called, seconds, *options):
        """How the phone of a number of this office dials; it hangs up so long after the answer, None: when it is interrupted."""
        return [
            *self.entering(), program("ime-pstn", self.world.build), "call", self.extension(calling), called, "--via", self.point(102, SIP), "--password-file",
            self.password_file(), "--listen", self.address(104, 0)[0], "--seconds", str(seconds or 0), "--tones", "--json", *options
        ]

    def call(self, calling, called, seconds, *options):
        """The phone of a number of this office dials, and hangs up so long after the answer."""
        done = subprocess.run(self.call_argv(calling, called, seconds, *options), capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
        if not done.stdout:
            raise WorldError(f"ime-pstn call: {done.stderr.strip()}")
        return Heard(done.stdout, done.returncode)

    def entering(self):
        """What comes before a command that is to run inside of this company."""
        return entering(self.world.processes, space_of(self.phones))

    def call_all(self, calling, numbers, seconds):
        """Calls to several numbers that overlap: what was heard of each."""
        with concurrent.futures.ThreadPoolExecutor(len(numbers)) as pool:
            calls = []
            for number in numbers:
                calls.append(pool.submit(self.call, calling, number, seconds))
                time.sleep(BETWEEN_SECONDS)
            return [call.result() for call in calls]
