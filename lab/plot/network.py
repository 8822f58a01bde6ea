"""The Internet turns bad while two people talk, and good again: the call moves to the phone network and comes back. Both phones say a tone all the time, and note
every pause in the one that they hear.
"""
import time

from world import split_address

from .story import CALLED_HZ, CALLER_HZ, EDGE_SECONDS, RETURN_SECONDS
from .telling import Failure, Step, wait_for

BAD = ("loss=20%", "jitter=60ms", "delay=40ms")
MOVE_SECONDS = 60  # an edge takes its time before it believes that a call is bad, or good
STEADY_PACKETS = 200  # two seconds of two voices
MARGIN_MS = 1000  # what is seen of a move from outside is not the moment of it


class Ends:
    """The two phones of the call that goes on."""

    def __init__(self, story, number):
        self.story, self.number = story, number
        self.moved_before = len(story.b.noted(number, "moved"))
        self.rang_before = len(story.b.rang(number))
        self.answered = 0.0

    def since(self):
        """Milliseconds since the answer."""
        return 1000 * (time.monotonic() - self.answered)

    def moved(self):
        """Where each of them has been told to send to, in order: hosts."""
        near, far = self.story.talk.noted("moved"), self.story.b.noted(self.number, "moved")[self.moved_before:]
        return [[split_address(event["towards"])[0] for event in events] for events in (near, far)]

    def are_at(self, hosts):
        """Whether both send to one of these."""
        return all(moves and moves[-1] in hosts for moves in self.moved())

    def last(self):
        """What both noted of the whole call, which has ended."""
        near = self.story.talk.over()
        return near, self.story.b.heard(self.number, near)


def longest(ends, begin_ms, end_ms):
    """The longest pause that began in that time, at each phone."""
    return [max((gap["ms"] for gap in end["gaps"] if begin_ms <= gap["at_ms"] <= end_ms), default=0) for end in ends]


def moving_call(story):
    """The row that an agent has of the call on the phone network, while it is under way."""
    return [call for call in story.offices.carried() if call["to"] == story.b.fallback_number and call["cause"] == "under way"]


def packets(story):
    """Of voice that the phone network has relayed."""
    counters = story.offices.network_ctl("show", "counters", "pstn.media_relayed", "--all")["counters"]
    return next(c["value"] for c in counters if c["name"] == "pstn.media_relayed")


def fall(story):
    """The network gets bad."""
    a, b, tell, internet = story.a, story.b, story.tell, story.offices.internet
    number = story.numbers[2]
    before, carried = story.counters(story.a), len(story.offices.carried())
    ends = story.ends = Ends(story, number)
    story.begin(number, "--video", "--watch")
    ends.answered = time.monotonic()
    wait_for(lambda: len(b.rang(number)) == ends.rang_before + 1, "one ring at B")
    tell.say(f"extension {a.extension(story.caller)} talks with extension {b.extension(number)} of B, directly, with video")
    ends.bad_ms = ends.since()
    internet.set(*BAD)
    began = time.monotonic()
    tell.say(f"lab/impair set {' '.join(BAD)}: the Internet between the companies gets bad; edges wait for {EDGE_SECONDS} s before they believe it")
    told = set()

    def is_moved():
        for office in (a, b):
            for stream in office.edge.ctl("edge", "show", "calls", number)["streams"]:
                if stream["quality"] != "good" and office.edge.name not in told and stream["media"] == "audio":
                    told.add(office.edge.name)
                    tell.say(f"{office.edge.name}: {stream['loss_percent']} % lost, jitter {stream['jitter_ms']} ms, MOS {stream['mos']}")
        return ends.are_at(story.carriers())

    wait_for(is_moved, lambda: f"moving both phones to the phone network (they were told {ends.moved()})", MOVE_SECONDS)
    ends.moved_ms = ends.since()
    took = time.monotonic() - began
    calls = moving_call(story)
    tell.check(len(calls) == 1 and len(story.offices.carried()) == carried + 1,
               f"A's agent called {b.fallback_number} over the phone network, B's knew the call, and both moved their phones: {took:.1f} s after it got bad")
    relayed = packets(story)
    wait_for(lambda: packets(story) >= relayed + STEADY_PACKETS, "voice over the phone network")
    tell.check(story.talk.is_up() and len(b.rang(number)) == ends.rang_before + 1, "it is still the same call at both phones: nothing rang, nobody dialed")
    tell.say("imectl agent calls: " + "; ".join(f"{o.name} {story.noted(o, number)['to']}" for o in (a, b)))
    bad = story.grown(a, before).get("edge.quality_bad", 0) + story.grown(b, {}).get("edge.quality_bad", 0)
    tell.check(bad > 0, "an edge told its agent that the call was bad")
    tell.figure("from a bad network to the phone network", f"{took:.1f} s, of which {EDGE_SECONDS} s to believe it")


def come_back(story):
    """The network gets good."""
    a, b, tell, internet, ends = story.a, story.b, story.tell, story.offices.internet, story.ends
    edges = {split_address(office.edge.inside)[0] for office in (a, b)}
    good_ms = ends.since()
    internet.clear()
    began = time.monotonic()
    tell.say(f"lab/impair clear: the Internet is good again; edges wait for {EDGE_SECONDS} s and the call for {RETURN_SECONDS} s more before they believe it")
    wait_for(lambda: ends.are_at(edges), lambda: f"coming back (phones were told {ends.moved()})", MOVE_SECONDS)
    back_ms, took = ends.since(), time.monotonic() - began
    tell.check(story.talk.is_up(), f"both phones are back on the Internet, {took:.1f} s after it got good")
    wait_for(lambda: not moving_call(story), "the end of the call over the phone network")
    tell.check(len(b.rang(ends.number)) == ends.rang_before + 1, "the phone network's call has ended; nothing rang")
    videos = [event["video"] for event in (story.talk.noted("moved")[-1], b.noted(ends.number, "moved")[-1])]
    tell.check(all(videos), "and video is back at both phones")
    wait_for(lambda: ends.since() > back_ms + MARGIN_MS, "a second of it")
    story.talk.hang_up()
    last = ends.last()
    tell.check(all(end["cause"] == "ended" for end in last) and [end["heard_hz"] for end in last] == [CALLED_HZ, CALLER_HZ],
               f"extension {a.extension(story.caller)} hangs up after {last[0]['talk_ms'] / 1000:.1f} s; each heard the other one's tone to the end")
    suffering = longest(last, ends.bad_ms, ends.moved_ms - MARGIN_MS)
    falling, returning = longest(last, ends.moved_ms - MARGIN_MS, ends.moved_ms + MARGIN_MS), longest(last, good_ms, back_ms + MARGIN_MS)
    for text, pauses in (("while the network was bad", suffering), ("when the call moved", falling), ("when it came back", returning)):
        tell.say(f"longest pause in the tones {text}: {pauses[0]} ms at the caller's phone, {pauses[1]} ms at the called one")
    worst = max(end["longest_gap_ms"] for end in last)
    tell.check(worst <= story.longest_pause_ms, f"no pause was longer than {story.longest_pause_ms} ms: {worst} ms was the longest of all")
    tell.figure("longest pause while the network was bad", f"{max(suffering)} ms")
    tell.figure("longest pause when the call moved", f"{max(falling)} ms")
    tell.figure("from a good network back to the Internet", f"{took:.1f} s, of which {EDGE_SECONDS + RETURN_SECONDS} s to believe it")
    tell.figure("longest pause when it came back", f"{max(returning)} ms; video is back, too")
    tell.figure("rings meanwhile, calls lost", f"{len(b.rang(ends.number)) - ends.rang_before - 1}, {sum(not end['in_order'] for end in last)}")
    check_records(story, ends.number)


def check_records(story, number):
    """The agents' and the phone network's notes of it."""
    call = story.ended(story.a, number)
    story.tell.say(f"A's agent has noted: {call['from']} to {call['to']}, cause {call['cause']}, ended by {call['ended_by']}")
    if "132" not in str(call["cause"]):
        raise Failure(f"the call's record does not say that it had moved: {call}")


STEPS = (
    Step("fallback", "the network gets bad, and the call moves to the phone network while people talk", ("phones",), fall),
    Step("return", "the network gets good, and the call comes back", ("fallback",), come_back),
)
