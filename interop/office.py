#!/usr/bin/env python3
"""Kamailio as PBX and registrar in front of the agent, baresip as the phones: one registers at Kamailio, one is at the end of the trunk, one
registers at an agent itself. Calls each way, hold, a call given up, a call refused."""
import os
import sys

from peers import OUR_NUMBER, SIP, THEIR_NUMBER, Lab, listens, run, wait_for
from phone import Phone

MODULES = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"
KAMAILIO = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:{address}:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans())
            t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || (is_method("ACK") && t_check_trans()))
            t_relay();
        else if (!is_method("ACK"))
            sl_send_reply("481", "No Such Dialog");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    record_route();
    if (!lookup("location")) {{
        if (src_ip == {agent}) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
        $rd = "{agent}";
        $rp = {port};
    }}
    t_relay();
}}
"""
OTHER_NUMBER = "+493010001"
PASSWORD = "laboratory"


class Office(Lab):
    """Addresses: 1 and 2 the agent, 3 Kamailio, 4 the phone at the end of the trunk, 5 the desk's; 11 and 12
    a second agent, where a phone (13) registers with its password as a PBX of its own."""

    def __init__(self):
        super().__init__("office")
        self.net = f"{self.network}.1"
        try:
            self.start_all()
        except BaseException:
            self.down()
            raise

    def start_all(self):
        """Peers first: the agent says OPTIONS to them at once."""
        self.start_kamailio()
        self.desk = Phone(self, "desk", f"{self.net}.5", f"<sip:{OUR_NUMBER}@{self.net}.3>;regint=60")
        self.far = Phone(self, "far", f"{self.net}.4", f"<sip:{THEIR_NUMBER}@{self.net}.4>;regint=0")
        self.start_agent("agent", [
            ("agent", {"domain": "a.example", "keepalive": "5s"}),
            ("pbx-side", {"udp": f"{self.net}.1:{SIP}"}),
            ("pstn-side", {"udp": f"{self.net}.2:{SIP}"}),
            ("pbx kamailio", {"host": f"{self.net}.3"}),
            ("trunk carrier", {"host": f"{self.net}.4"}),
        ])
        self.start_agent("registrar", [
            ("agent", {"domain": "a.example", "keepalive": 0}),
            ("pbx-side", {"udp": f"{self.net}.11:{SIP}"}),
            ("pstn-side", {"udp": f"{self.net}.12:{SIP}"}),
            ("pbx desk", {"registers": "yes", "user": OTHER_NUMBER, "password": PASSWORD, "digest": "md5"}),
            ("trunk carrier", {"host": f"{self.net}.4"}),
        ])

    def start_kamailio(self):
        """The PBX."""
        home = self.home("kamailio")
        path = os.path.join(home, "kamailio.cfg")
        with open(path, "w") as out:
            out.write(KAMAILIO.format(address=f"{self.net}.3", agent=f"{self.net}.1", port=SIP, modules=MODULES))
        self.spawn("kamailio", ["kamailio", "-f", path, "-DD", "-E", "-w", home, "-Y", home, "-m", "32", "-M", "4"])
        wait_for(lambda: listens("udp", (f"{self.net}.3", SIP)) or not self.alive("kamailio"), lambda: self.log_tail("kamailio"))
        assert self.alive("kamailio"), self.log_tail("kamailio")

    def registered(self):
        """The desk phone is known to Kamailio; both sides of the agent answer its OPTIONS."""
        wait_for(lambda: self.count("desk", "[1 binding]"), lambda: self.log_tail("desk"))

        def up():
            trunks = self.ctl(self.control("agent"), "agent", "trunks")["trunks"]
            return all(t["state"] == "up" for t in trunks)
        wait_for(up, lambda: str(self.ctl(self.control("agent"), "agent", "trunks")))

    def connect(self, caller, callee, uri, agent="agent"):
        """A call up to the conversation."""
        caller.command("dial", uri)
        callee.expect("CALL_INCOMING")
        caller.expect("CALL_RINGING")
        callee.command("accept")
        callee.expect("CALL_ESTABLISHED")
        caller.expect("CALL_ESTABLISHED")
        assert self.ctl(self.control(agent), "show", "status")["calls"] == 1

    def end(self, who, other, agent="agent", status=200):
        """One hangs up, the other notices, the agent has noted it."""
        who.command("hangup")
        who.expect("CALL_CLOSED")
        other.expect("CALL_CLOSED")
        noted = self.newest_call(agent)
        assert noted["status"] == status, noted
        assert self.ctl(self.control(agent), "show", "status")["calls"] == 0
        return noted

    def out(self):
        """From the desk by Kamailio, the agent and the trunk."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        noted = self.end(self.desk, self.far)
        assert (noted["calling"], noted["called"], noted["from"], noted["to"]) == (OUR_NUMBER, THEIR_NUMBER, "PBX", "PSTN"), noted

    def into(self):
        """From the trunk to the desk; the called side hangs up."""
        self.connect(self.far, self.desk, f"sip:{OUR_NUMBER}@{self.net}.2")
        noted = self.end(self.desk, self.far)
        assert (noted["calling"], noted["called"], noted["from"], noted["to"]) == (THEIR_NUMBER, OUR_NUMBER, "PSTN", "PBX"), noted

    def hold(self):
        """The desk holds and takes back; the far phone is told of both."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        for command, direction in (("hold", "a=sendonly"), ("resume", "a=sendrecv")):
            before = self.count("far", direction)
            self.desk.command(command)
            wait_for(lambda direction=direction, before=before: self.count("far", direction) > before, f"{command} does not arrive")
        self.end(self.far, self.desk)

    def count(self, name, text):
        """How often a process has logged this."""
        with open(self.processes[name]["log"], errors="replace") as log:
            return log.read().count(text)

    def given_up(self):
        """The caller hangs up while it rings."""
        self.desk.command("dial", f"sip:{THEIR_NUMBER}@{self.net}.3")
        self.far.expect("CALL_INCOMING")
        self.desk.expect("CALL_RINGING")
        self.end(self.desk, self.far, status=487)

    def refused(self):
        """The called phone does not take the call."""
        self.far.command("dial", f"sip:{OUR_NUMBER}@{self.net}.2")
        self.desk.expect("CALL_INCOMING")
        self.far.expect("CALL_RINGING")
        self.desk.command("hangup")
        self.far.expect("CALL_CLOSED")
        noted = self.newest_call("agent")
        assert noted["status"] in (480, 486, 603), noted

    def digest(self):
        """A phone registers at an agent with its password, and is called there."""
        phone = Phone(self, "second", f"{self.net}.13", f"<sip:{OTHER_NUMBER}@{self.net}.11>;auth_user={OTHER_NUMBER};auth_pass={PASSWORD};regint=60")
        wait_for(lambda: self.count("second", "[1 binding]"), lambda: self.log_tail("second"))
        self.connect(phone, self.far, f"sip:{THEIR_NUMBER}@{self.net}.11", "registrar")
        self.end(phone, self.far, "registrar")

    def steps(self):
        """All of them."""
        yield "a phone registers at Kamailio, the agent finds both its sides", self.registered
        yield "a call out", self.out
        yield "a call in", self.into
        yield "hold", self.hold
        yield "a call given up", self.given_up
        yield "a call refused", self.refused
        yield "a phone registers at the agent with digest", self.digest


if __name__ == "__main__":
    LAB = Office()
    sys.exit(run(LAB, LAB.steps()))
