#!/usr/bin/env python3
"""linphone-cli and baresip on both sides of an agent, all of them with digest: a linphone registers at the agent as a PBX of its own, the agent at
Kamailio as its carrier, two linphones and a baresip are the carrier's other customers. Calls each way, hold, tones, CANCEL, busy, transfers."""
import sys

import kamailio
from linphonec import Linphone
from peers import OUR_NUMBER, SIP, THEIR_NUMBER, Lab, run, wait_for
from phone import Phone

THIRD_NUMBER, BARE_NUMBER = "+498920001", "+498920002"
PASSWORD = "laboratory"


class Phones(Lab):
    """Addresses: 1 and 2 the agent, 3 Alice's linphone, 4 Kamailio, 5 Bob's linphone, 6 Carol's, 7 Dave's baresip."""

    def __init__(self):
        super().__init__("phones")
        self.net = f"{self.network}.1"
        self.carrier = f"{self.net}.4"

    def start_all(self):
        """The carrier first: everybody registers at once."""
        kamailio.start(self, "kamailio", self.carrier, f"{self.net}.2", password=PASSWORD)
        self.start_agent("agent", [
            ("agent", {"domain": "a.example", "keepalive": "5s"}),
            ("pbx-side", {"udp": f"{self.net}.1:{SIP}"}),
            ("pstn-side", {"udp": f"{self.net}.2:{SIP}"}),
            ("pbx alice", {"registers": "yes", "user": OUR_NUMBER, "password": PASSWORD}),
            ("trunk carrier", {"host": self.carrier, "registers": "yes", "user": OUR_NUMBER, "password": PASSWORD,
                               "source": f"{self.net}.5, {self.net}.6, {self.net}.7"}),
        ])
        self.alice = Linphone(self, "alice", f"{self.net}.3", OUR_NUMBER, f"{self.net}.1", PASSWORD, register=True)
        self.bob = Linphone(self, "bob", f"{self.net}.5", THEIR_NUMBER, self.carrier, PASSWORD, register=True)
        self.carol = Linphone(self, "carol", f"{self.net}.6", THIRD_NUMBER, self.carrier, PASSWORD, register=True,
                              sections={"sip": {"use_info": 1, "use_rfc2833": 0}})
        self.dave = Phone(self, "dave", f"{self.net}.7",
                          f"<sip:{BARE_NUMBER}@{self.carrier}>;auth_user={BARE_NUMBER};auth_pass={PASSWORD};regint=60", "call_max_calls 1\n")

    def registered(self):
        """Everybody is where he belongs, and has shown his password."""
        for phone in (self.alice, self.bob, self.carol):
            phone.registered()
        wait_for(lambda: self.count("dave", "[1 binding]"), lambda: self.log_tail("dave"))

        def good():
            return all(t["state"] in ("up", "registered") and t["registration"] in ("registered", "good")
                       for t in self.ctl(self.control("agent"), "agent", "trunks")["trunks"])
        wait_for(good, lambda: str(self.ctl(self.control("agent"), "agent", "trunks")))

    # -- one call at a time ------------------------------------------------------------------------------------------------

    def dials(self, number):
        """Alice calls a number: the call's number on her phone."""
        self.alice.command(f"call sip:{number}@{self.net}.1")
        return int(self.alice.expect(r"Establishing call id to .* assigned id (\d+)").group(1))

    def noted(self, status=200, way=("PBX", "PSTN")):
        """What the agent says of the call that has just ended; nothing of it is left."""
        noted = self.newest_call("agent")
        assert (noted["from"], noted["to"]) == way and noted["status"] == status, noted
        self.nothing_left("agent")
        return noted

    def out_to_baresip(self):
        """linphone calls baresip, which hangs up."""
        self.dials(BARE_NUMBER)
        self.dave.expect("CALL_INCOMING")
        self.alice.expect("ringing")
        self.dave.command("accept")
        self.dave.expect("CALL_ESTABLISHED")
        self.alice.expect("connected")
        self.dave.command("hangup")
        self.alice.expect("ended")
        noted = self.noted()
        assert (noted["calling"], noted["called"]) == (OUR_NUMBER, BARE_NUMBER), noted

    def in_from_baresip(self):
        """baresip calls linphone, which hangs up."""
        self.dave.command("dial", f"sip:{OUR_NUMBER}@{self.carrier}")
        self.alice.expect("Receiving new incoming call")
        self.dave.expect("CALL_RINGING")
        self.alice.command("answer")
        self.dave.expect("CALL_ESTABLISHED")
        self.alice.expect("connected")
        self.alice.command("terminate")
        self.dave.expect("CALL_CLOSED")
        self.alice.expect("ended")
        noted = self.noted(way=("PSTN", "PBX"))
        assert (noted["calling"], noted["called"]) == (BARE_NUMBER, OUR_NUMBER), noted

    def connect(self, phone, number):
        """Alice calls another linphone: the call's number on her phone."""
        call = self.dials(number)
        phone.expect("Receiving new incoming call")
        self.alice.expect("ringing")
        phone.command("answer")
        phone.expect("connected")
        self.alice.expect("connected")
        return call

    def calls(self, phone):
        """Another linphone calls Alice."""
        phone.command(f"call sip:{OUR_NUMBER}@{self.carrier}")
        self.alice.expect("Receiving new incoming call")
        phone.expect("ringing")
        self.alice.command("answer")
        phone.expect("connected")
        self.alice.expect("connected")

    def pause(self):
        """Alice holds her call, so that she can have another one."""
        self.alice.command("pause")
        self.alice.expect("is now paused")

    def hold(self):
        """One linphone holds another one, and takes it back; then the other way around."""
        self.connect(self.bob, THEIR_NUMBER)
        for holder, held in ((self.alice, self.bob), (self.bob, self.alice)):
            holder.command("pause")
            holder.expect("is now paused")
            held.expect("has been paused by")
            holder.command("resume")
            holder.expect("Resuming call|connected|Media streams established")
            held.expect("Media streams established|connected|resumed")
        self.alice.command("terminate")
        self.bob.expect("ended")
        self.alice.expect("ended")
        self.noted()

    def tones_in_media(self):
        """linphone and baresip send each other a tone as an event in RTP."""
        self.dials(BARE_NUMBER)
        self.dave.expect("CALL_INCOMING")
        self.dave.command("accept")
        self.dave.expect("CALL_ESTABLISHED")
        self.alice.expect("Media streams established")
        self.alice.command("5")
        assert self.dave.expect("CALL_DTMF_START")["param"] == "5"
        self.dave.command("sndcode", "7")
        self.alice.expect("Receiving tone 7")
        self.alice.command("terminate")
        self.dave.expect("CALL_CLOSED")
        self.noted()

    def tones_by_info(self):
        """A linphone sends another one a tone by INFO."""
        self.calls(self.carol)
        relayed = self.counter("agent", "agent.requests_relayed")
        self.carol.command("4")
        self.alice.expect("Receiving tone 4")
        assert self.counter("agent", "agent.requests_relayed") > relayed
        self.carol.command("terminate")
        self.alice.expect("ended")
        self.noted(way=("PSTN", "PBX"))

    def given_up(self):
        """The caller hangs up while it rings: linphone, then baresip."""
        self.dials(BARE_NUMBER)
        self.dave.expect("CALL_INCOMING")
        self.alice.expect("ringing")
        self.alice.command("terminate")
        self.dave.expect("CALL_CLOSED")
        self.noted(487)
        self.dave.command("dial", f"sip:{OUR_NUMBER}@{self.carrier}")
        self.alice.expect("Receiving new incoming call")
        self.dave.expect("CALL_RINGING")
        self.dave.command("hangup")
        self.alice.expect("ended")
        self.noted(487, ("PSTN", "PBX"))

    def busy(self):
        """baresip has a call already: a second one finds it busy, the first one goes on."""
        self.dials(BARE_NUMBER)
        self.dave.expect("CALL_INCOMING")
        self.dave.command("accept")
        self.alice.expect("connected")
        self.pause()
        self.dials(BARE_NUMBER)
        self.alice.expect("[Bb]usy|error")
        self.newest_call("agent")
        assert self.calls_in_progress("agent") == 1
        self.dave.command("hangup")
        self.alice.expect("ended")
        self.nothing_left("agent")
        statuses = sorted(c["status"] for c in self.ctl(self.control("agent"), "agent", "calls", "--limit", "2")["calls"])
        assert statuses == [200, 486], statuses

    def declined(self):
        """linphone does not take a call."""
        self.dave.command("dial", f"sip:{OUR_NUMBER}@{self.carrier}")
        self.alice.expect("Receiving new incoming call")
        self.dave.expect("CALL_RINGING")
        self.alice.command("terminate")
        self.dave.expect("CALL_CLOSED")
        self.noted(603, ("PSTN", "PBX"))

    # -- transfers -----------------------------------------------------------------------------------------------------------

    def blind_transfer(self):
        """Alice connects Bob to Carol, who is at the same carrier."""
        call = self.connect(self.bob, THEIR_NUMBER)
        self.alice.command(f"transfer {call} sip:{THIRD_NUMBER}@{self.carrier}")
        self.carol.expect("Receiving new incoming call")
        self.carol.command("answer")
        self.carol.expect("connected")
        self.alice.expect("ended")
        self.noted()
        self.bob.command("terminate all")
        self.carol.expect("ended")

    def attended_transfer(self):
        """Alice talks with Bob and with Carol, and connects them: Bob's call takes the place of hers with Carol (Replaces), through the agent."""
        first = self.connect(self.bob, THEIR_NUMBER)
        self.pause()
        second = self.connect(self.carol, THIRD_NUMBER)
        self.alice.command(f"transfer {first} --to-call {second}")
        self.carol.expect("connected")
        for _ in range(2):
            self.alice.expect("ended")
        wait_for(lambda: self.calls_in_progress("agent") == 1, "there is not one call between Bob and Carol")
        self.bob.command("terminate all")
        self.carol.expect("ended")
        self.nothing_left("agent")

    def steps(self):
        """All of them."""
        yield "phones and agent register with digest", self.registered
        yield "linphone calls baresip", self.out_to_baresip
        yield "baresip calls linphone", self.in_from_baresip
        yield "linphones hold each other", self.hold
        yield "tones in RTP, linphone and baresip", self.tones_in_media
        yield "tones by INFO, linphone", self.tones_by_info
        yield "calls given up, by linphone and by baresip", self.given_up
        yield "busy: baresip", self.busy
        yield "declined: linphone", self.declined
        yield "a transfer (REFER), linphone", self.blind_transfer
        yield "a transfer of two calls (Replaces), linphone", self.attended_transfer


if __name__ == "__main__":
    LAB = Phones()
    sys.exit(run(LAB))
