#!/usr/bin/env python3
"""sipp as PBX and as trunk, over UDP and TCP: calls in both directions through an agent, with all that happens in calls. The two ends check
what they receive; the agent must have noted the call and keep nothing of it."""
import os
import sys

import sipp
from peers import OUR_NUMBER, SIP, THEIR_NUMBER, Lab, run
from sipp import AUDIO, VIDEO, Callee, Caller, check, expect, pause, response, sdp

HELD = sdp(*AUDIO, version=2, direction="sendonly")
HOLDS = sdp(*AUDIO, version=2, direction="recvonly")
AGAIN = sdp(*AUDIO, version=3)
WITH_VIDEO = sdp(*AUDIO, *VIDEO, version=2)
PASSWORD = "only in this laboratory"
TONE = "Signal=5\nDuration=160"
BUSY, ENDED, TOO_SMALL = 486, 487, 422
TRANSFERRED_TO = "sip:.498930000@transfer.example"
REPLACED = "98732@far.example;to-tag=r33th4x0r;from-tag=ff87ff"
LOAD_CALLS, LOAD_RATE = 300, 100


def plain(caller):
    """The caller hangs up."""
    return caller.answered() + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


def talk(caller):
    """The caller hangs up after half a second."""
    return caller.answered() + [pause(500)] + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


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


def callee_video(caller):
    """The callee adds video."""
    seen = (check("", "m=video 40002 RTP/AVP 97"), check("", "a=fmtp:97 profile-level-id=42801f;packetization-mode=1"))
    return (caller.answered() + [expect("INVITE", *seen), response(200, body=WITH_VIDEO, again=True), expect("ACK")] + caller.hang_up(),
            Callee.answers() + [Callee.request("INVITE", 1, WITH_VIDEO), expect(100, optional=True), expect(200, *seen),
                                Callee.request("ACK", 1)] + Callee.hears("BYE"))


def tones_in_media(caller):
    """Tones as events in RTP (RFC 4733): both sides are told what the other one takes."""
    caller.seen = [check("", "a=rtpmap:101 telephone-event/8000"), check("", "a=fmtp:101 0-16")]
    return caller.answered(*caller.seen) + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


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


def reliable(caller):
    """A provisional response that the caller acknowledges (RFC 3262)."""
    early = response(183, "Session Progress", tag=True, body=sdp(*AUDIO), fields=["Require: 100rel", "RSeq: 17"])
    return ([expect(100, optional=True), expect(180), expect(183, check("Require", "100rel"), check("RSeq", "17")),
             caller.request("PRACK", 2, fields=["RAck: 17 1 INVITE"]), expect(200), expect(200), caller.request("ACK", 1)] + caller.hang_up(3),
            [early] + Callee.hears("PRACK", check("RAck", "17 1 INVITE")) + [Callee.late(200, "OK", sdp(*AUDIO)), expect("ACK")] +
            Callee.hears("BYE"))


def update(caller):
    """The caller changes the session by UPDATE (RFC 3311)."""
    return (caller.answered() + [caller.request("UPDATE", 2, HELD), expect(200, check("", "a=recvonly"))] + caller.hang_up(3),
            Callee.answers() + Callee.hears("UPDATE", check("", "a=sendonly"), body=HOLDS) + Callee.hears("BYE"))


def identities(caller):
    """Who calls, and by whom the call came here: names and numbers stay, hosts are those that the other side knows."""
    caller.more += [f'P-Asserted-Identity: "Alice Doe" <sip:{caller.calling}@[local_ip]>', "History-Info: <sip:+498920009@pbx.example>;index=1"]
    caller.seen = [check("P-Asserted-Identity", f'"Alice Doe" *<sip:.{caller.calling[1:]}@'),
                   check("History-Info", "<sip:.498920009@.*>;index=1")]
    return plain(caller)


def transfer(caller):
    """The caller connects the callee to somebody else (RFC 3515), and hears how that went."""
    progress = [("SIP/2.0 100 Trying", "active;expires=60"), ("SIP/2.0 200 OK", "terminated;reason=noresource")]
    heard = [step for text, state in progress
             for step in caller.hears("NOTIFY", check("Event", "refer"), check("Subscription-State", state[:6]), check("", text))]
    told = [step for number, (text, state) in enumerate(progress, 1)
            for step in (Callee.request("NOTIFY", number, text, ["Event: refer", f"Subscription-State: {state}"]), expect(200))]
    refer = caller.request("REFER", 2, fields=["Refer-To: <sip:+498930000@transfer.example>", f"Referred-By: <sip:{caller.calling}@[local_ip]>"])
    return (caller.answered() + [refer, expect(202)] + heard + caller.hang_up(3),
            Callee.answers() + Callee.hears("REFER", check("Refer-To", f"<{TRANSFERRED_TO}>"), check("Referred-By", f"<sip:.{caller.calling[1:]}@"), status=202) +
            told + Callee.hears("BYE"))


def replaces(caller):
    """The call is to take the place of one that does not go through the agent (RFC 3891)."""
    caller.more += ["Require: replaces", f"Replaces: {REPLACED}"]
    caller.seen = [check("Require", "replaces"), check("Replaces", REPLACED)]
    return plain(caller)


def canceled(caller):
    """The caller gives up while it rings."""
    return ([expect(100, optional=True), expect(180), caller.cancel(), expect(200), expect(ENDED), caller.give_up()],
            Callee.hears("CANCEL") + [Callee.late(ENDED, "Request Terminated"), expect("ACK")])


def busy(caller):
    """The callee is busy: the caller hears so."""
    return ([expect(100, optional=True), expect(180), expect(BUSY), caller.give_up()],
            [response(BUSY, "Busy Here", tag=True, again=True), expect("ACK")])


def interval_too_small(caller):
    """The callee wants a longer session interval (RFC 4028): the caller, who may ask again, hears so."""
    caller.more = ["Supported: timer", "Session-Expires: 90"]
    return ([expect(100, optional=True), expect(180), expect(TOO_SMALL, check("Min-SE", "120")), caller.give_up()],
            [response(TOO_SMALL, "Session Interval Too Small", tag=True, fields=["Min-SE: 120"], again=True), expect("ACK")])


def late_ack(caller):
    """The caller's ACK comes late, as if the first ones had been lost: the answer is sent again, the call goes on. sipp hides what comes again
    over UDP, so that it waits there; over TCP it counts."""
    again = [pause(1200)] if caller.transport == "udp" else [expect(200), expect(200)]
    return caller.answered(ack=False) + again + [caller.request("ACK", 1)] + caller.hang_up(), Callee.answers() + Callee.hears("BYE")


def lost_ack(caller):
    """The agent's ACK to the callee is lost: the answer comes again, and so does the ACK."""
    again = Callee.late(200, "OK", sdp(*AUDIO), again=False)
    return caller.answered() + [pause(400)] + caller.hang_up(), Callee.answers() + [again, expect("ACK")] + Callee.hears("BYE")


CALLS = (plain, callee_ends, hold, callee_holds, video, callee_video, tones, tones_in_media, early_media, reliable, update, identities, transfer,
         replaces, canceled, busy, interval_too_small, late_ack, lost_ack)
STATUS = {canceled: ENDED, busy: BUSY, interval_too_small: TOO_SMALL}


class Agents(Lab):
    """An agent for UDP and one for TCP, each between a PBX and a trunk of its own."""

    def __init__(self, name="calls"):
        super().__init__(name)

    def start_all(self):
        """Both agents."""
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

    def call(self, transport, outbound, kind, name, answers=None, **more):
        """One call; it must be noted as it went. answers: what the callee does first, if it is more than to take the INVITE. more: for sipp."""
        caller = Caller(*((OUR_NUMBER, THEIR_NUMBER) if outbound else (THEIR_NUMBER, OUR_NUMBER)), transport)
        caller_steps, callee_steps = kind(caller)
        at = {host: self.address(transport, host) for host in (1, 2, 3, 4)}
        home = os.path.join(self.directory, name)
        problems = sipp.play(
            home, transport, [caller.invite()] + caller_steps, at[3 if outbound else 4],
            (answers or Callee.called(*caller.seen)) + Callee.rings() + callee_steps, at[4 if outbound else 3], at[1 if outbound else 2], **more)
        assert not problems, "\n".join(problems)
        if kind is late_ack:
            with open(os.path.join(home, "caller.msg")) as messages:
                assert messages.read().count("\nSIP/2.0 200 OK") >= 3, "the answer did not come again"  # the third is that of BYE
        noted = self.newest_call(transport)
        assert noted["status"] == STATUS.get(kind, 200), noted
        assert (noted["calling"], noted["called"]) == ((OUR_NUMBER, THEIR_NUMBER) if outbound else (THEIR_NUMBER, OUR_NUMBER)), noted
        assert (noted["from"], noted["to"]) == (("PBX", "PSTN") if outbound else ("PSTN", "PBX")), noted
        self.nothing_left(transport)

    def load(self, transport):
        """Many calls, of which some are in progress at any time."""
        before = len(self.ctl(self.control(transport), "agent", "calls", "--limit", str(LOAD_CALLS))["calls"])
        self.call(transport, True, talk, f"load-{transport}", calls=LOAD_CALLS, rate=LOAD_RATE)
        noted = self.ctl(self.control(transport), "agent", "calls", "--limit", str(LOAD_CALLS))["calls"]
        assert len(noted) == LOAD_CALLS > before and all(call["status"] == 200 for call in noted), [c for c in noted if c["status"] != 200][:3]

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
            yield f"load-{transport}", lambda transport=transport: self.load(transport)


if __name__ == "__main__":
    LAB = Agents()
    sys.exit(run(LAB))
