#!/usr/bin/env python3
"""Two companies with sipp as PBX of each: the first call goes by the phone network, both agents hand in its record, the servers validate it,
the next call goes from agent to agent over TLS with its ticket. Everything that calls.py does goes that way, too, and messages, subscriptions and
publications. Tickets that are no good are refused, and the calls go by the phone network, where they also go without the far agent. The trunks
of the two agents are one wire between them."""
import os
import ssl
import sys
import time

import calls
import sipp
import tickets
from company import TALK_MS, Companies
from peers import SIP, run, wait_for
from sipp import Callee, Caller, check, expect, pause, response

WORD = "Good morning"
PRESENCE = """<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@a.example"><tuple id="t1"><status><basic>open</basic></status></tuple></presence>"""
KINDS = [kind for kind in calls.CALLS if kind not in (calls.late_ack, calls.lost_ack)]
DAY = 86400
TICKETS_REFUSED = "agent.calls_refused_ticket"


def message(caller):
    """A text outside of any call."""
    return ([caller.first("MESSAGE", body=WORD), expect(202)],
            Callee.hears("MESSAGE", check("X-Lab", "kept as it is"), check("Content-Type", "text/plain"), check("", WORD), status=202, tag=True))


def info(caller):
    """INFO outside of any call, as some PBXs tell each other of lamps."""
    return ([caller.first("INFO", body=calls.TONE), expect(200)],
            Callee.hears("INFO", check("Content-Type", "application/dtmf-relay"), check("", "Signal=5"), tag=True))


def publish(caller):
    """Presence told to a server over there; it gives the publication a name."""
    return ([caller.first("PUBLISH", "Event: presence", "Expires: 600", body=PRESENCE), expect(200, check("SIP-ETag", "lab-1"))],
            Callee.hears("PUBLISH", check("Event", "presence"), check("Expires", "600"), check("", "<basic>open</basic>"), tag=True,
                         fields=["SIP-ETag: lab-1", "Expires: 600"]))


def subscribe(caller):
    """Presence asked for, told twice, and no longer asked for."""
    states = (("active;expires=600", ""), ("active;expires=599", PRESENCE), ("terminated;reason=timeout", ""))
    heard = [caller.hears("NOTIFY", check("Event", "presence"), check("Subscription-State", state.split(";")[0])) for state, _ in states]
    told = [[Callee.request("NOTIFY", n, body, ["Event: presence", f"Subscription-State: {state}"]), expect(200)]
            for n, (state, body) in enumerate(states, 1)]
    took = [expect("SUBSCRIBE", sipp.keep("From", "theirs"), sipp.keep("To", "ours"), check("Accept", "application/pidf.xml")),
            response(200, tag=True, fields=["Expires: 600"])]
    return ([caller.first("SUBSCRIBE", "Event: presence", "Accept: application/pidf+xml", "Expires: 600"), expect(200, check("Expires", "600"))] +
            heard[0] + heard[1] + [caller.request("SUBSCRIBE", 2, fields=["Event: presence", "Expires: 0"]), expect(200)] + heard[2],
            took + told[0] + told[1] + Callee.hears("SUBSCRIBE", check("Expires", "0"), fields=["Expires: 0"]) + told[2])


REQUESTS = (message, info, publish, subscribe)


class Direct(Companies):
    """Company 1 calls company 2."""

    def __init__(self):
        super().__init__("direct", 2)

    def start_all(self):
        """Both companies."""
        for company in (1, 2):
            self.start_company(company)
        self.data = os.path.join(self.home(self.agent(1)), "data")
        with open(self.ticket_password(2)) as password:
            self.granter = tickets.Granter(self.domain(2), password.readline().strip())

    def play(self, name, steps, callee_steps, callee_at=None):
        """sipp at company 1 and at company 2: what went wrong."""
        return sipp.play(os.path.join(self.directory, name), "udp", steps, (self.at(1, 13), SIP), callee_steps, callee_at or (self.at(2, 13), SIP),
                         (self.at(1, 10), SIP))

    def call(self, name, to, callee_at=None, kind=None):
        """Somebody at company 1 calls company 2: what its agent has noted."""
        caller = Caller(self.number(1), self.number(2), "udp")
        if kind:
            steps, callee_steps = kind(caller)
        else:
            steps, callee_steps = [*caller.answered(), pause(TALK_MS), *caller.hang_up()], Callee.answers() + Callee.hears("BYE")
        problems = self.play(name, [caller.invite(), *steps], Callee.called(*caller.seen) + Callee.rings() + callee_steps, callee_at)
        noted = self.newest_call(self.agent(1))
        why = self.why(1, self.number(2))
        assert not problems, "\n".join([*problems, why])
        assert noted["to"] == to and noted["status"] == calls.STATUS.get(kind, 200), why
        return noted

    def first_call(self):
        """No route yet: by the phone network."""
        self.call("first", "PSTN")

    def learned(self):
        """The route to company 2, from the record of that call."""
        self.learns(1, 2)

    def direct_call(self):
        """With the ticket, over TLS; both agents note that it was direct."""
        self.call("direct", "IME")
        noted = self.newest_call(self.agent(2))
        assert (noted["from"], noted["to"], noted["status"]) == ("IME", "PBX", 200), noted

    def over_the_learned_trunk(self, kind):
        """A call with all that may happen in it."""
        self.call(kind.__name__, "IME", kind=kind)
        for index in (1, 2):
            self.nothing_left(self.agent(index))

    def request(self, kind):
        """What is no call."""
        caller = Caller(self.number(1), self.number(2), "udp")
        problems = self.play(kind.__name__, *kind(caller))
        assert not problems, "\n".join(problems)
        for index in (1, 2):
            wait_for(lambda index=index: self.ctl(self.agent_control(index), "show", "status")["other_requests"] == 0,
                     lambda index=index: f"{self.agent(index)} still keeps something of it")

    def bad_ticket(self, name, ticket, words):
        """The far agent refuses it with 403, the call goes by the phone network at once, and one is told why."""
        self.stop(self.agent(1))
        tickets.put_ticket(self.data, ticket(tickets.granting_node(self.data)))
        self.restart(1)
        before = self.counter(self.agent(2), TICKETS_REFUSED)
        self.call(name, "PSTN", kind=calls.plain)
        assert self.counter(self.agent(2), TICKETS_REFUSED) == before + 1
        why = self.why(1, self.number(2))
        assert "403" in why and words in why, why
        far = self.ctl(self.agent_control(2), "agent", "calls", "--limit", "2")["calls"]
        assert [c for c in far if c["from"] == "IME" and c["status"] == 403], far

    def good_ticket(self):
        """One of the same maker that is good is taken."""
        self.stop(self.agent(1))
        tickets.put_ticket(self.data, self.ticket(tickets.granting_node(self.data)))
        self.restart(1)
        self.call("good", "IME", kind=calls.plain)

    def ticket(self, node, number=None, begins=-DAY, ends=DAY):
        """Of company 2 for company 1; times from now on."""
        now = time.time()
        return self.granter.grant(number or self.number(2), node, self.domain(1), now + begins, now + ends)

    def without_ticket(self):
        """The certificate alone lets nobody in."""
        status, reason = self.stranger(self.domain(1), None)
        assert status.startswith("SIP/2.0 403 ") and "cause=147" in reason, (status, reason)

    def of_somebody_else(self):
        """A ticket is no good for whom it was not granted."""
        status, reason = self.stranger(self.domain(2), self.ticket(b"\1" * 16))
        assert status.startswith("SIP/2.0 403 ") and "cause=147" in reason, (status, reason)

    def without_certificate(self):
        """Who does not say who it is gets no answer at all."""
        try:
            status, _ = self.stranger(None, self.ticket(b"\1" * 16))
        except (ssl.SSLError, ConnectionError):
            return
        assert not status, status

    def back_to_the_phone_network(self):
        """The far agent is stopped; the phone network still reaches the company (here sipp at the end of the trunk)."""
        self.stop(self.agent(2))
        noted = self.call("back", "PSTN", callee_at=(self.at(2, 11), SIP), kind=calls.plain)
        assert noted["cause"] not in ("-", 0), noted

    def direct_again(self):
        """The far agent is back: its route, the only one, is tried again at once."""
        self.restart(2)
        self.call("again", "IME", kind=calls.plain)

    def steps(self):
        """In this order; each needs those before."""
        def named(*some):
            return [(step.__name__.replace("_", " "), step) for step in some]
        yield from named(self.published, self.first_call, self.learned, self.direct_call)
        for kind in KINDS:
            yield f"direct: {kind.__name__}", lambda kind=kind: self.over_the_learned_trunk(kind)
        for kind in REQUESTS:
            yield f"direct: {kind.__name__.upper()}", lambda kind=kind: self.request(kind)
        yield from named(self.without_ticket, self.of_somebody_else, self.without_certificate)
        for name, ticket, words in (
                ("forged", lambda node: tickets.forged(self.ticket(node)), "did not take the ticket"),
                ("expired", lambda node: self.ticket(node, begins=-2 * DAY, ends=-DAY), "ticket has expired"),
                ("wrong number", lambda node: self.ticket(node, number=self.company(2)["numbers"][4]), "did not take the ticket")):
            yield f"a ticket: {name}", lambda name=name, ticket=ticket, words=words: self.bad_ticket(name.replace(" ", "-"), ticket, words)
        yield from named(self.good_ticket, self.back_to_the_phone_network, self.direct_again)


if __name__ == "__main__":
    LAB = Direct()
    sys.exit(run(LAB))
