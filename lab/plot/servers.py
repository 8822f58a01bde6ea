"""A server is killed, as by a power failure, while people talk; and everything is still there: calls, numbers, records, routes."""
import signal
import time

from .story import CALLED_HZ, CALLER_HZ
from .telling import STEP_SECONDS, Step, wait_for

VICTIM = 2, 1  # company B's first server: the one that has its records, claims its numbers and seals its tickets


def lookups(story, server):
    """The domains' servers that claim each number of B, as another company's server finds them in the ring."""
    return {number: {claim["node_id"] for claim in story.world.ctl(server["control"], "ring", "lookup", number)["claimants"]} for number in story.numbers}


def memory(story, server):
    """What a server knows that must not get lost."""
    def ask(what, *keys):
        rows = story.world.ctl(server["control"], "show", what, *(["--limit", "1000"] if what == "vcrs" else []))[what]
        return {tuple(row[key] for key in keys) for row in rows}
    return {
        "records": ask("vcrs", "direction", "calling", "called", "start_at", "stop_at"),
        "numbers": ask("numbers", "number"),
        "routes": ask("routes", "number", "domain", "ticket"),
    }


def kill(story):
    """With -9, in the middle of a call."""
    a, b, c, tell, world = story.a, story.b, story.c, story.tell, story.world
    number = story.numbers[0]
    name = world.server_name(*VICTIM)
    victim = b.server(VICTIM[1])
    before, claimed = memory(story, victim), lookups(story, c.server())
    routes = {(r["number"], r["uri"]) for r in a.ctl("agent", "route", "list")["routes"]}
    tell.check(all(before[what] for what in ("records", "numbers")), f"{name} has {len(before['records'])} records of calls and claims "
               f"{len(before['numbers'])} numbers; others find these in the ring")
    story.begin(number)
    tell.say(f"extension {a.extension(story.caller)} talks with extension {b.extension(number)} of B, directly")
    began = time.monotonic()
    world.signal(name, signal.SIGKILL)
    tell.check(world.wait_end(name, STEP_SECONDS), f"kill -9 {name}")
    still = lookups(story, c.server())
    tell.check(all(still[n] and still[n] <= claimed[n] for n in claimed), f"company C still finds who claims {', '.join(claimed)}: the copies lie with other servers")
    heard, _ = story.ring(story.numbers[1], "IME", "a new call, with the server dead: the edge checks tickets by itself", caller=story.colleague)
    tell.check(story.talk.is_up(), "the call in progress goes on")
    world.start_server(*VICTIM)
    world.wait_server(*VICTIM)
    back = time.monotonic() - began
    after = memory(story, victim)
    lost = sum(len(before[what] - after[what]) for what in before)
    tell.check(not lost, f"{name} is back, with every record, number and route that it had")
    wait_for(lambda: lookups(story, c.server()) == claimed, f"finding everything as before {name} died")
    tell.check({(r["number"], r["uri"]) for r in a.ctl("agent", "route", "list")["routes"]} == routes, f"A's agent has its {len(routes)} routes")
    last = story.talk.hang_up()
    far = b.heard(number, last)
    gaps = [end["longest_gap_ms"] for end in (last, far)]
    tell.check(last["cause"] == "ended" and (last["heard_hz"], far["heard_hz"]) == (CALLED_HZ, CALLER_HZ),
               f"the call that was in progress lasted {last['talk_ms'] / 1000:.1f} s and was ended by its caller; longest pause in its tones: {max(gaps)} ms")
    tell.figure("a server killed in mid-call", f"call goes on, longest pause {max(gaps)} ms; the next one rings after {1000 * heard.seconds('rang'):.0f} ms")
    tell.figure("lost with it", f"{lost} of {sum(map(len, before.values()))} records, numbers and routes; back after {back:.1f} s")


STEPS = (Step("killed", "a server is killed, and nothing is lost", ("phones",), kill),)
