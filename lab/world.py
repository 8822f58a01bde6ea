"""A world for demos and tests: an enrollment server and the IME servers of several companies, on loopback addresses. What they need to call each other is in
offices.py, the command line in world_command.py.

Company N listens on 127.1.N.1 (further servers .2, .3 ...) with the standard ports; the enrollment server on 127.1.0.1. A world of IPv6
has but one loopback address, so that there the ports differ. All files are below build/world; world.json describes what runs.
"""
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

import spaces
from processes import Processes, write_private

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OVERLAY = "ime.example"
ENROLL_PORT = 8443
PORTS = {"ring": 6084, "vap": 5620, "pvp": 8470}
IPV6_PORT = 20000  # the enrollment server's; those of the others follow
NUMBERS_PER_COMPANY = 20
COMPANIES_MAX = 99
SERVERS_MAX = 99
BOOTSTRAPS_MAX = 8  # as many as ime-server tries at its start
NODE_IDS_MAX = 16
START_SECONDS = 60
TAKEN = ("another program listens there", "Address already in use")  # what programs say of a port that they do not get
WITHOUT_DATA = {"pstn", "pbx", "impair"}  # daemons that keep nothing
COMMANDS = {"pstn": ("ime-pstn", "serve"), "pbx": ("ime-pstn", "pbx")}  # of daemons that are not ime-DAEMON

# Everything that a laboratory shortens; without it the programs' own defaults hold (world up --hold).
SHORT_RING = {
    "chord-update-interval": "5",
    "chord-ping-interval": "5",
}
SHORT_VALIDATOR = {
    "delay-min": "500ms",
    "delay-max": "1s",
    "minimum-interval": "1s",
    "retry": "5s",
}
SHORT_CALLS = {"minimum-call": "1s"}  # so that nobody has to wait for real ones
LATE = "10s"  # of agents and edges: one machine runs the whole world, so that what comes late shows nothing about one of them


class WorldError(Exception):
    """What went wrong, and what to do next, for people."""


def free_network(first):
    """127.FIRST, or a later network if somebody has a world there: several checkouts may be tested on one machine."""
    for network in range(first, 255, 20):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.{network}.0.1", ENROLL_PORT))
            except OSError:
                continue
            return f"127.{network}"
    raise WorldError("all networks that tests may use are taken: another world runs in each")


def program(name, build=None):
    """The path of a program that ./run build made."""
    build = build or os.environ.get("IME_BUILD") or os.path.join(ROOT, "build", "dev")
    path = os.path.join(build, "src", "bin", name, name)
    if not os.path.exists(path):
        raise WorldError(f"{path} is missing: run ./run build first")
    return path


def conf_text(sections):
    """Configuration text from [(section, {key: value})]."""
    lines = []
    for section, keys in sections:
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)


def split_address(address):
    """("127.0.0.1", 80) of "127.0.0.1:80", ("::1", 80) of "[::1]:80"."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def company_letter(index):
    """1 is a, 26 is z, 27 is aa."""
    name = ""
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(ord("a") + digit) + name
    return name


def company_numbers(index):
    """Numbers of the range that a company owns."""
    return [f"+4930{index:02d}00{i:03d}" for i in range(NUMBERS_PER_COMPANY)]


@contextlib.contextmanager
def open_database(data):
    """A copy of a server's database: the original is locked by the server that uses it."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("ime.db-wal", "ime.db"):
            try:
                shutil.copyfile(os.path.join(data, name), os.path.join(copy, name))
            except FileNotFoundError:
                pass
        with contextlib.closing(sqlite3.connect(os.path.join(copy, "ime.db"))) as database:
            yield database


class World(Processes):
    """The files and processes of one world."""

    def __init__(self, directory=None, build=None, network="127.1", ipv6=False, mixed=False, node_ids=1, deployments=None, impaired=False):
        """Worlds that run at the same time need networks of their own, unless these are in namespaces; of IPv6 there is only one. mixed: every second
        server of a company has IPv6 addresses only, the others have both. node_ids: of each server. deployments: of each company's edge, for a world in
        network namespaces (spaces.py); impaired: and between them there will be an Internet that can be bad (internet.py)."""
        super().__init__(os.path.abspath(directory or os.path.join(ROOT, "build", "world")))
        self.network = network
        self.ipv6, self.mixed, self.node_ids = ipv6, mixed, node_ids
        self.deployments, self.impaired = deployments, impaired
        self.enroll_address = f"[::1]:{IPV6_PORT}" if ipv6 else f"{network}.0.1:{ENROLL_PORT}"
        self.build = build
        self.path = os.path.join(self.directory, "world.json")
        self.state_path = os.path.join(self.directory, "processes.json")
        self.description = None

    # -- what is on disk --------------------------------------------------------------------------------------------------

    def load(self):
        """Reads what runs. False if there is no world."""
        try:
            with open(self.path) as f:
                self.description = json.load(f)
            with open(self.state_path) as f:
                self.processes = json.load(f)
        except FileNotFoundError:
            return False
        self.network = self.description.get("network", self.network)
        return True

    def save(self):
        """Writes world.json whole or not at all; it holds passwords, so only its owner reads it."""
        for path, content in ((self.state_path, self.processes), (self.path, self.description)):
            write_private(path + ".new", json.dumps(content, indent=1) + "\n")
            os.replace(path + ".new", path)

    # -- imectl ----------------------------------------------------------------------------------------------------------

    def ctl(self, socket, *words, timeout=60, stdin=None):
        """Runs imectl and gives the result as data."""
        argv = [program("imectl", self.build), "--socket", socket, "--json", "--timeout", str(timeout), *words]
        done = subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=timeout + 10, check=False)
        if done.returncode != 0:
            raise WorldError(f"imectl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout)

    def ended(self, name):
        """The error that a process has ended which should run, and what to do about it."""
        tail = self.log_tail(name)
        taken = any(words in tail for words in TAKEN)
        hint = "\nIf another world has these addresses: end it (./run world down), or take others here (--network 127.2)" if taken else ""
        return WorldError(f"{name} ended at its start. Its last lines:\n{tail}{hint}")

    def wait_ready(self, name, socket, *words, seconds=START_SECONDS):
        """Waits until a process answers on its control socket, then lets imectl wait for the condition in words."""
        deadline = time.monotonic() + seconds
        while not os.path.exists(socket):
            if not self.alive(name):
                raise self.ended(name)
            if time.monotonic() > deadline:
                raise WorldError(f"{name} did not open {socket} in {seconds} s. Its last lines:\n{self.log_tail(name)}")
            time.sleep(0.02)
        while True:
            left = max(1, int(deadline - time.monotonic()))
            try:
                return self.ctl(socket, *words, timeout=left)
            except WorldError as error:
                if not self.alive(name):
                    raise self.ended(name) from error
                if time.monotonic() > deadline:
                    raise WorldError(f"{name}: {error}\nIts last lines:\n{self.log_tail(name)}") from error
                time.sleep(0.05)

    # -- network namespaces ----------------------------------------------------------------------------------------------

    letter = staticmethod(company_letter)

    def start(self, name, argv, log, control=True, before=()):
        """In the namespace where it belongs, if the world has such."""
        return super().start(name, argv, log, control, [*before, *spaces.entering(self.processes, spaces.space_of(name))])

    def start_holder(self, name, before, argv):
        """A process that is there for its namespace."""
        super().start(name, argv, os.path.join(self.directory, "namespaces.log"), control=False, before=before)

    def make_spaces(self, servers):
        """The namespaces of a world that has such; servers: of each company."""
        try:
            spaces.Spaces(self, self.deployments, self.impaired).make(servers)
        except (spaces.SpaceError, OSError, subprocess.TimeoutExpired) as error:
            raise WorldError(f"the network namespaces were not made: {error}") from error

    # -- any daemon ------------------------------------------------------------------------------------------------------

    def home(self, name):
        """The folder of a process, made if it is not there yet."""
        home = os.path.join(self.directory, name)
        os.makedirs(home, mode=0o700, exist_ok=True)
        return home

    def configure(self, name, daemon, sections):
        """Writes the configuration of an ime-DAEMON that is to run under this name. Its own section, [DAEMON], gets what is the world's to say:
        where data, control socket and log are."""
        home = self.home(name)
        ours = {"control": os.path.join(home, "control"), "log-level": "debug"}
        if daemon not in WITHOUT_DATA:
            ours["data"] = os.path.join(home, "data")
        text = conf_text([(section, {**ours, **keys} if section == daemon else keys) for section, keys in sections])
        write_private(os.path.join(home, daemon + ".conf"), text)

    def start_daemon(self, name, daemon):
        """Starts (or starts again) an ime-DAEMON that was configured; does not wait. Its pid."""
        home = self.home(name)
        command, *words = COMMANDS.get(daemon, ("ime-" + daemon,))
        return self.start(name, [program(command, self.build), *words, "--config", os.path.join(home, daemon + ".conf")],
                          os.path.join(home, "log"))

    def wait_daemon(self, name):
        """Waits until it answers on its control socket."""
        return self.wait_ready(name, self.processes[name]["control"], "show", "status")

    # -- building the world ----------------------------------------------------------------------------------------------

    def configure_enroll(self, hold, ring, issuing):
        """Writes the enrollment server's files. issuing: further keys of its section [enroll]."""
        bootstraps = ", ".join(s[key] for s in self.servers() for key in ("ring", "ring_ipv6") if s["bootstrap"] and key in s)
        settings = {} if hold else dict(SHORT_RING)
        settings.update(ring or {})
        self.configure("enroll", "enroll", [
            ("enroll", {
                "listen": self.enroll_address,
                "name": split_address(self.enroll_address)[0],
                "ca-file": os.path.join(self.directory, "ca.pem"),
                "overlay": OVERLAY,
                "log-level": "info",
                **({"node-ids": self.node_ids} if self.node_ids > 1 else {}),
                **(issuing or {}),
            }),
            ("ring", {"bootstrap": bootstraps, **settings}),
        ])

    def start_enroll(self):
        """Starts the enrollment server and waits until it answers."""
        self.start_daemon("enroll", "enroll")
        self.wait_daemon("enroll")

    def server_name(self, company, server):
        """a1, a2, b1 ..."""
        return f"{company_letter(company)}{server}"

    def address(self, company, server, service):
        """Where a server offers a service."""
        if self.ipv6 or (self.mixed and server % 2 == 0):
            return self.address_ipv6(company, server, service)
        return f"{self.network}.{company}.{server}:{PORTS[service]}"

    def address_ipv6(self, company, server, service):
        """The same in IPv6, which has but one address on a machine. Behind the ring's port are those of further Node-IDs."""
        place = (company - 1) * SERVERS_MAX + server - 1
        port = IPV6_PORT + 1 + place * (len(PORTS) + self.node_ids - 1) + ["vap", "pvp", "ring"].index(service)
        if port > 65535:
            raise WorldError("a world of IPv6 has not so many ports: take fewer companies, or fewer Node-IDs")
        return f"[::1]:{port}"

    def describe_company(self, index, servers, bootstraps):
        """The part of world.json of one company; Node-IDs and pids come when the servers run."""
        letter = company_letter(index)
        return {
            "name": letter.upper(),
            "domain": f"{letter}.example",
            "numbers": company_numbers(index),
            "vap": {"user": f"agent-{letter}", "password": secrets.token_urlsafe(18)},
            "edge": {"user": f"edge-{letter}", "password": secrets.token_urlsafe(18)},  # has the keys of tickets
            "ticket": secrets.token_urlsafe(24),  # the password of its tickets' keys: all of its servers have the same
            "servers": [{
                "node_id": None,
                **{service: self.address(index, s, service) for service in PORTS},
                **({service + "_ipv6": self.address_ipv6(index, s, service) for service in PORTS} if self.mixed and s % 2 else {}),
                "control": os.path.join(self.directory, self.server_name(index, s), "control"),
                "data": os.path.join(self.directory, self.server_name(index, s), "data"),
                "pid": None,
                "bootstrap": index <= bootstraps and s == 1,
            } for s in range(1, servers + 1)],
        }

    def configure_server(self, company, server_index, hold, validator, enroll=None):
        """Writes a server's files; its token is asked of the enrollment server."""
        server = company["servers"][server_index]
        name = os.path.basename(os.path.dirname(server["control"]))
        home = self.home(name)
        ip = split_address(server["ring"])[0]
        addresses = {service: ", ".join(server[key] for key in (service, service + "_ipv6") if key in server) for service in PORTS}
        server_id = f"ime{server_index + 1}.{company['domain']}"
        token = self.ctl(os.path.join(self.directory, "enroll", "control"), "enroll", "token", "add", "--server-id",
                         server_id, "--name", ip)["token"]
        write_private(os.path.join(home, "token"), token + "\n")
        write_private(os.path.join(home, "vap-password"), company["vap"]["password"] + "\n")
        write_private(os.path.join(home, "ticket-password"), company["ticket"] + "\n")
        write_private(os.path.join(home, "edge-password"), company["edge"]["password"] + "\n")
        settings = {} if hold else dict(SHORT_VALIDATOR)
        settings.update(validator or {})
        sections = [
            ("server", {"id": server_id}),
            ("enroll", {
                "url": self.description["enroll"],
                "ca": self.description["ca"],
                "token-file": os.path.join(home, "token"),
                **(enroll or {}),
            }),
            ("ring", {
                "listen": addresses["ring"],
                "bootstrap": "yes" if server["bootstrap"] else "no",
                **({"node-ids": self.node_ids} if self.node_ids > 1 else {}),
            }),
            ("vap", {"listen": addresses["vap"]}),
            ("pvp", {"listen": addresses["pvp"]}),
            (f"client {company['vap']['user']}", {"password-file": os.path.join(home, "vap-password")}),
            (f"client {company['edge']['user']}", {"password-file": os.path.join(home, "edge-password"), "ticket-keys": company["domain"]}),
            (f"domain {company['domain']}", {"ticket-password-file": os.path.join(home, "ticket-password"), "ticket-epoch": 1}),
        ]
        if settings:
            sections.append(("validator", settings))
        self.configure(name, "server", sections)

    def start_server(self, company_index, server_index):
        """Starts (or starts again) one server; does not wait."""
        company = self.description["companies"][company_index - 1]
        server = company["servers"][server_index - 1]
        server["pid"] = self.start_daemon(self.server_name(company_index, server_index), "server")

    def wait_server(self, company_index, server_index):
        """Waits until a server is a member of the ring, with all of its Node-IDs; notes the first one."""
        server = self.description["companies"][company_index - 1]["servers"][server_index - 1]
        name = self.server_name(company_index, server_index)
        status = self.wait_ready(name, server["control"], "wait", "ring")
        server["node_id"] = status["node_id"]
        deadline = time.monotonic() + START_SECONDS
        while self.node_ids > 1 and self.ctl(server["control"], "show", "status").get("node_ids_in_ring", 0) < self.node_ids:
            if time.monotonic() > deadline:
                raise WorldError(f"{name} has not joined with all of its Node-IDs in {START_SECONDS} s. Its last lines:\n{self.log_tail(name)}")
            time.sleep(0.1)

    def clear(self):
        """Removes the files of the world before; anything else in its place stays."""
        if not os.path.isdir(self.directory) or not os.listdir(self.directory):
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        if not any(os.path.exists(path) for path in (self.state_path, os.path.join(self.directory, "enroll", "enroll.conf"))):
            raise WorldError(f"{self.directory} holds files that are not of a world: remove them, or take another folder")
        shutil.rmtree(self.directory)

    def servers(self):
        """What world.json says of every server."""
        return [server for company in self.description["companies"] for server in company["servers"]]

    def up(self, companies=3, servers=2, hold=False, validator=None, ring=None, bootstraps=1, tell=lambda text: None,
           enroll=None, issuing=None):
        """Starts everything. tell is called with each step; enroll: {server's name: further keys of its section [enroll]}; issuing: those of
        the enrollment server's."""
        network = self.network
        if self.load() and any(self.alive(name) for name in self.processes):
            self.processes = {}  # not ours: whoever fails here must not end them
            raise WorldError("a world is up already: ./run world down ends it")
        self.network = network  # that of the world before may have been another one
        self.clear()
        os.makedirs(self.directory, mode=0o700)
        self.description = {
            "overlay": OVERLAY,
            "network": self.network,
            "ca": os.path.join(self.directory, "ca.pem"),
            "enroll": f"https://{self.enroll_address}",
            "companies": [self.describe_company(i, servers, bootstraps) for i in range(1, companies + 1)],
        }
        self.processes = {}
        try:
            if self.deployments:
                self.make_spaces(servers)
                self.save()
                tell(f"{sum(name.startswith('net-') for name in self.processes)} network namespaces: Internet, and border, edge and inside of each company")
            self.configure_enroll(hold, ring, issuing)
            tell(f"ime-enroll starts at {self.description['enroll']}: fresh CA, signed ring configuration")
            self.start_enroll()
            self.save()
            for company in self.description["companies"]:
                for s, server in enumerate(company["servers"]):
                    name = os.path.basename(os.path.dirname(server["control"]))
                    self.configure_server(company, s, hold, validator, (enroll or {}).get(name))
            self.start_server(1, 1)
            self.save()
            self.wait_server(1, 1)
            tell(self.line(1, 1) + ", bootstrap server")
            rest = [(c, s) for c in range(1, companies + 1) for s in range(1, servers + 1) if (c, s) != (1, 1)]
            for c, s in rest:
                self.start_server(c, s)
            self.save()
            for c, s in rest:
                self.wait_server(c, s)
                tell(self.line(c, s) + (", bootstrap server" if s == 1 and c <= bootstraps else ""))
            self.save()
        except BaseException:
            self.save()
            self.down()
            raise

    def line(self, company, server):
        """One server in words."""
        entry = self.description["companies"][company - 1]["servers"][server - 1]
        return f"{self.server_name(company, server)} at {entry['ring']} enrolled and joined as {entry['node_id']}"

    def down(self):
        """Ends all processes: politely, then not. Returns how many ran."""
        names = [name for name in self.processes if self.alive(name)]
        for name in names:
            self.signal(name, signal.SIGTERM)
        for name in names:
            if not self.wait_end(name, 10):
                self.signal(name, signal.SIGKILL)
                self.wait_end(name)
        return len(names)

    def status(self):
        """[(name, pid, memory in octets or None, state in words)]"""
        rows = []
        for name, entry in self.processes.items():
            state = "running" if self.alive(name) else "ended"
            if state == "running" and "control" in entry:
                try:
                    result = self.ctl(entry["control"], "show", "status", timeout=5)
                    state = result.get("state", "running")
                except (WorldError, subprocess.TimeoutExpired) as error:
                    state = f"runs, but does not answer: {error}"
            rows.append((name, entry["pid"], self.memory(name), state))
        return rows
