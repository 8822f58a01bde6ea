#!/usr/bin/env python3
"""Kamailio as PBX and registrar in front of the agent, baresip as the phones: one registers at Kamailio, one is at the end of the trunk, one
registers at an agent itself. Calls each way, hold, video, tones, calls given up, busy, a transfer."""
import sys

import kamailio
from peers import OUR_NUMBER, SIP, THEIR_NUMBER, Lab, run, wait_for
from phone import Phone

OTHER_NUMBER, INNER_NUMBER = "+493010001", "+493010002"
PASSWORD = "laboratory"
VIDEO = """module vp8.so
module fakevideo.so
video_source fakevideo,nothing
video_display fakevideo,nothing
video_size 176x144
video_fps 5
"""
ONE_CALL = "call_max_calls 1\n"


class Office(Lab):
    """Addresses: 1 and 2 the agent, 3 Kamailio, 4 the phone at the end of the trunk, 5 the desk's, 6 another one beside it; 11 and 12
    a second agent, where a phone (13) registers with its password as a PBX of its own."""

    def __init__(self):
        super().__init__("office")
        self.net = f"{self.network}.1"

    def start_all(self):
        """Peers first: the agent says OPTIONS to them at once."""
        kamailio.start(self, "kamailio", f"{self.net}.3", f"{self.net}.1")
        self.desk = Phone(self, "desk", f"{self.net}.5", f"<sip:{OUR_NUMBER}@{self.net}.3>;regint=60", VIDEO + ONE_CALL)
        self.inner = Phone(self, "inner", f"{self.net}.6", f"<sip:{INNER_NUMBER}@{self.net}.3>;regint=60")
        self.far = Phone(self, "far", f"{self.net}.4", f"<sip:{THEIR_NUMBER}@{self.net}.4>;regint=0", VIDEO + "call_max_calls 2\n")
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

    def registered(self):
        """The phones are known to Kamailio; both sides of the agent answer its OPTIONS."""
        for name in ("desk", "inner"):
            wait_for(lambda name=name: self.count(name, "[1 binding]"), lambda name=name: self.log_tail(name))

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
        assert self.calls_in_progress(agent) == 1

    def end(self, who, other, agent="agent", status=200):
        """One hangs up, the other notices, the agent has noted it."""
        who.command("hangup")
        who.expect("CALL_CLOSED")
        other.expect("CALL_CLOSED")
        noted = self.newest_call(agent)
        assert noted["status"] == status, noted
        self.nothing_left(agent)
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
        """Each of them holds and takes back; the other phone is told of both."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        for phone, other in ((self.desk, "far"), (self.far, "desk")):
            for command, direction in (("hold", "a=sendonly"), ("resume", "a=sendrecv")):
                before = self.count(other, direction)
                phone.command(command)
                wait_for(lambda other=other, direction=direction, before=before: self.count(other, direction) > before, f"{command} does not arrive")
        self.end(self.far, self.desk)

    def video(self):
        """The desk turns its video off and on again, which is a re-INVITE with video each time."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        assert self.count("far", "m=video"), self.log_tail("far")
        for direction in ("inactive", "sendrecv"):
            before = self.count("far", "got re-INVITE")
            self.desk.command("video_dir", direction)
            wait_for(lambda before=before: self.count("far", "got re-INVITE") > before, f"video {direction} does not arrive")
        self.end(self.desk, self.far)

    def tones(self):
        """A tone each way, as events in RTP that both have agreed on. (A baresip that calls has no sound source here, so that it sends none.)"""
        for caller, callee, uri, digit in ((self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3", "5"),
                                           (self.far, self.desk, f"sip:{OUR_NUMBER}@{self.net}.2", "9")):
            self.connect(caller, callee, uri)
            callee.command("sndcode", digit)
            assert caller.expect("CALL_DTMF_START")["param"] == digit
            self.end(caller, callee)

    def given_up(self):
        """The caller hangs up while it rings."""
        for caller, callee, uri in ((self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3"), (self.far, self.desk, f"sip:{OUR_NUMBER}@{self.net}.2")):
            caller.command("dial", uri)
            callee.expect("CALL_INCOMING")
            caller.expect("CALL_RINGING")
            self.end(caller, callee, status=487)

    def busy(self):
        """The desk has one call: a second one finds it busy."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        self.far.command("dial", f"sip:{OUR_NUMBER}@{self.net}.2")
        closed = self.far.expect("CALL_CLOSED")
        assert "486" in closed["param"] or "Busy" in closed["param"], closed
        self.desk.command("hangup")
        self.far.expect("CALL_CLOSED")
        self.nothing_left("agent")
        statuses = sorted(c["status"] for c in self.ctl(self.control("agent"), "agent", "calls", "--limit", "2")["calls"])
        assert statuses == [200, 486], statuses

    def transfer(self):
        """The desk connects the far phone to the one beside it: that call comes from the trunk."""
        self.connect(self.desk, self.far, f"sip:{THEIR_NUMBER}@{self.net}.3")
        self.desk.command("transfer", f"sip:{INNER_NUMBER}@{self.net}.1")
        self.inner.expect("CALL_INCOMING")
        self.inner.command("accept")
        self.inner.expect("CALL_ESTABLISHED")
        self.desk.command("hangup")  # if it has not done so yet
        wait_for(lambda: self.calls_in_progress("agent") == 1, "there is not one call")
        self.inner.command("hangup")
        noted = self.newest_call("agent")
        assert (noted["from"], noted["to"], noted["called"]) == ("PSTN", "PBX", INNER_NUMBER), noted
        self.nothing_left("agent")

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
        yield "hold, each way", self.hold
        yield "video", self.video
        yield "tones in RTP, each way", self.tones
        yield "calls given up", self.given_up
        yield "busy", self.busy
        yield "a call refused", self.refused
        yield "a transfer", self.transfer
        yield "a phone registers at the agent with digest", self.digest


if __name__ == "__main__":
    LAB = Office()
    sys.exit(run(LAB))
