#!/usr/bin/env python3
"""Two companies, each with an IME server, an agent and sipp as PBX: the first call goes by the phone network, both agents hand in its record,
the servers validate it, the next call goes from agent to agent over TLS with its ticket, and by the phone network again when the far
agent is gone. The trunks of the two agents are one wire between them."""
import os
import subprocess
import sys

import sipp
from peers import SIP, Lab, run, wait_for
from sipp import Callee, Caller, pause

from world import OVERLAY, split_address  # noqa: E402

SIPS = 5061
# Numbers are few enough to try them all: a hash that costs less makes that quick. One call is proof enough here, and a short one.
RING = {"number-hash": "argon2id", "argon2-memory": "16M", "argon2-passes": "2"}
VALIDATOR = {"delay-min": "0", "delay-max": "100ms", "minimum-interval": "1s", "retry": "2s", "minimum-call": "1s", "bucketentropy": 11}
TALK_MS = 1600
LEARN_SECONDS = 90


class Direct(Lab):
    """The companies are 1 and 2; of each, address 10 is the agent for its PBX, 11 for its trunk, 12 for others; 13 is the PBX."""

    def __init__(self):
        super().__init__("direct")
        os.rmdir(self.directory)
        self.up(2, 1, validator=VALIDATOR, ring=RING)
        try:
            self.authority()
            for company in (1, 2):
                self.start_company(company)
        except BaseException:
            self.down()
            raise

    def at(self, company, host):
        """An address of a company."""
        return f"{self.network}.{company}.{host}"

    def number(self, company):
        """Its only number that takes part."""
        return self.description["companies"][company - 1]["numbers"][3]

    def file(self, name):
        """Of the authority that both companies trust."""
        return os.path.join(self.directory, name)

    def openssl(self, *words):
        """One command; files are in the world's folder."""
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=60)

    def authority(self):
        """A certificate for the domain of each company."""
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.openssl("req", "-x509", *key, "-keyout", "public.key", "-out", "public.pem", "-subj", "/CN=lab authority", "-days", "30")
        for company in self.description["companies"]:
            domain = company["domain"]
            with open(self.file(f"{domain}.ext"), "w") as out:
                out.write(f"subjectAltName=DNS:{domain}\nextendedKeyUsage=serverAuth,clientAuth\n")
            self.openssl("req", "-new", *key, "-keyout", f"{domain}.key", "-out", f"{domain}.csr", "-subj", f"/CN={domain}")
            self.openssl("x509", "-req", "-in", f"{domain}.csr", "-CA", "public.pem", "-CAkey", "public.key", "-set_serial", "7", "-days", "30",
                         "-extfile", f"{domain}.ext", "-out", f"{domain}.pem")
            os.chmod(self.file(f"{domain}.key"), 0o600)

    def agent(self, company):
        """Its name as a process."""
        return f"agent-{self.description['companies'][company - 1]['name'].lower()}"

    def start_company(self, index):
        """Its agent."""
        company = self.description["companies"][index - 1]
        server = company["servers"][0]
        home = os.path.dirname(server["control"])
        domain = company["domain"]
        self.start_agent(self.agent(index), [
            ("agent", {"domain": domain, "keepalive": 0, "connect-timeout": "1s"}),
            ("pbx-side", {"udp": f"{self.at(index, 10)}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.at(index, 11)}:{SIP}"}),
            ("ime-side", {"tls": f"{self.at(index, 12)}:{SIPS}", "certificate": self.file(domain + ".pem"),
                          "key": self.file(domain + ".key"), "ca": self.file("public.pem")}),
            ("pbx office", {"host": self.at(index, 13)}),
            ("trunk carrier", {"host": self.at(3 - index, 11)}),
            ("service main", {"domain": domain, "vservice-id": f"{0xa0 + index:016x}", "server": server["vap"], "user": company["vap"]["user"],
                              "password-file": os.path.join(home, "vap-password"), "ca": self.description["ca"],
                              "tls-name": split_address(server["vap"])[0], "external-address": f"{self.at(index, 12)}:{SIPS}",
                              "overlay": OVERLAY}),
            ("enrolled office", {"pattern": self.number(index)}),
            ("ticket", {"password-file": os.path.join(home, "ticket-password"), "epoch": 1}),
        ])

    def published(self):
        """Both numbers are in the ring."""
        for index in (1, 2):
            control = self.description["companies"][index - 1]["servers"][0]["control"]
            wait_for(lambda control=control: [n for n in self.ctl(control, "show", "numbers")["numbers"] if n["copies"]],
                     lambda: f"{self.number(index)} is not published: {self.ctl(self.control(self.agent(index)), 'agent', 'service', 'show')}",
                     LEARN_SECONDS)

    def call(self, name, callee_at, to):
        """Somebody at company 1 calls company 2."""
        caller = Caller(self.number(1), self.number(2), "udp")
        problems = sipp.play(self.file(name), "udp", [caller.invite(), *caller.answered(), pause(TALK_MS), *caller.hang_up()], (self.at(1, 13), SIP),
                             Callee.called() + Callee.rings() + Callee.answers() + Callee.hears("BYE"), callee_at, (self.at(1, 10), SIP))
        noted = self.newest_call(self.agent(1))
        why = self.ctl(self.control(self.agent(1)), "agent", "explain", self.number(2))["explanation"]
        assert not problems, "\n".join([*problems, why])
        assert noted["to"] == to, why
        return noted

    def first_call(self):
        """No route yet: by the phone network."""
        self.call("first", (self.at(2, 13), SIP), "PSTN")

    def learned(self):
        """The route to company 2, from the record of that call."""
        rows = wait_for(lambda: self.ctl(self.control(self.agent(1)), "agent", "route", "list")["routes"], lambda: str(self.ctl(self.description["companies"][0]["servers"][0]["control"], "explain", self.number(2))),
                        LEARN_SECONDS)
        assert (rows[0]["number"], rows[0]["domain"]) == (self.number(2), "b.example"), rows
        assert self.at(2, 12) in rows[0]["uri"], rows

    def direct_call(self):
        """With the ticket, over TLS; both agents note that it was direct."""
        self.call("direct", (self.at(2, 13), SIP), "IME")
        noted = self.newest_call(self.agent(2))
        assert (noted["from"], noted["to"], noted["status"]) == ("IME", "PBX", 200), noted

    def back_to_the_phone_network(self):
        """The far agent is stopped; the phone network still reaches the company (here sipp at the end of the trunk)."""
        self.stop(self.agent(2))
        noted = self.call("back", (self.at(2, 11), SIP), "PSTN")
        assert noted["cause"] not in ("-", 0), noted

    def direct_again(self):
        """The far agent is back: its route, the only one, is tried again at once."""
        self.start_daemon(self.agent(2), "agent")
        self.wait_daemon(self.agent(2))
        self.call("again", (self.at(2, 13), SIP), "IME")

    def steps(self):
        """In this order; each needs those before."""
        for step in (self.published, self.first_call, self.learned, self.direct_call, self.back_to_the_phone_network, self.direct_again):
            yield step.__name__.replace("_", " "), step


if __name__ == "__main__":
    LAB = Direct()
    sys.exit(run(LAB, LAB.steps()))
