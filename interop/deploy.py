#!/usr/bin/env python3
"""doc/deploy.md as a new user would follow it, word by word: the operator of a ring and two companies, each on a machine of its own, install, configure and start what the page
says, with a Kamailio as PBX each, see what it shows, and call each other: by the phone network, then directly. What people do with their hands is done here: phones, a carrier, DNS,
a file that is sent."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

import document
from machines import Machine, MachineError, script
from world import ROOT, conf_text, program

PAGE = os.path.join(ROOT, "doc", "deploy.md")
FOLDER = os.path.join(ROOT, "build", "interop", "deploy")
SECONDS = 150  # for what takes its time: hashes of numbers are slow on purpose
TALK_SECONDS = 1.6
# The second company reads the page with the second column of its table in mind.
OTHERS = (("192.0.2.10", "203.0.113.10"), ("10.10.0.", "10.20.0."), ("example.com", "example.org"), ("303333", "895555"), ("30 3333", "89 5555"), ("area = 30", "area = 89"),
          ("00000000000000a1", "00000000000000b1"))
SWAPS = {a: b for pair in OTHERS for a, b in (pair, pair[::-1])}
SWAP = re.compile("|".join(map(re.escape, sorted(SWAPS, key=len, reverse=True))))
OPERATOR, IME, PBX, EDGE, FIREWALL = "the operator's machine", "the IME machine", "the PBX", "the edge's machine", "the firewall"
CALLER = re.compile(r"extension (\d+)( of the other company)?")
TALKING = re.compile(r"(.+), while extension (\d+) talks with (.+)")
EXTENSIONS = ("200", "201", "202", "203")
INTERNET, CARRIER, GATEWAY = "198.51.100.1", "198.51.100.50", "10.10.0.1"
CARRIER_PASSWORD = "the password that the carrier gave you"
FIRST_CALLS, MIRRORED = "The first route", "the other company's first route"
OFF_PATH = "Off-path"
# Files that are sent: folders of other machines are below /run/machine/bin.
SCP = """#!/bin/sh
set -eu
there() {
    case $1 in
    operator@enroll.example.net:/srv/ring/*) echo "/run/machine/bin/operator/${1##*/}" ;;
    root@*.20:/etc/kamailio/*) echo "/run/machine/bin/pbx/${1##*/}" ;;
    root@10.10.0.1:/etc/*) echo "/run/machine/bin/firewall/${1##*/}" ;;
    root@10.10.1.9:/etc/ime/edge/*) echo "/run/machine/bin/edge/${1##*/}" ;;
    *) echo "$1" ;;
    esac
}
for target; do :; done
while [ $# -gt 1 ]; do
    cp "$(there "$1")" "$(there "$target")"
    shift
done
"""
# What is copied there, to be edited.
TEMPLATE = re.compile(r"^(?:cp|scp) /usr/local/share/openime/\S+ (?:root@[\d.]+:)?(/etc/\S+)$", re.M)


def other(text):
    """The same at the other company."""
    return SWAP.sub(lambda found: SWAPS[found[0]], text)


class Company:
    """One that follows the page."""

    def __init__(self, trial, letter, reads):
        self.letter, self.reads = letter, reads
        self.ime = trial.machine("ime-" + letter)
        self.pbx = trial.machine("pbx-" + letter)
        self.edge = self.firewall = None
        trial.connect(self)

    def place(self, name):
        """The machine of a name in the page."""
        return {IME: self.ime, PBX: self.pbx, EDGE: self.edge, FIREWALL: self.firewall}[name]


class Trial:
    """All of it."""

    def __init__(self):
        shutil.rmtree(FOLDER, ignore_errors=True)
        self.machines = []
        self.count = 0

    def machine(self, name):
        """A fresh one."""
        machine = Machine(os.path.join(FOLDER, name), ROOT, name)
        self.machines.append(machine)
        return machine

    def begin(self):
        """What is there before anybody reads the page: networks, DNS, a carrier."""
        self.page = document.steps(PAGE)
        self.operator = self.machine("operator")
        self.operator_home = os.path.join(self.operator.folder, "home")
        os.makedirs(self.operator_home)
        self.operator.do(f"mkdir /srv/ring; mount --bind {self.operator_home} /srv/ring; ip addr add {INTERNET}/32 dev lo; ip addr add {CARRIER}/32 dev lo; echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.companies = [Company(self, "a", str), Company(self, "b", other)]
        self.start_dns()
        self.start_carrier()

    def connect(self, company):
        """The interfaces of a company's machines, and the way of its phones to the carrier, which is there already."""
        reads, letter = company.reads, company.letter
        public, inside, pbx, gateway = map(reads, ("192.0.2.10", "10.10.0.10", "10.10.0.20", GATEWAY))
        company.ime.link("eth0", self.operator, "ime-" + letter)
        company.ime.link("eth1", company.pbx, "eth0")
        company.pbx.link("eth1", self.operator, "pbx-" + letter)
        company.ime.do(f"ip addr add {public}/24 dev eth0; ip addr add {inside}/24 dev eth1; ip link set eth0 up; ip link set eth1 up; ip route add default dev eth0")
        company.pbx.do(f"ip addr add {pbx}/24 dev eth0; ip link set eth0 up; ip link set eth1 up; ip addr add {reads('10.10.0.21')}/32 dev lo; "
                       f"ip addr add {reads('10.10.0.22')}/32 dev lo; ip route add default dev eth1 src {pbx}")
        self.operator.do(f"ip link set ime-{letter} up; ip link set pbx-{letter} up; ip addr add {gateway}/32 dev lo; ip route add {public}/32 dev ime-{letter} src {INTERNET}; "
                         f"ip route add {reads('10.10.0.0')}/24 dev pbx-{letter} src {INTERNET}; "
                         f"echo 1 >/proc/sys/net/ipv4/conf/ime-{letter}/proxy_arp; echo 1 >/proc/sys/net/ipv4/conf/pbx-{letter}/proxy_arp")
        company.ime.do("echo 1 >/proc/sys/net/ipv4/conf/eth1/proxy_arp")
        script(os.path.join(company.ime.folder, "bin", "scp"), SCP)
        self.share(company, "operator", self.operator_home)
        pbx_home = os.path.join(company.pbx.folder, "kamailio")
        self.share(company, "pbx", pbx_home)
        company.pbx.do(f"mkdir -p /etc/kamailio; mount --bind {pbx_home} /etc/kamailio")

    @staticmethod
    def share(company, name, home):
        """A folder of another machine, where files from the company's IME machine arrive."""
        os.makedirs(home, exist_ok=True)
        os.makedirs(os.path.join(company.ime.folder, "bin", name))
        company.ime.do(f"mount --bind {home} /run/machine/bin/{name}")

    def move_edge(self, company):
        """What hands do before "Off-path": a firewall takes the place of the IME machine's foot on the Internet and has the inside network at a switch; a machine in its DMZ."""
        ime, pbx = company.ime, company.pbx
        company.firewall, company.edge = (self.machine(f"{name}-{company.letter}") for name in ("firewall", "edge"))
        ime.give("eth1", company.firewall, "lan1")
        ime.link("eth1", company.firewall, "lan0")
        company.firewall.link("eth0", self.operator, "fw-" + company.letter)
        company.firewall.link("eth2", company.edge, "eth0")
        ime.do(f"ip link del eth0; ip addr add 10.10.0.10/24 dev eth1; ip link set eth1 up; ip route add default via {GATEWAY}")
        company.firewall.do(f"ip link add eth1 type bridge; for port in lan0 lan1; do ip link set $port master eth1; ip link set $port up; done; for port in eth0 eth1 eth2; do ip link set $port up; done; "
                            f"ip addr add {GATEWAY}/24 dev eth1; ip addr add 10.10.1.1/24 dev eth2; ip addr add 192.0.2.11/32 dev lo; ip route add 192.0.2.10/32 dev eth2; "
                            "ip route add default dev eth0 src 192.0.2.11; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp")
        company.edge.do("ip addr add 10.10.1.9/24 dev eth0; ip addr add 192.0.2.10/32 dev eth0; ip link set eth0 up; ip route add 10.10.0.0/24 via 10.10.1.1 src 10.10.1.9; "
                        "ip route add default via 10.10.1.1 src 192.0.2.10")
        pbx.do(f"ip route add 10.10.1.0/24 via {GATEWAY}; ip neigh flush dev eth0")
        self.operator.do(f"ip link set fw-{company.letter} up; for address in 192.0.2.10 192.0.2.11; do ip route add $address/32 dev fw-{company.letter} src {INTERNET}; done; "
                         f"echo 1 >/proc/sys/net/ipv4/conf/fw-{company.letter}/proxy_arp")
        for machine, folder in ((company.firewall, "/srv/etc"), (company.edge, "/etc/ime/edge")):
            home = os.path.join(machine.folder, "home")
            self.share(company, machine.name.split("-", maxsplit=1)[0], home)
            machine.do(f"mkdir -p {folder}; mount --bind {home} {folder}")
            machine.write("/etc/resolv.conf", f"nameserver {INTERNET}\n")
        company.firewall.do("ln -sf /srv/etc/nftables.conf /etc/nftables.conf")

    def start_dns(self):
        """With the zones of the page."""
        with open(PAGE, encoding="utf-8") as page:
            zone = "".join(re.findall(r"^```dns\n(.*?)^```", page.read(), re.M | re.S))
        zone += other(zone) + f"sip.carrier.example 300 A {CARRIER}\n"
        words = [sys.executable, "-c", "import sys, time; sys.path.insert(0, sys.argv[1]); import dns_server; dns_server.Server(sys.argv[2], sys.argv[3], 53); time.sleep(1e6)",
                 os.path.join(ROOT, "test", "io"), zone, INTERNET]
        self.operator.start(words, "dns")
        for machine in self.machines:
            machine.write("/etc/resolv.conf", f"nameserver {INTERNET}\n")

    def start_carrier(self):
        """With a trunk for each company."""
        self.operator.write("/srv/carrier.password", CARRIER_PASSWORD + "\n", 0o600)
        trunks = [(f"trunk {company.letter}", {"carrier": "carrier", "user": company.reads("49303333"), "password-file": "/srv/carrier.password", "country": 49,
                                               "area": company.reads("area = 30").split()[-1], "range": company.reads("+49303333*")}) for company in self.companies]
        self.operator.write("/srv/pstn.conf", conf_text([("pstn", {"control": "/run/pstn.sock"}), ("carrier carrier", {
            "udp": CARRIER + ":5060", "setup-delay-min": "20ms", "setup-delay-max": "60ms"}), *trunks]))
        self.operator.start([program("ime-pstn"), "serve", "--config", "/srv/pstn.conf"], "carrier")

    # -- what is read ------------------------------------------------------------------------------------------------------------

    def take(self, step, company):
        """One step of the page, by one company (or by the operator, for it)."""
        text = company.reads(step.text) if company else step.text
        talking = TALKING.fullmatch(company.reads(step.place)) if company else None
        if talking:
            self.take_while(step, company, *talking.groups())
            return
        where = self.operator if step.place == OPERATOR else None if CALLER.search(step.place) else company.place(step.place)
        try:
            if step.kind == "file":
                where.write(company.reads(step.file) if company else step.file, text)
            elif step.kind == "call":
                extension, is_other = CALLER.search(step.place).groups()
                self.dial(next(one for one in self.companies if one != company) if is_other else company, extension, text.split("\n"))
            elif step.kind == "diff":
                with open(where.path(step.file), encoding="utf-8") as file:
                    there = file.read()
                where.write(step.file, step.changed(there), None)
            elif step.kind == "console":
                for command, shown in step.dialogs():
                    self.see(where, *((company.reads(command), [company.reads(line) for line in shown]) if company else (command, shown)))
            elif step.kind == "sh":
                self.type(company, where, text)
            else:
                raise MachineError(f"what is a block of {step.kind!r}?")
        except (MachineError, ValueError, subprocess.TimeoutExpired) as error:
            raise MachineError(f"{os.path.relpath(PAGE, ROOT)}:{step.line}: {error}") from error

    def take_while(self, step, company, place, extension, number):
        """A step with somebody on the phone, who hangs up afterwards."""
        call = subprocess.Popen(self.call_words(company, extension, number, 0), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        try:
            if '"answered"' not in call.stdout.readline() + call.stdout.readline():
                raise MachineError(f"{os.path.relpath(PAGE, ROOT)}:{step.line}: extension {extension} is not answered by {number}")
            step.place = place
            self.take(step, company)
            time.sleep(TALK_SECONDS)
        finally:
            step.place = f"{place}, while extension {extension} talks with {number}"
            company.pbx.interrupt(call)
            said, _ = call.communicate(timeout=SECONDS)
        self.was_good(extension, number, call.returncode, said)

    @staticmethod
    def type(company, where, text):
        """Commands, as they stand; what is copied to be edited is edited."""
        before, *rest = TEMPLATE.split(text)
        where.do(before if not rest else text[:TEMPLATE.search(text).end()], SECONDS)
        if rest:
            path = rest[0]
            edited = company.pbx if path.startswith("/etc/kamailio/") else where
            with open(edited.path(path), encoding="utf-8") as file:
                there = file.read()
            edited.write(path, company.reads(there))
            where.do(rest[1], SECONDS)

    @staticmethod
    def see(where, command, shown):
        """A command shows what the page says, sooner or later."""
        deadline = time.monotonic() + SECONDS
        while True:
            status, said = where.run(command, SECONDS)
            lacks = document.missing(shown, said)
            if status == 0 and lacks is None:
                return
            if time.monotonic() > deadline:
                raise MachineError(f"{where.name}: {command}: " + (f"status {status}" if lacks is None else f"does not say: {lacks}") + f"\n{said}")
            time.sleep(0.2)

    def phones(self, company):
        """Somebody connects telephones, with the passwords of the PBX."""
        reads = company.reads
        config = open(company.pbx.path("/etc/kamailio/kamailio.cfg"), encoding="utf-8").read()
        passwords = dict(re.findall(r'\$sht\(password=>(\d+)\) = "(.*)"', config))
        for extension in EXTENSIONS:
            company.pbx.write(f"/srv/{extension}", passwords[extension] + "\n", 0o600)
            if extension != EXTENSIONS[0]:
                company.pbx.start([program("ime-pstn"), "answer", extension, "--register", reads("10.10.0.20:5060"), "--password-file", f"/srv/{extension}", "--domain", reads("example.com"), "--listen", f"{reads('10.10.0.21')}:{5000 + int(extension)}",
                                   "--delay", "0.2", "--tones", "--rtp-port", str(40000 + 10 * int(extension)), "--json"], "phone-" + extension)
        deadline = time.monotonic() + SECONDS
        while not all('"registered"' in company.pbx.log("phone-" + extension) for extension in EXTENSIONS[1:]):
            if time.monotonic() > deadline:
                raise MachineError("phones: " + company.pbx.log("phone-201"))
            time.sleep(0.05)

    def dial(self, company, extension, numbers):
        """Somebody calls, talks and hangs up."""
        for number in filter(None, numbers):
            done = subprocess.run(self.call_words(company, extension, number, TALK_SECONDS), capture_output=True, text=True, timeout=SECONDS, check=False)
            self.was_good(extension, number, done.returncode, done.stdout)

    @staticmethod
    def call_words(company, extension, number, seconds):
        """How a phone calls; 0 seconds: until it is interrupted."""
        return [*company.pbx.words(), program("ime-pstn"), "call", extension, number.replace(" ", ""), "--via", company.reads("10.10.0.20:5060"), "--domain", company.reads("example.com"),
                "--password-file", f"/srv/{extension}", "--listen", company.reads("10.10.0.22"), "--seconds", str(seconds), "--tones", "--json"]

    @staticmethod
    def was_good(extension, number, status, said):
        """The call was answered and ended in order, and the other side was heard."""
        events = [json.loads(line) for line in said.splitlines()]
        if status != 0 or not events or not events[-1].get("heard_hz"):
            raise MachineError(f"extension {extension} dials {number}: status {status}: {said}")

    # -- in its order --------------------------------------------------------------------------------------------------------------

    def chapter(self, name, companies):
        """All steps of a chapter; by each of the companies, those of the operator once for each as well."""
        def play():
            begun = False
            for company in companies:
                for step in self.page:
                    if step.chapter != name or (step.place == OPERATOR and begun and "example.com" not in step.text):
                        continue
                    self.take(step, company)
                begun = True
        return play

    def steps(self):
        """(name, function)"""
        for name in dict.fromkeys(step.chapter for step in self.page):
            if name == OFF_PATH:
                yield "a firewall, and a machine in its DMZ", lambda: self.move_edge(self.companies[0])
                yield OFF_PATH, self.chapter(OFF_PATH, self.companies[:1])
                continue
            if name != FIRST_CALLS:
                yield name, self.chapter(name, self.companies)
                continue
            yield "telephones", lambda: [self.phones(company) for company in self.companies]
            yield FIRST_CALLS, self.chapter(FIRST_CALLS, self.companies[:1])
            yield MIRRORED, self.chapter(FIRST_CALLS, self.companies[1:])

    def end(self):
        """Of everything."""
        for machine in self.machines:
            machine.end()


def main():
    """Prints TAP."""
    trial = Trial()
    try:
        try:
            trial.begin()
        except (MachineError, OSError) as error:
            print(f"1..0 # SKIP no machines here: {error}".replace("\n", " "))
            return 0
        steps = list(trial.steps())
        print(f"1..{len(steps)}", flush=True)
        for number, (name, play) in enumerate(steps, 1):
            began = time.monotonic()
            try:
                play()
            except (MachineError, OSError, KeyError) as error:
                text = f"{error}".replace("\n", "\n# ")
                print(f"not ok {number} - {name}\n# {text}\nBail out! the steps need one another", flush=True)
                return 1
            print(f"ok {number} - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return 0
    finally:
        trial.end()


if __name__ == "__main__":
    sys.exit(main())
