"""How a route is learned, shown with ime-vcr, which hands in what PBXs record: enrollment, ring, publishing, records of calls, proofs, a false claim, a ticket."""
import base64
import json
import re
import subprocess
import time

from processes import write_private
from world import SHORT_CALLS, WorldError, open_database, program

from .company import Lines, master_csv
from .telling import STEP_SECONDS, Failure, Step, wait_for

CALL_SECONDS = 47
PUBLISHED = 20
# Numbers are few enough to try them all: a hash that costs 16 MiB per try, instead of the default, makes that slow.
RING = {"number-hash": "argon2id", "argon2-memory": "16M", "argon2-passes": "2"}
CALLER = "+49300100007"
# Where each of the three calls begins, in seconds before now, at A; and by how much B's clock and the phone network shift start and stop.
CALLS = [(900.2, 1.0, 1.5), (700.4, -1.2, -0.3), (500.1, 1.4, 0.6)]


def enroll(story):
    """Enrollment and ring."""
    began = time.monotonic()
    story.world.up(3, 2, ring=RING, validator=SHORT_CALLS, tell=story.tell.say)
    story.gather()
    servers = story.servers()

    def everybody_knows():
        rings = [story.world.ctl(s["control"], "show", "ring") for s in servers]
        return all(len({p for p in r["predecessors"] + r["successors"]}) >= len(servers) - 1 for r in rings)

    wait_for(everybody_knows, "every server knowing its neighbors")
    story.tell.check(len({s["node_id"] for s in servers}) == 6, "six members, each with a Node-ID and a certificate of the ring's authority")
    story.tell.figure("servers enrolled and joined", f"6 in {time.monotonic() - began:.1f} s")


def publish(story):
    """Company B publishes."""
    b = story.companies[1]
    began = time.monotonic()
    numbers = b.path("numbers")
    write_private(numbers, "\n".join(b.numbers[:PUBLISHED]) + "\n")
    b.spawn("publish", "--numbers", numbers, "--stay", *b.service())

    def published():
        shown = b.ctl("show", "numbers")["numbers"]
        return shown if len([n for n in shown if n["copies"] == 3]) == PUBLISHED else None

    stored = wait_for(published, "publishing")
    copies = [r for n in stored for r in n["resources"] if r["stored"]]
    story.tell.check(len(copies) == 3 * PUBLISHED, f"{len(copies)} copies stored, at {len({r['resource_id'] for r in copies})} places of the ring")
    story.tell.figure("numbers published", f"{PUBLISHED}, {len(copies)} copies, in {time.monotonic() - began:.1f} s")
    show_owners(story, copies)


def show_owners(story, copies):
    """Who stores them, and that the storing servers cannot read them."""
    rings = {server["node_id"]: story.world.ctl(server["control"], "show", "ring") for server in story.servers()}
    count = {}
    for copy in copies:
        node = next((node for node, ring in rings.items() if owns(ring, int(copy["resource_id"], 16))), None)
        if node is None:
            raise Failure(f"nobody owns {copy['resource_id']}")
        count[node] = count.get(node, 0) + 1
    story.tell.say("on the peers that own them: " + ", ".join(f"{node[:8]}… {n}" for node, n in sorted(count.items())))
    readable = rows = 0
    for company in story.companies:
        for server in company.description["servers"] if company.name != "B" else ():
            with open_database(server["data"]) as database:
                for key, value in database.execute("select key, value from kv where tbl in (10, 11)"):
                    rows += 1
                    blob = bytes(key) + bytes(value)
                    readable += any(n[1:].encode() in blob for n in story.companies[1].numbers)
    story.tell.check(rows > 0 and readable == 0, f"{rows} rows lie in the databases of A and C, none of them shows a number")
    story.tell.figure("numbers that others can read", f"{readable} in {rows} rows")


def owns(ring, place):
    """Whether a Resource-ID lies in the range of who says this of itself."""
    low, high = int(ring["owned_from"], 16), int(ring["owned_to"], 16)
    return (low < place <= high) if low < high else (place > low or place <= high)


def make_calls(story):
    """Three calls from A to B as both PBXs recorded them."""
    now = time.time()
    story.called = story.companies[1].numbers[3:6]
    of_a, of_b = [], []
    for called, (ago, start_shift, stop_shift) in zip(story.called, CALLS):
        start = int(now - ago) + (ago % 1)
        stop = start + CALL_SECONDS
        of_a.append((CALLER, called, start, stop))
        of_b.append((CALLER, called, start + start_shift, stop + stop_shift))
    return master_csv(of_a, False), master_csv(of_b, True)


def upload(story):
    """Both sides hand in."""
    a, b, _ = story.companies
    tell = story.tell
    a.spawn("publish", "--numbers", a.numbers[0], "--stay", *a.service())
    wait_for(lambda: a.ctl("show", "clients")["clients"], "company A's call agent registering")
    story.watch = Lines(a.spawn("watch", "--json"))
    wait_for(lambda: any(c["subscriptions"] for c in a.ctl("show", "clients")["clients"]), "company A's subscription")
    csv_a, csv_b = make_calls(story)
    claim_falsely(story)
    for company, text, own in ((b, csv_b, "terminating"), (a, csv_a, "originating")):
        path = company.path("Master.csv")
        write_private(path, text)
        words = company.run("upload", "--format", "asterisk-csv", "--country", "49", "--own",
                            f"{company.numbers[0]}-{company.numbers[-1][-3:]}", "--state", company.path("state"), *company.service(), path)
        tell.say("\n".join(f"company {company.name}: {line}" for line in words.strip().splitlines()))
        vcrs = [v for v in company.ctl("show", "vcrs")["vcrs"] if v["direction"] == own]
        tell.check(len(vcrs) == 3, f"company {company.name}: 3 {own} records from Master.csv, on disk")
    shift = max(abs(s) for _, start, stop in CALLS for s in (start, stop))
    tell.say(f"start and stop differ between the two companies by up to {shift} s")


def claim_falsely(story):
    """Company C claims one of B's numbers."""
    c = story.companies[2]
    c.spawn("publish", "--numbers", story.called[0], "--stay", *c.service())
    wait_for(lambda: [n for n in c.ctl("show", "numbers")["numbers"] if n["copies"] == 3], "company C's claim")
    story.tell.say(f"company C claims {story.called[0]} in the ring, which is B's")


def validate(story):
    """Proofs, the pool, the routes."""
    a, b, _ = story.companies
    began = time.monotonic()
    told = set()

    def steps():
        for number in story.called:
            for entry in a.ctl("explain", number)["steps"]:
                key = (number, entry["at"], entry["step"], entry["text"])
                if entry["step"].isdigit() and key not in told:
                    told.add(key)
                    story.tell.say(f"{number}: {entry['text']}")
        return len(a.ctl("show", "routes")["routes"]) >= 3

    wait_for(steps, "learning the routes")
    steps()
    fills = sorted({int(m.group(1)) for _, _, _, text in told for m in [re.search(r"pool of b\.example: (\d+),", text)] if m})
    story.tell.check(fills == [12, 24, 36], "the pool of b.example filled 12, 24, 36; 24 must be exceeded")
    lines = [json.loads(line) for line in story.watch.wait(3, STEP_SECONDS)]
    story.tell.check(sorted(line["number"] for line in lines) == sorted(story.called), "A's call agent was notified of three routes with tickets")
    granted = b.ctl("show", "counters", "server.tickets_granted")["counters"]
    story.tell.check(granted and granted[0]["value"] >= 3, "B granted three tickets")
    story.tell.figure("routes from three records of calls", f"3, each with a ticket, {time.monotonic() - began:.1f} s after the records")


def penalty(story):
    """C's claim."""
    a, _, c = story.companies
    node = c.server["node_id"]
    pools = wait_for(lambda: [p for p in a.ctl("show", "pools")["pools"] if p["penalty"] and p["node_id"] == node], "the penalty box")
    story.tell.check(pools[0]["bucket"] == story.called[0], f"{node[:8]}… of company C is in the penalty box for {story.called[0]}")
    routes = a.ctl("show", "routes")["routes"]
    story.tell.check(all(r["domain"] == "b.example" for r in routes), "no route leads to c.example")
    story.tell.figure("false claims believed", f"{sum(r['domain'] != 'b.example' for r in routes)} of 1")


def ticket(story):
    """The routes and what a ticket is good for."""
    a, b, _ = story.companies
    tell = story.tell
    routes = sorted(a.ctl("show", "routes")["routes"], key=lambda r: r["number"])
    for r in routes:
        tell.say(f"{r['number']}  {r['domain']}  {r['uri']}\n    ticket valid {r['ticket_not_before_at']} to {r['ticket_not_after_at']}")
    route = routes[0]
    decoded = subprocess.run([program("ime-wire", story.world.build), "ticket"], input=base64.b64decode(route["ticket"]).hex() + "\n",
                             capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
    if decoded.returncode != 0:
        raise WorldError(f"ime-wire ticket: {decoded.stderr}")
    tell.say("the ticket of " + route["number"] + ":")
    tell.say("\n".join("    " + line for line in decoded.stdout.rstrip().splitlines()))

    def verdict(text, number, domain):
        return b.ctl("ticket", "verify", text, "--number", number, "--domain", domain)

    good = verdict(route["ticket"], route["number"], a.domain)
    tell.check(good["good"], "it verifies with B's key for " + a.domain)
    raw = bytearray(base64.b64decode(route["ticket"]))
    raw[-1] ^= 1
    flipped = base64.b64encode(raw).decode()
    attempts = (
        ("for another domain", "wrong_domain", (route["ticket"], route["number"], "c.example")),
        ("for another number", "wrong_number", (route["ticket"], b.numbers[0], a.domain)),
        ("with one bit flipped", "bad_integrity", (flipped, route["number"], a.domain)),
    )
    for text, wanted, arguments in attempts:
        got = verdict(*arguments)
        tell.check(not got["good"] and got["verdict"] == wanted, f"{text} it is refused: {got['explanation']}")
    tell.figure("what a ticket is good for", f"its number, its company; {len(attempts)} of {len(attempts)} other uses refused")


STEPS = (
    Step("enroll", "six servers of three companies enroll and form a ring", (), enroll),
    Step("publish", f"company B publishes {PUBLISHED} numbers: hashed by Argon2id, sealed, three copies of each", ("enroll",), publish),
    Step("records", "both companies hand in the records of the same three calls, and company C claims a number of B", ("publish",), upload),
    Step("validate", "A's server finds B's, and both prove that they know the calls", ("records",), validate),
    Step("claim", "company C's claim was tried and failed", ("validate",), penalty),
    Step("ticket", "what was learned", ("validate",), ticket),
)
