"""Phones call: over the phone network until there is a route, then directly, with video, under SRTP; and so does everybody else in the company."""
import signal
import time

from capture import TCP, UDP
from offices import CARRIERS, SIP

from .story import TALK_SECONDS
from .telling import STEP_SECONDS, Step, wait_for


def learn(story):
    """Three real calls over the phone network, and the route that comes of them."""
    story.open_offices()
    a, b, tell = story.a, story.b, story.tell
    show_offices(story)
    numbers = story.numbers
    show_dialing(story, numbers[0])
    heard = a.call_all(story.caller, [a.dials(n) for n in numbers], TALK_SECONDS)
    tell.check(all(h.good for h in heard) and len(story.offices.carried()) == 3,
               "three calls from A to B by the phone network, for there is no route to these numbers yet")
    hung_up = time.monotonic()
    show_calls(story)

    def learned():
        routes = a.ctl("agent", "route", "list")["routes"]
        return routes if set(numbers) <= {r["number"] for r in routes} else None

    route = wait_for(learned, "learning routes from these calls")[0]
    tell.check(route["domain"] == b.domain, f"both agents handed in the records; A's was told {route['uri']}")
    tell.figure("three phone calls, and the routes from them", f"{len(numbers)} routes, {time.monotonic() - hung_up:.1f} s after they hung up")


def direct(story):
    """The first call over the Internet, with an eavesdropper."""
    number, tell = story.numbers[0], story.tell
    before = story.counters(story.b)
    with story.capture() as capture:
        heard, far = story.ring(number, "IME", "from agent to edge, from edge to edge over TLS and SRTP, let in by its ticket, to the other agent",
                                options=("--video",))
    tell.figure("direct call: time until it rings", f"{1000 * heard.seconds('rang'):.0f} ms")
    pictures = [end["pictures_received"] for end in (heard.last, far)]
    pause = max(end["longest_gap_ms"] for end in (heard.last, far))
    tell.check(all(pictures), f"and sees the other's pictures: {pictures[0]} at the caller's phone, {pictures[1]} at the called one; no pause in a tone was longer "
               f"than {pause} ms")
    tell.figure("sound and pictures", f"longest pause {pause} ms; {pictures[0]} and {pictures[1]} pictures")
    check_secret(story, capture, number)
    tell.check(story.grown(story.b, before).get("edge.tickets_good") == 1, f"{story.b.edge.name} let one call in, with a good ticket")


def check_secret(story, capture, number):
    """What the Internet saw of a call."""
    hosts, tell = story.outside(), story.tell
    outside = {protocol: [p for p in capture.of(protocol) if {p.source[0], p.target[0]} <= hosts] for protocol in (TCP, UDP)}
    inside = {p.payload[12:] for p in capture.of(UDP) if not {p.source[0], p.target[0]} & hosts}
    texts = (b"SIP/2.0", b"sip:", b"INVITE", number[1:].encode(), story.caller[1:].encode())
    readable = [text for text in texts for p in outside[TCP] if text in p.payload]
    seen = any(text in p.payload for text in texts for p in capture.of(TCP) if not {p.source[0], p.target[0]} & hosts)
    tell.check(outside[TCP] and seen and not readable,
               f"an eavesdropper between the edges read {len(outside[TCP])} packets of TLS: no SIP, no number; inside it is there")
    same = sum(any(voice in p.payload for voice in inside if len(voice) > 100) for p in outside[UDP])
    tell.check(outside[UDP] and inside and not same,
               f"and {len(outside[UDP])} packets of SRTP: none holds one of the {len(inside)} pieces of voice and video that passed inside")
    tell.figure("read by an eavesdropper", f"{len(readable)} words of SIP in {len(outside[TCP])} packets of TLS, {same} pieces of voice in {len(outside[UDP])} of SRTP")


def colleague(story):
    """What one phone's calls have taught is good for the whole company."""
    heard, _ = story.ring(story.numbers[1], "IME", "somebody who had never called it", caller=story.colleague)
    story.tell.figure("a colleague's first call to such a number", f"direct, rings after {1000 * heard.seconds('rang'):.0f} ms")


def fail(story):
    """Without B's edge."""
    a, b, tell = story.a, story.b, story.tell
    number = story.numbers[0]
    story.world.signal(b.edge.name, signal.SIGTERM)
    tell.check(story.world.wait_end(b.edge.name, STEP_SECONDS), "company B's edge ends: nobody takes direct calls there")
    heard, _ = story.ring(number, "PSTN", "back by the phone network, and the caller hears one call")
    tell.say(f"imectl agent explain {number}")
    tell.say("\n".join("    " + line for line in a.ctl("agent", "explain", number, "--limit", "1")["explanation"].rstrip().splitlines()))
    show_prices(story)
    b.edge.start()
    story.world.wait_daemon(b.edge.name)
    wait_for(b.edge.has_keys, "the keys of tickets coming to B's new edge")
    tell.figure("a call while B's edge is away", f"by the phone network, rings after {1000 * heard.seconds('rang'):.0f} ms")


def show_offices(story):
    """Who is there."""
    for index, carrier in enumerate(CARRIERS):
        customers = ", ".join(o.letter.upper() for o in story.offices.offices if o.carrier == index)
        story.tell.say(f"carrier {carrier} at {':'.join(map(str, story.offices.carrier_address(index)))}: trunks of {customers}")
    for o in (story.a, story.b):
        way = f"registered at its agent as {o.pbx}" if o.style["registers"] else "known to its agent by address"
        shown = "extensions" if o.style["extensions"] else "+E.164"
        story.tell.say(f"{o.pbx} at {o.point(102, SIP)}: extensions 200 to 209, {o.style['outside']} for an outside line, {way}, callers as {shown}")
        story.tell.say(f"{o.name} at {o.point(101, SIP)} for the PBX; {o.edge.name} at {o.edge.inside} for it, at {o.edge.outside} for other companies")


def show_dialing(story, number):
    """What the agent's rules make of what is dialed."""
    dialed = was = story.a.dials(number)
    changes = []
    for step in story.a.ctl("agent", "number", "test", dialed)["steps"]:
        if step["number"] != was:
            changes.append(f"{step['step']} → {step['number']}")
            was = step["number"]
    story.tell.check(was == number, f"imectl agent number test {dialed}: " + ", ".join(changes))


def show_calls(story):
    """Calls as the phone network measured them: two sides, two times."""
    for call in story.offices.ended():
        talked = [f"{call[side + '_talk_ms'] / 1000:.3f} s" for side in ("caller", "called")]
        story.tell.say(f"{call['carrier']}: {call['from']} shown as {call['shown']} to {call['to']}, {talked[0]} at the caller's side, "
                       f"{talked[1]} at the called one, {call['caller_packets']} and {call['called_packets']} packets of voice relayed")


def show_prices(story):
    """What it cost."""
    for row in story.offices.network_ctl("show", "prices")["carriers"]:
        story.tell.say(f"carrier {row['carrier']}: {row['answered']} of {row['calls']} calls answered, {row['price'] / 1000:.2f} to be paid")


STEPS = (
    Step("phones", "A and B put a call agent between PBX and phone network, an edge before the Internet; phones call, a route is learned", ("enroll",), learn),
    Step("direct", "the next call goes direct, with video, and nobody on the way reads it", ("phones",), direct),
    Step("colleague", "somebody else in the company calls, and that goes direct, too", ("phones",), colleague),
    Step("edge", "B's edge is away: calls go by the phone network, and nobody has to do anything", ("phones",), fail),
)
