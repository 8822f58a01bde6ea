"""Companies that learn to call each other directly: of each an IME server, an agent and whatever a test uses as PBX.

Of company N, address 10 is the agent for its PBX, 11 for its trunk, 12 for other companies; 13 is the PBX. All trust one authority.
"""
import os
import shutil
import socket
import ssl

from authority import Authority
from peers import SIP, SIPS, Lab, wait_for

from world import LATE, OVERLAY, split_address  # noqa: E402

# Numbers are few enough to try them all: a hash that costs less makes that quick. One call is proof enough here, and a short one.
RING = {"number-hash": "argon2id", "argon2-memory": "16M", "argon2-passes": "2"}
VALIDATOR = {"delay-min": "0", "delay-max": "100ms", "minimum-interval": "1s", "retry": "2s", "minimum-call": "1s", "bucketentropy": 11}
TALK_MS = 1600
LEARN_SECONDS = 90


class Companies(Lab):
    """A ring of companies."""

    def __init__(self, name, companies):
        super().__init__(name)
        shutil.rmtree(self.directory)
        self.up(companies, 1, validator=VALIDATOR, ring=RING)
        self.authority = Authority(os.path.join(self.directory, "authority"))
        self.files = {}  # domain → certificate, key
        for index in range(1, companies + 1):
            self.files[self.domain(index)] = self.authority.issue(self.domain(index), "DNS:" + self.domain(index))

    def at(self, company, host):
        """An address of a company."""
        return f"{self.network}.{company}.{host}"

    def company(self, index):
        """What world.json says of it."""
        return self.description["companies"][index - 1]

    def domain(self, index):
        """Of a company."""
        return self.company(index)["domain"]

    def number(self, index):
        """Its only number that takes part."""
        return self.company(index)["numbers"][3]

    def agent(self, index):
        """Its name as a process."""
        return f"agent-{self.company(index)['name'].lower()}"

    def agent_control(self, index):
        """Its control socket."""
        return self.control(self.agent(index))

    def server_home(self, index):
        """The folder of its IME server."""
        return os.path.dirname(self.company(index)["servers"][0]["control"])

    def ticket_password(self, index):
        """A file with the password of the keys of its tickets."""
        return os.path.join(self.server_home(index), "ticket-password")

    def start_company(self, index, *more, trunk=None, agent=None):
        """Its agent. trunk: keys of its section [trunk carrier], whose host is one end of a wire. agent: further ones of [agent]. more: further sections."""
        server = self.company(index)["servers"][0]
        domain = self.domain(index)
        certificate, key = self.files[domain]
        self.start_agent(self.agent(index), [
            ("agent", {"domain": domain, "keepalive": 0, "late": LATE, **(agent or {})}),
            ("pbx-side", {"udp": f"{self.at(index, 10)}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.at(index, 11)}:{SIP}"}),
            ("ime-side", {"tls": f"{self.at(index, 12)}:{SIPS}", "certificate": certificate, "key": key, "ca": self.authority.ca}),
            ("pbx office", {"host": self.at(index, 13)}),
            ("trunk carrier", trunk or {"host": self.at(3 - index, 11)}),
            ("service main", {"domain": domain, "vservice-id": f"{0xa0 + index:016x}", "server": server["vap"],
                              "user": self.company(index)["vap"]["user"], "password-file": os.path.join(self.server_home(index), "vap-password"),
                              "ca": self.description["ca"], "tls-name": split_address(server["vap"])[0],
                              "external-address": f"{self.at(index, 12)}:{SIPS}", "overlay": OVERLAY}),
            ("enrolled office", {"pattern": self.number(index)}),
            ("ticket", {"password-file": self.ticket_password(index), "epoch": 1}),
            *more,
        ])

    def restart(self, index):
        """Its agent, once more from its files."""
        self.start_daemon(self.agent(index), "agent")
        self.wait_daemon(self.agent(index))

    def published(self):
        """All numbers are in the ring."""
        for index in range(1, len(self.description["companies"]) + 1):
            control = self.company(index)["servers"][0]["control"]
            wait_for(lambda control=control: [n for n in self.ctl(control, "show", "numbers")["numbers"] if n["copies"]],
                     lambda index=index: f"{self.number(index)} is not published: {self.ctl(self.agent_control(index), 'agent', 'service', 'show')}",
                     LEARN_SECONDS)

    def learns(self, index, other):
        """A company learns the route to another one's number, from the record of a call."""
        def learned():
            rows = self.ctl(self.agent_control(index), "agent", "route", "list")["routes"]
            return [row for row in rows if row["number"] == self.number(other)]
        rows = wait_for(learned, lambda: str(self.ctl(self.company(index)["servers"][0]["control"], "explain", self.number(other))), LEARN_SECONDS)
        assert rows[0]["domain"] == self.domain(other) and self.at(other, 12) in rows[0]["uri"], rows

    def why(self, index, number):
        """Why a company's calls to a number went as they did."""
        return self.ctl(self.agent_control(index), "agent", "explain", number)["explanation"]

    def stranger(self, domain, ticket, host=12):
        """What is at that address of company 2 hears from a program with the certificate of a domain (or none): the first line of its answer, and its Reason."""
        context = ssl.create_default_context(cafile=self.authority.ca)
        context.check_hostname = False
        if domain:
            context.load_cert_chain(*self.files[domain])
        lines = [f"INVITE sip:{self.number(2)}@b.example SIP/2.0", f"Via: SIP/2.0/TLS {self.at(1, 12)}:{SIPS};branch=z9hG4bK{os.urandom(8).hex()}",
                 "Max-Forwards: 70", f"From: <sip:{self.number(1)}@a.example>;tag=lab", f"To: <sip:{self.number(2)}@b.example>",
                 f"Call-ID: {os.urandom(8).hex()}", "CSeq: 1 INVITE", f"Contact: <sip:lab@{self.at(1, 12)}:{SIPS};transport=tls>"]
        if ticket:
            lines.append("X-Cisco-ViPR-Ticket: " + ticket)
        with socket.create_connection((self.at(2, host), SIPS), timeout=10) as plain, context.wrap_socket(plain) as tls:
            tls.sendall("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
            octets = b""
            while b"\r\n\r\n" not in octets or octets.startswith(b"SIP/2.0 100"):
                more = tls.recv(65536)
                if not more:
                    break
                octets += more
                if octets.startswith(b"SIP/2.0 100") and b"\r\n\r\n" in octets:
                    octets = octets.split(b"\r\n\r\n", 1)[1]
        answer = octets.decode().split("\r\n")
        return answer[0], next((line for line in answer if line.startswith("Reason:")), "")
