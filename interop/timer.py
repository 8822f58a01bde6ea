#!/usr/bin/env python3
"""Calls of a minute with a session timer (RFC 4028), all at once: the shortest interval that may be asked for is 90 s, so that the side that
refreshes does so after 45 s. sipp refreshes by INVITE and by UPDATE, linphone-cli as it thinks right; the agent passes on what they agree."""
import concurrent.futures
import sys

import sipp
from calls import AGAIN, Agents
from linphonec import Linphone
from peers import OUR_NUMBER, SIP, THEIR_NUMBER, run
from sipp import AUDIO, Callee, check, expect, pause, response, sdp

INTERVAL, REFRESH_MS, REST_MS = 90, 45000, 16000
SECONDS = 120
EXPIRES = f"Session-Expires: {INTERVAL};refresher="
AGREED = check("Session-Expires", f"{INTERVAL} *; *refresher=")


def offers_timer(caller):
    """The INVITE asks for a session timer."""
    caller.more = ["Supported: timer", f"Session-Expires: {INTERVAL}", f"Min-SE: {INTERVAL}"]
    caller.seen = [check("Supported", "timer"), check("Session-Expires", str(INTERVAL)), check("Min-SE", str(INTERVAL))]


def caller_refreshes(caller):
    """By INVITE."""
    offers_timer(caller)
    again = ["Supported: timer", EXPIRES + "uac"]
    answer = ["Require: timer", EXPIRES + "uac"]
    return (caller.answered(AGREED, check("Require", "timer")) + [pause(REFRESH_MS)] +
            caller.reinvite(2, AGAIN, AGREED, fields=again) + [pause(REST_MS)] + caller.hang_up(3),
            Callee.answers(*answer) + Callee.reinvited(sdp(*AUDIO), AGREED, fields=answer) + Callee.hears("BYE"))


def callee_refreshes(caller):
    """By UPDATE."""
    offers_timer(caller)
    refresh = Callee.request("UPDATE", 1, fields=["Supported: timer", EXPIRES + "uac"])
    return (caller.answered(AGREED) + [expect("UPDATE", AGREED), response(200, fields=["Require: timer", EXPIRES + "uac"]),
                                       pause(REST_MS)] + caller.hang_up(),
            Callee.answers("Require: timer", EXPIRES + "uas") + [pause(REFRESH_MS), refresh, expect(200, AGREED)] + Callee.hears("BYE"))


class Timer(Agents):
    """The agents of calls.py, and one with linphone-cli as PBX (3) and sipp as trunk (4)."""

    def __init__(self):
        super().__init__("timer")
        self.net = f"{self.network}.3"

    def start_all(self):
        """Those of calls.py, then its own."""
        super().start_all()
        self.start_agent("linphone", [
            ("agent", {"domain": "a.example", "keepalive": 0}),
            ("pbx-side", {"udp": f"{self.net}.1:{SIP}"}),
            ("pstn-side", {"udp": f"{self.net}.2:{SIP}"}),
            ("pbx desk", {"host": f"{self.net}.3"}),
            ("trunk carrier", {"host": f"{self.net}.4"}),
        ])
        self.phone = Linphone(self, "phone", f"{self.net}.3", OUR_NUMBER, f"{self.net}.1", sections={"sip": {
            "session_expires_enabled": 1, "session_expires_value": INTERVAL, "session_expires_min_value": INTERVAL,
            "session_expires_refresher_value": 2}})

    def linphone(self):
        """It calls, and refreshes in the middle; the callee ends it."""
        answer = ["Require: timer", EXPIRES + "uac"]
        asked = check("Session-Expires", str(INTERVAL))
        steps = (Callee.takes(asked) + Callee.rings() + Callee.answers(*answer) + Callee.reinvited(sdp(*AUDIO, version=2), asked, fields=answer) +
                 [pause(REST_MS), Callee.request("BYE", 1), expect(200)])
        callee = sipp.Sipp(self.home("trunk"), "callee", steps, "udp", (f"{self.net}.4", SIP), seconds=SECONDS)
        try:
            self.phone.command(f"call sip:{THEIR_NUMBER}@{self.net}.1")
            self.phone.expect("connected")
            problem = callee.join()
        finally:
            callee.end()
        assert not problem, problem
        self.phone.expect("ended")
        noted = self.newest_call("linphone")
        assert noted["status"] == 200, noted

    def steps(self):
        """They begin together; each step is the end of one."""
        pool = concurrent.futures.ThreadPoolExecutor(3)
        for name, play in (
                ("a minute over UDP, the caller refreshes by INVITE",
                 lambda: self.call("udp", True, caller_refreshes, "caller", seconds=SECONDS)),
                ("a minute over TCP, the callee refreshes by UPDATE",
                 lambda: self.call("tcp", False, callee_refreshes, "callee", seconds=SECONDS)),
                ("a minute with linphone-cli, which refreshes", self.linphone)):
            yield name, pool.submit(play).result


if __name__ == "__main__":
    LAB = Timer()
    sys.exit(run(LAB))
