"""What companies of a world have beside their IME servers: a call agent (ime-agent) each, certificates for their domains, a phone network
between them, and phones.

Company N's agent is at 127.1.N.101: 5060 for the PBX, which is at 127.1.N.102, 5070 for the trunk, 5061 for other companies. The phone
network is at 127.1.0.101.
"""
import concurrent.futures
import os
import subprocess
import time

from phones import Network, Phone
from processes import write_private
from world import company_letter

SIP, TRUNK, DIRECT = 5060, 5070, 5061
COUNTRY = "+49"
ENROLLED = 10  # numbers of each company
OPENSSL_SECONDS = 60
BETWEEN_SECONDS = 0.4  # of calls that overlap


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


class Offices:
    """All of them."""

    def __init__(self, world):
        self.world = world
        self.directory = world.home("domains")
        self.ca = os.path.join(self.directory, "ca.pem")
        new_key(["-subj", "/CN=authority of domains"], os.path.join(self.directory, "ca.key"), self.ca)
        companies = range(1, len(world.description["companies"]) + 1)
        self.network = None
        self.offices = [Office(self, index) for index in companies]

    def connect(self):
        """The phone network, and the PBXs."""
        trunks = {office.numbers[0][:-3]: office.address(101, TRUNK) for office in self.offices}
        self.network = Network(self.network_address(), COUNTRY, trunks)
        for office in self.offices:
            office.phones = Phone(office.address(102, SIP))

    def network_address(self):
        """Where trunks find the phone network."""
        return f"{self.world.network}.0.101", SIP

    def close(self):
        """The phones; agents are processes of the world."""
        for end in [self.network] + [office.phones for office in self.offices]:
            if end:
                end.close()


class Office:
    """One company's."""

    def __init__(self, offices, index):
        self.offices, self.world, self.index = offices, offices.world, index
        self.company = self.world.description["companies"][index - 1]
        self.domain, self.numbers = self.company["domain"], self.company["numbers"]
        self.name = f"agent-{company_letter(index)}"
        self.phones = None
        self.key, self.certificate = (os.path.join(offices.directory, f"{self.domain}.{kind}") for kind in ("key", "pem"))
        new_key(["-subj", f"/CN={self.domain}", "-addext", f"subjectAltName=DNS:{self.domain}", "-addext", "basicConstraints=critical,CA:false",
                 "-CA", offices.ca, "-CAkey", os.path.join(offices.directory, "ca.key")], self.key, self.certificate)

    def address(self, host, port):
        """Of something of this company."""
        return f"{self.world.network}.{self.index}.{host}", port

    def point(self, host, port):
        """The same as text."""
        return ":".join(map(str, self.address(host, port)))

    def configure(self, direct=True):
        """Writes the agent's files. direct: it takes calls of other companies."""
        home = self.world.home(self.name)
        for name, secret in (("vap-password", self.company["vap"]["password"]), ("ticket-password", self.company["ticket"])):
            write_private(os.path.join(home, name), secret + "\n")
        network = self.offices.network_address()
        self.world.configure(self.name, "agent", [
            ("agent", {"domain": self.domain, "connect-timeout": "1s"}),
            ("pbx-side", {"udp": self.point(101, SIP)}),
            ("pstn-side", {"udp": self.point(101, TRUNK)}),
            ("ime-side", {"tls": self.point(101, DIRECT if direct else DIRECT + 100), "certificate": self.certificate, "key": self.key,
                          "ca": self.offices.ca}),
            ("pbx office", {"host": self.address(102, SIP)[0], "port": SIP, "country": COUNTRY[1:]}),
            ("trunk carrier", {"host": network[0], "port": network[1], "country": COUNTRY[1:]}),
            ("service ime", {
                "domain": self.domain,
                "vservice-id": f"{0xa0 + self.index:016x}",
                "server": ", ".join(server["vap"] for server in self.company["servers"]),
                "user": self.company["vap"]["user"],
                "password-file": os.path.join(home, "vap-password"),
                "ca": self.world.description["ca"],
                "external-address": self.point(101, DIRECT),
            }),
            ("enrolled office", {"pattern": self.numbers[0][:-1] + "X"}),
            ("ticket", {"password-file": os.path.join(home, "ticket-password"), "epoch": 1}),
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

    def call(self, calling, called, seconds):
        """A phone of this office calls; what it heard."""
        return self.phones.call(self.address(101, SIP), calling, called, seconds)

    def call_all(self, calling, numbers, seconds):
        """Calls to several numbers that overlap: what was heard of each."""
        with concurrent.futures.ThreadPoolExecutor(len(numbers)) as pool:
            calls = []
            for number in numbers:
                calls.append(pool.submit(self.call, calling, number, seconds))
                time.sleep(BETWEEN_SECONDS)
            return [call.result() for call in calls]
