#!/usr/bin/env python3
"""TLS on both sides of an agent: baresip registers at it with its password, the agent at Kamailio as its carrier, where a linphone registers, too.
Everybody checks certificates; the agent has nothing to do with a carrier whose certificate nobody vouches for. sipsak asks over TLS."""
import os
import subprocess
import sys

import kamailio
from authority import Authority
from linphonec import Linphone
from peers import OUR_NUMBER, SIPS, THEIR_NUMBER, Lab, listens, run, wait_for
from phone import Phone

PASSWORD = "laboratory"


class Tls(Lab):
    """Addresses: 1 and 2 the agent, 3 the desk's baresip, 4 Kamailio, 5 the linphone there, 6 the stranger, 11 and 12 an agent that trusts it."""

    def __init__(self):
        super().__init__("tls")
        self.net = f"{self.network}.1"

    def start_all(self):
        """Each program with a certificate for its address."""
        authority = Authority(os.path.join(self.directory, "authority"))
        others = Authority(os.path.join(self.directory, "others"), "others")
        self.ca = authority.ca

        def certified(address, by=authority):
            return by.issue(address, "IP:" + address)
        agent, inner = certified(f"{self.net}.2"), certified(f"{self.net}.1")
        kamailio.start(self, "kamailio", f"{self.net}.4", f"{self.net}.2", tls=(*certified(f"{self.net}.4"), self.ca), password=PASSWORD)
        stranger = certified(f"{self.net}.6", others)
        self.spawn("stranger", ["openssl", "s_server", "-accept", f"{self.net}.6:{SIPS}", "-cert", stranger[0], "-key", stranger[1]],
                   stdin=subprocess.PIPE)
        wait_for(lambda: listens("tcp", (f"{self.net}.6", SIPS)), lambda: self.log_tail("stranger"))
        self.start_agent("agent", [
            ("agent", {"domain": "a.example", "keepalive": "1s"}),
            ("pbx-side", {"tls": f"{self.net}.1:{SIPS}", "certificate": inner[0], "key": inner[1], "ca": self.ca}),
            ("pstn-side", {"tls": f"{self.net}.2:{SIPS}", "certificate": agent[0], "key": agent[1], "ca": self.ca}),
            ("pbx desk", {"registers": "yes", "user": OUR_NUMBER, "password": PASSWORD, "digest": "md5"}),
            ("pbx sipsak", {"host": "127.0.0.1", "transport": "tls", "port": 9}),
            ("trunk carrier", {"host": f"{self.net}.4", "port": SIPS, "transport": "tls", "registers": "yes", "user": OUR_NUMBER, "password": PASSWORD}),
            ("trunk stranger", {"host": f"{self.net}.6", "port": SIPS, "transport": "tls"}),
        ])
        self.desk = Phone(self, "desk", f"{self.net}.3",
                          f"<sip:{OUR_NUMBER}@{self.net}.1:{SIPS};transport=tls>;auth_user={OUR_NUMBER};auth_pass={PASSWORD};regint=60",
                          f"sip_cafile {self.ca}\n")
        self.far = Linphone(self, "far", f"{self.net}.5", THEIR_NUMBER, f"{self.net}.4", PASSWORD, transport="tls", register=True, sections={
            "sip": {"root_ca": self.ca, "verify_server_certs": 1, "verify_server_cn": 0}})

    def trunk(self, name):
        """What the agent says of one."""
        return next(t for t in self.ctl(self.control("agent"), "agent", "trunks")["trunks"] if t["name"] == name)

    def registered(self):
        """All registrations, each with digest over TLS."""
        wait_for(lambda: self.count("desk", "[1 binding]"), lambda: self.log_tail("desk"))
        self.far.registered()
        for name in ("desk", "carrier"):
            wait_for(lambda name=name: self.trunk(name)["registration"] == "registered", lambda name=name: str(self.trunk(name)))

    def out(self):
        """baresip calls linphone, and holds it for a while."""
        self.desk.command("dial", f"sip:{THEIR_NUMBER}@{self.net}.1:{SIPS}")
        self.far.expect("Receiving new incoming call")
        self.desk.expect("CALL_RINGING")
        self.far.command("answer")
        self.desk.expect("CALL_ESTABLISHED")
        self.far.expect("connected")
        self.desk.command("hold")
        self.far.expect("has been paused by")
        self.desk.command("resume")
        self.far.expect("Media streams established|connected|resumed")
        self.desk.command("hangup")
        self.far.expect("ended")
        noted = self.newest_call("agent")
        assert (noted["from"], noted["to"], noted["status"]) == ("PBX", "PSTN", 200), noted

    def into(self):
        """linphone calls baresip, which hangs up."""
        self.far.command(f"call sip:{OUR_NUMBER}@{self.net}.4")
        self.desk.expect("CALL_INCOMING")
        self.far.expect("ringing")
        self.desk.command("accept")
        self.desk.expect("CALL_ESTABLISHED")
        self.far.expect("connected")
        self.desk.command("hangup")
        self.far.expect("ended")
        noted = self.newest_call("agent")
        assert (noted["from"], noted["to"], noted["status"]) == ("PSTN", "PBX", 200), noted

    def given_up(self):
        """CANCEL each way."""
        self.desk.command("dial", f"sip:{THEIR_NUMBER}@{self.net}.1:{SIPS}")
        self.far.expect("Receiving new incoming call")
        self.desk.expect("CALL_RINGING")
        self.desk.command("hangup")
        self.far.expect("ended")
        assert self.newest_call("agent")["status"] == 487
        self.far.command(f"call sip:{OUR_NUMBER}@{self.net}.4")
        self.desk.expect("CALL_INCOMING")
        self.far.expect("ringing")
        self.far.command("terminate")
        self.desk.expect("CALL_CLOSED")
        assert self.newest_call("agent")["status"] == 487

    def asked(self):
        """sipsak's OPTIONS. It takes the port for a part of the name that the certificate should have, so that it must not look at that."""
        done = subprocess.run(["sipsak", "-v", "-v", "-v", "-E", "tls", "--tls-ignore-cert-failure", "-s", f"sip:{self.net}.1:{SIPS}"],
                              capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False)
        assert done.returncode == 0 and "200 OK" in done.stdout, done.stdout + done.stderr

    def not_trusted(self):
        """The stranger's certificate is not taken: no message goes there."""
        wait_for(lambda: self.count("agent", "stranger") and self.trunk("stranger")["state"] == "down", lambda: str(self.trunk("stranger")))
        assert not self.count("stranger", "OPTIONS"), self.log_tail("stranger")
        assert self.trunk("carrier")["state"] == "up", self.trunk("carrier")

    def steps(self):
        """All of them."""
        yield "baresip at the agent, the agent and linphone at Kamailio register over TLS", self.registered
        yield "a call out, and hold", self.out
        yield "a call in", self.into
        yield "calls given up", self.given_up
        yield "OPTIONS by sipsak", self.asked
        yield "a carrier that nobody vouches for", self.not_trusted


if __name__ == "__main__":
    LAB = Tls()
    sys.exit(run(LAB))
