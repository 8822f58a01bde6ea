"""Who takes part in the story, and what its steps ask them and do with them."""
import os

from capture import Capture
from edges import HOLD
from offices import CARRIERS, ENROLLED, RETURN, Offices
from talk import Talk

from .company import Company
from .telling import Failure, wait_for

CALLER_HZ, CALLED_HZ = 800, 1300  # the tones of the phones
TALK_SECONDS = 2
LONGEST_PAUSE_MS = 200
EDGE_SECONDS, RETURN_SECONDS = int(HOLD[:-1]), int(RETURN[:-1])


class Story:
    """What the steps have in common."""

    def __init__(self, world, tell, longest_pause_ms=LONGEST_PAUSE_MS):
        """longest_pause_ms: in the tone that a phone hears while its call moves; a longer one is a failure."""
        self.world, self.tell, self.longest_pause_ms = world, tell, longest_pause_ms
        self.companies = []
        self.called = []  # the three numbers of the records
        self.watch = None
        self.offices = None
        self.talk = self.ends = None  # a call that goes on from step to step

    # -- companies with ime-vcr ------------------------------------------------------------------------------------------

    def gather(self):
        """The companies of the world."""
        directory = os.path.join(self.world.directory, "agents")
        os.makedirs(directory, mode=0o700)
        self.companies = [Company(self.world, i, f"{0xa0 + i:016x}", directory) for i in (1, 2, 3)]

    def servers(self):
        """What world.json says of all."""
        return [server for company in self.world.description["companies"] for server in company["servers"]]

    # -- companies with call agents --------------------------------------------------------------------------------------

    def open_offices(self):
        """Call agents take the place of ime-vcr, with PBXs, phones, edges, and an Internet between these that can be bad."""
        for company in self.companies:
            company.stop()
        self.offices = Offices(self.world, "basic", impaired=True)
        self.offices.start()
        a, b, _ = self.offices.offices
        wait_for(lambda: b.ctl("agent", "publish", "report")["published"] == ENROLLED, "publishing by B's agent")
        wait_for(lambda: all(t["state"] == "up" for o in (a, b) for t in o.ctl("agent", "trunks")["trunks"]), "trunks and PBXs answering")

    @property
    def a(self):
        """The company that calls."""
        return self.offices.offices[0]

    @property
    def b(self):
        """The company that is called."""
        return self.offices.offices[1]

    @property
    def c(self):
        """The company that nobody has learned anything of."""
        return self.offices.offices[2]

    @property
    def caller(self):
        """Of A."""
        return self.a.numbers[7]

    @property
    def colleague(self):
        """The same company's."""
        return self.a.numbers[8]

    @property
    def numbers(self):
        """Of B: those that are learned."""
        return self.b.numbers[6:9]

    def counters(self, office, prefix="edge."):
        """Of a company's edge."""
        return {c["name"]: c["value"] for c in office.edge.ctl("show", "counters", prefix, "--all")["counters"]}

    def grown(self, office, before):
        """Its counters that have changed: name -> by how much."""
        return {name: value - before.get(name, 0) for name, value in self.counters(office).items() if value != before.get(name, 0)}

    def noted(self, office, number):
        """What an agent notes of the newest call with a number."""
        calls = office.ctl("agent", "calls", number, "--limit", "1")["calls"]
        return calls[0] if calls else None

    def ended(self, office, number):
        """The same, when it has ended."""
        def row():
            call = self.noted(office, number)
            return call if call and call["ended_by"] != "in progress" else None
        return wait_for(row, f"the call with {number} ending at {office.name}")

    def ring(self, number, way, text, caller=None, options=()):
        """A call of some seconds, which way it went as both agents have it, and what both phones heard. What the caller's phone noted."""
        a, b = self.a, self.b
        caller = caller or self.caller
        carried, rang = len(self.offices.carried()), len(b.rang(number))
        dialed = a.dials(number)
        heard = a.call(caller, dialed, TALK_SECONDS, *options)
        if not heard.good:
            raise Failure(f"extension {a.extension(caller)} dials {dialed}, and hears {heard.events}")
        at_a, at_b = self.ended(a, number), self.ended(b, number)
        far = b.heard(number, heard.last)
        good = len(b.rang(number)) == rang + 1 and at_a["to"] == at_b["from"] == way
        good = good and heard.last["heard_hz"] == CALLED_HZ and far["heard_hz"] == CALLER_HZ
        good = good and len(self.offices.carried()) - carried == (way == "PSTN")
        self.tell.check(good, f"extension {a.extension(caller)} dials {dialed}: extension {b.extension(number)} of B rings after "
                        f"{heard.seconds('rang'):.2f} s, each hears the other's tone for {heard.last['talk_ms'] / 1000:.1f} s: {text}")
        return heard, far

    def carriers(self):
        """Their addresses, where media goes that takes the phone network."""
        return {self.offices.carrier_address(index)[0] for index in range(len(CARRIERS))}

    def begin(self, number, *options):
        """A call that goes on. The event of its answer."""
        self.talk = Talk(self.a.call_argv(self.caller, self.a.dials(number), None, *options))
        return self.talk.wait("answered")

    # -- an eavesdropper -------------------------------------------------------------------------------------------------

    def of_edges(self):
        """Addresses of edges: those that other companies know, and those inside."""
        return {point.rsplit(":", 1)[0] for o in self.offices.offices for point in (o.edge.inside, o.edge.outside)} | self.outside()

    def outside(self):
        """Between which packets cross the Internet."""
        return {host for o in self.offices.offices for host in (o.edge.known, o.edge.real)}

    def capture(self):
        """What passes edges, on either side."""
        hosts = self.of_edges()
        return Capture(lambda packet: packet.source[0] in hosts or packet.target[0] in hosts)

    # -- the end ---------------------------------------------------------------------------------------------------------

    def stop(self):
        """Ends what is not a process of the world."""
        if self.talk:
            self.talk.stop()
        for company in self.companies:
            company.stop()
