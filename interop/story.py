#!/usr/bin/env python3
"""The whole story with programs of others: two companies, each with Kamailio as PBX and baresip phones behind ime-agent and ime-edge, and an Internet between the edges that can be bad. They call
by the phone network and learn the route; the next call goes direct with SRTP, so does that of a colleague; in mid-call it moves to the phone network, by command and because the Internet is bad, and
comes back when that is good again; who has no ticket of its own is turned away, and a server is killed. Each phone plays a sweep and writes down what it hears: what is missing there is the gap that its owner would hear."""
import contextlib
import csv
import glob
import os
import signal
import sys
import time

import kamailio
import sound
from company import Companies
from peers import SECONDS, SIP, SIPS, run, wait_for
from phone import Phone

from world import LATE, OVERLAY

TALK_SECONDS = 1.6
SETTLED_SECONDS = 3  # the phone network's goodbye so soon after the move is not taken for a person's
SWEEP_SECONDS = 150
LONGEST_GAP_MS = 200
CALLS_MAX = 5  # until one of them had no longer gap: phones and programs share the machine with whatever else it does
EDGE = 120  # where others find a company's edge
DIRECT, AWAY = "direct", "phone network"
MEDIA, MEDIA_PORTS = 16384, 40
HOLD_DOWN, GOOD_AGAIN, RETURN_AFTER = "10s", "10s", "5s"  # as short as they may be
MOVE_SECONDS, RETURN_SECONDS, GIVEN_UP_SECONDS = 90, 90, 90  # the last: what nobody answers is given up after 32 s, by each in turn


class TooLong(AssertionError):
    """People have heard too little of each other."""


class Story(Companies):
    """Company 1's phones 14 (Alice) and 15 (Carol) call company 2's phone 14 (Bob)."""

    def __init__(self):
        super().__init__("story", 2)

    def pbx(self, index):
        """The address of a company's Kamailio."""
        return self.at(index, 13)

    def edge(self, index):
        """Its name as a process."""
        return f"edge-{self.company(index)['name'].lower()}"

    def edge_inside(self, index):
        """Where its agent finds it."""
        return f"{self.at(index, 20)}:{SIP}"

    # -- everything starts ---------------------------------------------------------------------------------------------------------

    def start_all(self):
        """Everything."""
        for index in (1, 2):
            self.start_edge(index)
            self.start_company(index)
            kamailio.start(self, f"kamailio-{index}", self.pbx(index), self.at(index, 10))
        self.start_internet()
        self.tone = os.path.join(self.directory, "sweep.wav")
        sound.write_sweep(self.tone, SWEEP_SECONDS)
        self.alice = self.phone("alice", 1, 14, self.number(1))
        self.carol = self.phone("carol", 1, 15, self.company(1)["numbers"][4])
        self.bob = self.phone("bob", 2, 14, self.number(2))

    def phone(self, name, index, host, number):
        """A baresip at a company's Kamailio."""
        return Phone(self, name, self.at(index, host), f"<sip:{number}@{self.pbx(index)}>;regint=60", sound=self.tone, media="127.0.0.1")

    def start_edge(self, index):
        """With its keys from the company's IME server, and behind the Internet that can be bad."""
        server, domain = self.company(index)["servers"][0], self.domain(index)
        certificate, key = self.files[domain]
        self.configure(self.edge(index), "edge", [
            ("edge", {}),
            ("inside", {"tcp": self.edge_inside(index), "networks": f"{self.at(index, 0)}/26, 127.0.0.1/32"}),
            ("outside", {"tls": f"{self.at(index, 119)}:{SIPS}", "name": self.at(index, EDGE), "media-advertised": self.at(index, EDGE), "networks": f"{self.network}.0.0/16", "private": "yes"}),
            ("tls", {"ca": self.authority.ca, "system-store": "no"}),
            (f"domain {domain}", {"certificate": certificate, "key": key}),
            ("agent main", {"address": f"{self.at(index, 12)}:{SIPS}"}),
            ("server", {"server": server["vap"], "tls-name": self.at(index, 1), "user": self.company(index)["edge"]["user"],
                        "password-file": os.path.join(self.server_home(index), "edge-password"), "ca": self.description["ca"]}),
            ("limits", {"late": LATE}),
            ("media", {"workers": 1, "port-min": MEDIA, "port-max": MEDIA + MEDIA_PORTS - 1}),
            ("quality", {"hold-down": HOLD_DOWN, "recovery": GOOD_AGAIN}),
        ])
        self.start_daemon(self.edge(index), "edge")
        self.wait_daemon(self.edge(index))

    def start_company(self, index, *more, trunk=None, agent=None):
        """Its agent, behind its edge; the wire between the agents' trunks is the phone network."""
        server, domain = self.company(index)["servers"][0], self.domain(index)
        self.start_agent(self.agent(index), [
            ("agent", {"domain": domain, "keepalive": 0, "late": LATE, "media-ports": "24000-24099"}),
            ("pbx-side", {"udp": f"{self.at(index, 10)}:{SIP}"}),
            ("pstn-side", {"udp": f"{self.at(index, 11)}:{SIP}"}),
            ("ime-side", {"tcp": f"{self.at(index, 12)}:{SIPS}", "edge": self.edge_inside(index), "edge-transport": "tcp"}),
            ("pbx office", {"host": self.pbx(index)}),
            ("trunk carrier", trunk or {"host": self.at(3 - index, 11)}),
            ("service main", {"domain": domain, "vservice-id": f"{0xa0 + index:016x}", "server": server["vap"], "user": self.company(index)["vap"]["user"],
                              "password-file": os.path.join(self.server_home(index), "vap-password"), "ca": self.description["ca"],
                              "external-address": f"{self.at(index, EDGE)}:{SIPS}", "overlay": OVERLAY}),
            ("fallback office", {"number": self.company(index)["numbers"][9], "sensitivity": "aggressive", "return": RETURN_AFTER}),
            ("enrolled office", {"pattern": self.number(index), "fallback": "office"}),
            *more,
        ])

    def start_internet(self):
        """Between the edges' addresses as others know them and as they are."""
        ends = [(f"end {index}", {"known": self.at(index, EDGE), "real": self.at(index, 119), "tcp": SIPS, "udp-min": MEDIA, "udp-count": MEDIA_PORTS}) for index in (1, 2)]
        self.configure("internet", "impair", [("impair", {}), *ends])
        self.start_daemon("internet", "impair")
        self.wait_daemon("internet")

    def internet(self, *words):
        """Makes it bad, or good."""
        self.ctl(self.control("internet"), "impair", *words)

    # -- what is asked -----------------------------------------------------------------------------------------------------------

    def streams(self, index):
        """Of a company's edge: a row for each stream in progress."""
        return self.ctl(self.control(self.edge(index)), "edge", "show", "calls")["streams"]

    def in_progress(self):
        """What company 1's agent knows of the call in progress."""
        (call,) = [c for c in self.ctl(self.agent_control(1), "agent", "calls", "--limit", "3")["calls"] if c["ended_by"] == "in progress"]
        return call

    def is_at(self, place, seconds):
        """Waits until a call is direct, or on the phone network, at both companies."""
        def there():
            rows = [[c for c in self.ctl(self.agent_control(index), "agent", "calls", "--limit", "3")["calls"] if c["ended_by"] == "in progress"] for index in (1, 2)]
            return all(any(c.get("fallback") == place for c in calls) for calls in rows)
        wait_for(there, lambda: f"the call is not at {place}:\n{self.why(1, self.number(2))}{self.why(2, self.number(1))}", seconds)

    def nothing_kept(self, seconds=SECONDS):
        """No call anywhere, no stream."""
        for index in (1, 2):
            wait_for(lambda index=index: not self.calls_in_progress(self.agent(index)), f"{self.agent(index)} keeps a call", seconds)
            wait_for(lambda index=index: not self.streams(index), f"{self.edge(index)} keeps streams", seconds)

    # -- calls ----------------------------------------------------------------------------------------------------------------------

    def ready(self):
        """Phones at their Kamailios, keys at the edges, numbers in the ring."""
        for name in ("alice", "bob", "carol"):
            wait_for(lambda name=name: self.count(name, "[1 binding]"), lambda name=name: self.log_tail(name))
        for index in (1, 2):
            wait_for(lambda index=index: self.ctl(self.control(self.edge(index)), "edge", "show", "tickets")["epochs"], "no keys of tickets")
        self.published()

    def connect(self, caller, callee, uri):
        """One calls, the other one takes it."""
        for phone in (caller, callee):
            for path in glob.glob(os.path.join(phone.home, "dump-*.wav")):
                os.remove(path)
        caller.command("dial", uri)
        callee.expect("CALL_INCOMING")
        caller.expect("CALL_RINGING")
        callee.command("accept")
        callee.expect("CALL_ESTABLISHED")
        caller.expect("CALL_ESTABLISHED")

    def hang_up(self, phone, other):
        """One ends the call; nothing of it stays."""
        phone.command("hangup")
        phone.expect("CALL_CLOSED")
        other.expect("CALL_CLOSED")
        self.nothing_kept()

    def heard(self, one, other, bad=()):
        """The longest gap that either has heard, in milliseconds, but for that time; each has heard something. TooLong is for patiently()."""
        longest = 0
        for phone in (one, other):
            files = glob.glob(os.path.join(phone.home, "dump-*-dec.wav"))
            samples = [sound.read(path) for path in sorted(files)]
            good = sum(sound.instant(part[n:n + sound.FRAME]) is not None for part in samples for n in range(0, len(part) - sound.FRAME, sound.FRAME))
            if good * sound.FRAME / sound.RATE <= 0.7 * TALK_SECONDS:
                raise TooLong(f"{phone.name} has heard {good} frames of the other one: {files}")
            longest = max([longest, *(gap for part in samples for at, gap in sound.gaps(part) if not bad or not bad[0] <= at <= bad[1])])
        if longest > LONGEST_GAP_MS:
            raise TooLong(f"{longest} ms without sound")
        return longest

    def patiently(self, call):
        """Does it again while people hear too long a gap, a few times."""
        for _ in range(1, CALLS_MAX):
            with contextlib.suppress(TooLong):
                return call()
        return call()

    def calls(self, caller, callee, index, way):
        """A call of a second or two by that way; both hear each other."""
        self.patiently(lambda: self.one_call(caller, callee, index, way))

    def one_call(self, caller, callee, index, way):
        """However well they hear."""
        other = 3 - index
        self.connect(caller, callee, f"sip:{self.number(other)}@{self.pbx(index)}")
        if way == "IME":
            assert [s for s in self.streams(index) if s["suite"].startswith("A")], self.streams(index)
        time.sleep(TALK_SECONDS)
        self.hang_up(caller, callee)
        noted = self.newest_call(self.agent(index))
        assert (noted["to"], noted["status"]) == (way, 200), self.why(index, self.number(other))
        self.heard(caller, callee)

    def by_the_phone_network(self):
        """Nothing is learned yet."""
        self.calls(self.alice, self.bob, 1, "PSTN")
        self.calls(self.bob, self.alice, 2, "PSTN")

    def learned(self):
        """Routes, each way."""
        self.learns(1, 2)
        self.learns(2, 1)

    def direct(self):
        """Through both edges, with SRTP."""
        self.calls(self.alice, self.bob, 1, "IME")
        self.calls(self.bob, self.alice, 2, "IME")

    def colleague(self):
        """Somebody else in the company calls the same number."""
        self.calls(self.carol, self.bob, 1, "IME")

    # -- calls that move ----------------------------------------------------------------------------------------------------------------

    def talks(self):
        """Alice calls Bob directly."""
        self.connect(self.alice, self.bob, f"sip:{self.number(2)}@{self.pbx(1)}")
        time.sleep(TALK_SECONDS)
        assert self.place() == DIRECT, self.why(1, self.number(2))
        self.rings = [self.count(name, "Incoming call from") for name in ("alice", "bob")]

    def place(self):
        """Where the call in progress is: direct, on the phone network."""
        return self.in_progress()["fallback"]

    def by_hand(self, command):
        """imectl moves it."""
        self.ctl(self.agent_control(1), "agent", command, self.in_progress()["call_id"])

    def over(self, phone, other, bad=()):
        """One hangs up: no phone has rung again, and no gap was longer than it may be, but while the Internet was bad: (from, to) in seconds of the call. Tells the gap."""
        self.hang_up(phone, other)
        assert self.rings == [self.count(name, "Incoming call from") for name in ("alice", "bob")], "a phone has rung"
        noted = self.newest_call(self.agent(1))
        assert noted["status"] == 200, noted
        gap = self.heard(self.alice, self.bob, bad)
        return f"longest gap {gap} ms" if gap else "no gap"

    def moves_and_returns(self):
        """By command, each way; Bob hangs up."""
        self.talks()
        self.by_hand("fallback")
        self.is_at(AWAY, MOVE_SECONDS)
        time.sleep(TALK_SECONDS)
        self.by_hand("return")
        self.is_at(DIRECT, MOVE_SECONDS)
        time.sleep(TALK_SECONDS)
        return self.over(self.bob, self.alice)

    def hangs_up_there(self, index):
        """Who hangs up on the phone network ends everything."""
        self.talks()
        self.by_hand("fallback")
        self.is_at(AWAY, MOVE_SECONDS)
        time.sleep(TALK_SECONDS)
        return self.over(*((self.alice, self.bob) if index == 1 else (self.bob, self.alice)))

    def gets_bad(self):
        """The Internet loses packets: the call moves; when it is good again, the call comes back."""
        self.talks()
        begun = time.monotonic() - TALK_SECONDS
        self.internet("set", "loss=20%")
        try:
            self.is_at(AWAY, MOVE_SECONDS)
            moved = time.monotonic() - begun
            time.sleep(TALK_SECONDS)
        finally:
            self.internet("clear")
        self.is_at(DIRECT, RETURN_SECONDS)
        time.sleep(TALK_SECONDS)
        return self.over(self.alice, self.bob, (TALK_SECONDS - 1, moved))

    def is_cut(self):
        """Nothing passes any longer: the call goes on over the phone network."""
        self.talks()
        self.internet("set", "cut=yes")
        try:
            self.is_at(AWAY, MOVE_SECONDS)
            time.sleep(SETTLED_SECONDS)
            self.alice.command("hangup")
            self.alice.expect("CALL_CLOSED")
            self.bob.expect("CALL_CLOSED")
        finally:
            self.internet("clear")
        self.nothing_kept(GIVEN_UP_SECONDS)

    # -- who is not let in, and what breaks -----------------------------------------------------------------------------------------------

    def turned_away(self, domain, ticket, reason):
        """Somebody with the certificate of a domain gets 403 from company 2's edge, which says why; its phones do not ring."""
        rings, events = self.count("bob", "Incoming call from"), self.count(self.edge(2), reason)
        status, _ = self.stranger(domain, ticket, EDGE)
        assert status.startswith("SIP/2.0 403"), status
        wait_for(lambda: self.count(self.edge(2), reason) > events, lambda: self.log_tail(self.edge(2)))
        assert self.count("bob", "Incoming call from") == rings

    def spam(self):
        """A certificate alone lets nobody in."""
        self.turned_away(self.domain(1), None, "edge.ticket.missing")

    def stolen(self):
        """Company 1's ticket in the hands of another one."""
        exported = self.ctl(self.agent_control(1), "agent", "route", "export")["csv"]
        (ticket,) = [row["ticket"] for row in csv.DictReader(exported.splitlines()) if row["number"] == self.number(2)]
        self.files["c.example"] = self.authority.issue("c.example", "DNS:c.example")
        self.turned_away("c.example", ticket, "reason=wrong_domain")

    def server_killed(self):
        """Company 1's IME server is killed: the next call is direct all the same; back again, it knows its routes."""
        name = self.server_name(1, 1)
        known = self.routes()
        self.signal(name, signal.SIGKILL)
        assert self.wait_end(name, SECONDS)
        self.calls(self.alice, self.bob, 1, "IME")
        self.start_server(1, 1)
        self.wait_server(1, 1)
        assert self.routes() == known, known

    def routes(self):
        """What company 1's server has learned: number and domain."""
        rows = self.ctl(self.company(1)["servers"][0]["control"], "show", "routes")["routes"]
        return sorted((row["number"], row["domain"]) for row in rows)

    def steps(self):
        """In this order."""
        yield "phones register, numbers are published", self.ready
        yield "calls by the phone network", self.by_the_phone_network
        yield "routes are learned", self.learned
        yield "calls go direct, with SRTP", self.direct
        yield "so does the call of a colleague", self.colleague
        yield "a call moves to the phone network and returns, by command", lambda: self.patiently(self.moves_and_returns)
        yield "the caller hangs up on the phone network", lambda: self.patiently(lambda: self.hangs_up_there(1))
        yield "who was called hangs up on the phone network", lambda: self.patiently(lambda: self.hangs_up_there(2))
        yield "the Internet gets bad and the call moves; it gets good and the call returns", lambda: self.patiently(self.gets_bad)
        yield "the Internet is cut in mid-call, and the call goes on", self.is_cut
        yield "somebody without a ticket is turned away", self.spam
        yield "somebody with a stolen ticket is turned away", self.stolen
        yield "an IME server is killed, and nothing is lost", self.server_killed


if __name__ == "__main__":
    LAB = Story()
    sys.exit(run(LAB))
