#!/usr/bin/env python3
"""sipsak asks the agent for OPTIONS over UDP and TCP, registers as a PBX, and sends rubbish: known peers are answered, strangers do
not register in their place, and the agent goes on working."""
import subprocess
import sys

from peers import SIP, Lab, run


class Options(Lab):
    """An agent with a PBX at sipsak's address, and one that registers."""

    def __init__(self):
        super().__init__("options")
        self.known, self.strict = f"{self.network}.1.1", f"{self.network}.1.5"

    def start_all(self):
        """Both agents."""
        self.start_agent("open", [
            ("agent", {"domain": "a.example", "keepalive": 0}),
            ("pbx-side", {"udp": f"{self.known}:{SIP}", "tcp": f"{self.known}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.network}.1.2:{SIP}"}),
            ("pbx office", {"host": f"{self.network}.1.3", "source": "127.0.0.1"}),
            ("trunk carrier", {"host": f"{self.network}.1.4"}),
        ])
        self.start_agent("strict", [
            ("agent", {"domain": "a.example", "keepalive": 0}),
            ("pbx-side", {"udp": f"{self.strict}:{SIP}", "tcp": f"{self.strict}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.network}.1.6:{SIP}"}),
            ("pbx office", {"registers": "yes", "user": "office", "source": "127.0.0.1"}),
            ("trunk carrier", {"host": f"{self.network}.1.8"}),
        ])

    @staticmethod
    def ask(*words):
        """sipsak's exit status and output."""
        done = subprocess.run(["sipsak", *words], capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def options(self, transport):
        """A peer that is known asks."""
        status, text = self.ask("-v", "-v", "-v", "-E", transport, "-s", f"sip:{self.known}:{SIP}")
        assert status == 0 and "200 OK" in text, text

    def registration(self):
        """Of the PBX that registers."""
        trunks = self.ctl(self.control("strict"), "agent", "trunks")["trunks"]
        return next(t for t in trunks if t["name"] == "office")

    def stranger(self):
        """Who is not the PBX does not register in its place."""
        status, text = self.ask("-v", "-v", "-U", "-i", "-x", "120", "-C", f"sip:nobody@127.0.0.1:{SIP}", "-s", f"sip:nobody@{self.strict}:{SIP}")
        assert status != 0, text
        assert self.registration()["state"] == "not located", self.registration()

    def register(self):
        """The PBX registers from its address; calls would go there."""
        status, text = self.ask("-v", "-v", "-U", "-i", "-S", "-l", str(SIP + 9), "-x", "120", "-C", f"sip:office@127.0.0.1:{SIP + 9}", "-s",
                                f"sip:office@{self.strict}:{SIP}")
        assert status == 0, text
        assert self.registration()["address"] == f"127.0.0.1:{SIP + 9}", self.registration()

    def rubbish(self):
        """Requests of which more and more characters are changed at random."""
        self.ask("-R", "-t", "150", "-s", f"sip:{self.known}:{SIP}")
        self.options("udp")

    def steps(self):
        """All of them."""
        yield "OPTIONS over UDP", lambda: self.options("udp")
        yield "OPTIONS over TCP", lambda: self.options("tcp")
        yield "REGISTER of a stranger", self.stranger
        yield "REGISTER of the PBX", self.register
        yield "requests full of errors", self.rubbish


if __name__ == "__main__":
    LAB = Options()
    sys.exit(run(LAB))
