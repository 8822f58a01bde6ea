#!/usr/bin/env python3
"""sipp as PBX and as trunk, over UDP and TCP: calls in both directions through an agent, with all that happens in calls. The two ends check
what they receive; the agent must have noted the call and keep nothing of it."""
import os
import sys

import sipp
from peers import OUR_NUMBER, SIP, THEIR_NUMBER, Lab, run
from sipp import AUDIO, VIDEO, Callee, Caller, check, expect, message, pause, response, sdp

HELD = sdp(*AUDIO, version=2, direction="sendonly")
HOLDS = sdp(*AUDIO, version=2, direction="recvonly")
AGAIN = sdp(*AUDIO, version=3)
WITH_VIDEO = sdp(*AUDIO, *VIDEO, version=2)
PASSWORD = "only in this laboratory"
TONE = "Signal=5\nDuration=160"
BUSY, ENDED = 486, 487


def plain(caller):
    """The caller hangs up."""
    return caller.answered() + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


def callee_ends(caller):
    """The callee hangs up."""
    return caller.answered() + caller.hears("BYE"), Callee.answers() + [Callee.request("BYE", 1), expect(200)]


def hold(caller):
    """The caller holds the call and takes it back."""
    return (caller.answered() + caller.reinvite(2, HELD, check("", "a=recvonly")) + caller.reinvite(3, AGAIN, check("", "a=sendrecv")) +
            caller.hang_up(4),
            Callee.answers() + Callee.reinvited(HOLDS, check("", "a=sendonly")) + Callee.reinvited(AGAIN, check("", "a=sendrecv")) +
            Callee.hears("BYE"))


def callee_holds(caller):
    """The callee holds the call."""
    return (caller.answered() + [expect("INVITE", check("", "a=sendonly")), response(200, body=HOLDS, again=True), expect("ACK")] +
            caller.hang_up(),
            Callee.answers() + [Callee.request("INVITE", 1, HELD), expect(100, optional=True), expect(200, check("", "a=recvonly")),
                                Callee.request("ACK", 1)] + Callee.hears("BYE"))


def video(caller):
    """The caller adds video; its parameters arrive as they were sent."""
    seen = (check("", "m=video 40002 RTP/AVP 97"), check("", "a=fmtp:97 profile-level-id=42801f;packetization-mode=1"))
    return (caller.answered() + caller.reinvite(2, WITH_VIDEO, *seen) + caller.hang_up(3),
            Callee.answers() + Callee.reinvited(WITH_VIDEO, *seen) + Callee.hears("BYE"))


def tones(caller):
    """A tone each way by INFO."""
    seen = (check("Content-Type", "application/dtmf-relay"), check("", "Signal=5"))
    return (caller.answered() + [caller.request("INFO", 2, TONE), expect(200)] + caller.hears("INFO", *seen) + caller.hang_up(3),
            Callee.answers() + Callee.hears("INFO", *seen) + [Callee.request("INFO", 1, TONE), expect(200)] + Callee.hears("BYE"))


def early_media(caller):
    """Announcements before the answer: 183 with a session description, then 180."""
    return ([expect(100, optional=True), expect(180), expect(183, check("", "m=audio 40000 RTP/AVP 8 0 101")),
             expect(200), caller.request("ACK", 1)] + caller.hang_up(),
            [response(183, "Session Progress", tag=True, body=sdp(*AUDIO))] + Callee.answers() + Callee.hears("BYE"))


def canceled(caller):
    """The caller gives up while it rings."""
    return ([expect(100, optional=True), expect(180), caller.cancel(), expect(200), expect(ENDED), caller.give_up()],
            [expect("CANCEL"), response(200),
             message("SIP/2.0 487 Request Terminated", ["Via:[$via]", "From:[$theirs]", "To:[$ours];tag=callee[call_number]", "[last_Call-ID:]",
                                                         "CSeq:[$cseq]"]), expect("ACK")])


def busy(caller):
    """The callee is busy: the caller hears so."""
    return ([expect(100, optional=True), expect(180), expect(BUSY), caller.give_up()],
            [response(BUSY, "Busy Here", tag=True, again=True), expect("ACK")])


def late_ack(caller):
    """The caller's ACK comes late, as if the first ones had been lost: the answer is sent again, the call goes on. sipp hides what comes again
    over UDP, so that it waits there; over TCP it counts."""
    again = [pause(1200)] if caller.transport == "udp" else [expect(200), expect(200)]
    return caller.answered(ack=False) + again + [caller.request("ACK", 1)] + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


def lost_ack(caller):
    """The agent's ACK to the callee is lost: the answer comes again, and so does the ACK."""
    again = message("SIP/2.0 200 OK", ["Via:[$via]", "From:[$theirs]", "To:[$ours];tag=callee[call_number]", "[last_Call-ID:]", "CSeq:[$cseq]",
                                       "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>"], sdp(*AUDIO), again=False)
    return caller.answered() + [pause(400)] + caller.hang_up(), Callee.answers() + [again, expect("ACK")] + Callee.hears("BYE")


CALLS = (plain, callee_ends, hold, callee_holds, video, tones, early_media, canceled, busy, late_ack, lost_ack)
STATUS = {canceled: ENDED, busy: BUSY}


class Agents(Lab):
    """An agent for UDP and one for TCP, each between a PBX and a trunk of its own."""

    def __init__(self):
        super().__init__("calls")
        for number, transport in enumerate(("udp", "tcp"), 1):
            net = f"{self.network}.{number}"
            self.start_agent(transport, [
                ("agent", {"domain": "a.example", "keepalive": 0}),
                ("pbx-side", {transport: f"{net}.1:{SIP}"}),
                ("pstn-side", {transport: f"{net}.2:{SIP}"}),
                ("pbx office", {"host": f"{net}.3", "port": SIP, "transport": transport}),
                ("trunk carrier", {"host": f"{net}.4", "port": SIP, "transport": transport, "user": "office", "password": PASSWORD}),
            ])

    def address(self, transport, host):
        """1 the agent for PBXs, 2 for trunks, 3 the PBX, 4 the trunk."""
        return f"{self.network}.{1 if transport == 'udp' else 2}.{host}", SIP

    def call(self, transport, outbound, kind, name, answers=None):
        """One call; it must be noted as it went. answers: what the callee does first, if it is more than to take the INVITE."""
        caller = Caller(*((OUR_NUMBER, THEIR_NUMBER) if outbound else (THEIR_NUMBER, OUR_NUMBER)), transport)
        caller_steps, callee_steps = kind(caller)
        at = {host: self.address(transport, host) for host in (1, 2, 3, 4)}
        home = os.path.join(self.directory, name)
        problems = sipp.play(
            home, transport, [caller.invite()] + caller_steps, at[3 if outbound else 4],
            (answers or Callee.called()) + Callee.rings() + callee_steps, at[4 if outbound else 3], at[1 if outbound else 2])
        assert not problems, "\n".join(problems)
        if kind is late_ack:
            with open(os.path.join(home, "caller.msg")) as messages:
                assert messages.read().count("\nSIP/2.0 200 OK") >= 3, "the answer did not come again"  # the third is that of BYE
        noted = self.newest_call(transport)
        assert noted["status"] == STATUS.get(kind, 200), noted
        assert (noted["calling"], noted["called"]) == ((OUR_NUMBER, THEIR_NUMBER) if outbound else (THEIR_NUMBER, OUR_NUMBER)), noted
        assert (noted["from"], noted["to"]) == (("PBX", "PSTN") if outbound else ("PSTN", "PBX")), noted
        status = self.ctl(self.control(transport), "show", "status")
        assert status["calls"] == 0, status

    def steps(self):
        """All calls, each way, over each transport; then those of the trunk's own."""
        for transport in ("udp", "tcp"):
            for outbound in (True, False):
                for kind in CALLS:
                    name = f"{kind.__name__}-{'out' if outbound else 'in'}-{transport}"
                    yield name, lambda args=(transport, outbound, kind, name): self.call(*args)
            for status, reason, header in ((401, "Unauthorized", "WWW-Authenticate"), (407, "Proxy Authentication Required", "Proxy-Authenticate")):
                name = f"challenged-{status}-{transport}"
                answers = Callee.challenges(status, reason, header, "office", PASSWORD)
                yield name, lambda args=(transport, True, plain, name, answers): self.call(*args)


def main():
    """TAP."""
    wanted = sys.argv[1:]
    agents = Agents()
    return run(agents, [(name, step) for name, step in agents.steps() if not wanted or any(w in name for w in wanted)])


if __name__ == "__main__":
    sys.exit(main())
