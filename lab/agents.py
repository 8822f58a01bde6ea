"""Call agents of a world for long runs: each company's keeps a VAP connection to every one of its servers, publishes numbers, uploads the
records of made-up calls, takes the routes that are told, and comes back by itself when a server was away.

As the draft has it (draft-jennings-vipr-vap-02 sections 8.4 and 8.6): VServices and numbers go to all servers, records of received calls
as well, the record of a call that was made to one server, the first that is there. What could not be delivered waits; what was sent and
not acknowledged is sent again to the same server, for which it is the same record.

An Account holds what the servers have acknowledged, and nothing else: that is what a test may ask of them afterwards.
"""
import collections
import itertools
import re
import select
import ssl
import threading
import time

from vap import Closed, Vap, VapError

WINDOW = 32  # requests of one connection that are not yet answered
AGAIN_SECONDS = 0.5  # before a request that was refused for the moment is sent again
POLL_SECONDS = 0.1
LOOK_SECONDS = 0.1  # between attempts to connect to a server that is away
REFRESH_SECONDS = 20  # a server takes a client for gone that is silent for 60 s
PUBLICATION_FAILED, SERVER_ERROR, OVERLOADED, UNREGISTERED = 481, 500, 503, 474
CALL_SECONDS = 40
CALL_SPACING_SECONDS = 61  # no two calls begin in the same second or overlap: each has its own place in every list
CLOCK_SECONDS = 1.4  # how far apart two companies measure the same instant

ROUTE = re.compile(r"<number>\s*(\+\d+)\s*</number>.*?sip:[^@<]*@([^:;<\s]+)", re.S)


class Account:
    """What servers have acknowledged, by server name ("a1"). All of it may be read while no agent runs."""

    def __init__(self):
        self.lock = threading.Lock()
        self.claims = {}  # number -> {server name}: three copies were stored for this server
        self.published_at = {}  # number -> when it was acknowledged first
        self.records = collections.defaultdict(set)  # server name -> {(direction, calling, called, start, stop)}
        self.routes = collections.defaultdict(set)  # server name -> {(number, domain)}: told by Notify
        self.refused = collections.Counter()  # error code -> how often: what was asked was not done, and was asked again
        self.lost = 0  # connections that ended
        self.problems = []  # answers that no server may give

    def claim(self, number, name):
        """A Publish succeeded."""
        with self.lock:
            self.claims.setdefault(number, set()).add(name)
            self.published_at.setdefault(number, time.monotonic())

    def record(self, name, record):
        """An UploadVCR succeeded."""
        with self.lock:
            self.records[name].add(record)

    def route(self, name, number, domain):
        """A Notify was taken."""
        with self.lock:
            self.routes[name].add((number, domain))

    def settled_numbers(self, age):
        """Numbers that were published so many seconds ago, with the servers that claim them."""
        before = time.monotonic() - age
        with self.lock:
            return [(n, set(names)) for n, names in self.claims.items() if self.published_at[n] < before]

    def totals(self):
        """Counts, for people."""
        with self.lock:
            return {
                "numbers": len(self.claims),
                "claims": sum(len(names) for names in self.claims.values()),
                "records": sum(len(r) for r in self.records.values()),
                "routes": sum(len(r) for r in self.routes.values()),
            }


class Publication:
    """A number on its way to one server."""

    def __init__(self, number):
        self.number = number

    def send(self, vap, agent):
        """The transaction id."""
        return vap.send_number(agent.vservice, self.number)

    def acknowledged(self, line):
        """It is in the ring."""
        line.agent.account.claim(self.number, line.name)


class Call:
    """A call as the phone network saw it; each side measures it with its own clock."""

    def __init__(self, calling, called, start, shift):
        self.calling, self.called = calling, called
        self.start = {True: round(start, 3), False: round(start + shift, 3)}  # by whether it was sent or received
        self.received = set()  # names of the servers that have the record of the receiving side


class Record:
    """One side's record of a call on its way to one server."""

    def __init__(self, call, sent):
        self.call, self.sent = call, sent

    def send(self, vap, agent):
        """The transaction id."""
        start = self.call.start[self.sent]
        return vap.vcr(agent.vservice, self.sent, self.call.calling, self.call.called, start, start + CALL_SECONDS)

    def acknowledged(self, line):
        """It is durable."""
        start = int(self.call.start[self.sent])
        direction = "originating" if self.sent else "terminating"
        line.agent.account.record(line.name, (direction, self.call.calling, self.call.called, start, start + CALL_SECONDS))
        if not self.sent:
            self.call.received.add(line.name)


class Line(threading.Thread):
    """The connection of an agent to one server, made again whenever it ends."""

    def __init__(self, agent, server, name):
        super().__init__(name=f"line to {name}", daemon=True)
        self.agent, self.server, self.name = agent, server, name
        self.todo = collections.deque()
        self.sent = {}  # transaction id -> what was asked
        self.later = []  # (when, what): refused for the moment
        self.up = False  # registered, and the VService is published

    def idle(self):
        """Nothing waits for an acknowledgement."""
        return not (self.todo or self.sent or self.later)

    def run(self):
        while not self.agent.stop.is_set():
            vap = None
            try:
                vap = self.connect()
                self.up = True
                self.talk(vap)
            except (Closed, OSError, ssl.SSLError):
                self.agent.account.lost += self.up
            except VapError as error:
                self.agent.refused(self, error)
            finally:
                self.up = False
                self.todo.extendleft(reversed(self.sent.values()))
                self.sent.clear()
                if vap:
                    vap.close()
            self.agent.stop.wait(LOOK_SECONDS)

    def connect(self):
        """A connection over which everything may be asked."""
        company = self.agent.company
        vap = Vap(self.server["vap"], company["vap"]["user"], company["vap"]["password"], self.agent.ca, timeout=20)
        try:
            vap.register(name=f"agent {company['name']}", label=self.name)
            vap.publish_vservice(self.agent.vservice, company["domain"], [self.agent.route])
            vap.subscribe(self.agent.vservice)
        except BaseException:
            vap.close()
            raise
        return vap

    def talk(self, vap):
        """Sends what is to be sent and takes what comes, until the end. A PublishRevoke (the server lost its ring) is such an end."""
        refresh_at = time.monotonic() + REFRESH_SECONDS
        refresh = None
        while not (self.agent.stop.is_set() or vap.revoked):
            now = time.monotonic()
            self.todo.extend(item for when, item in self.later if when <= now)
            self.later = [(when, item) for when, item in self.later if when > now]
            while self.todo and len(self.sent) < WINDOW:
                self.sent[self.todo[0].send(vap, self.agent)] = self.todo[0]
                self.todo.popleft()
            if now > refresh_at:
                refresh, refresh_at = vap.send_refresh(), now + REFRESH_SECONDS
            if vap.has_input() or select.select([vap.socket], [], [], POLL_SECONDS)[0]:
                vap.step()
            if refresh in vap.answers:
                vap.wait(refresh)
            self.take(vap)

    def take(self, vap):
        """Notes what has been answered and told."""
        for transaction in [t for t in self.sent if t in vap.answers]:
            item = self.sent.pop(transaction)
            try:
                vap.wait(transaction)
                item.acknowledged(self)
            except VapError as error:
                self.later.append((time.monotonic() + AGAIN_SECONDS, item))
                self.agent.refused(self, error)
                if error.code == UNREGISTERED:
                    raise Closed("the server does not know the VService any more") from error
        for document in vap.notifies:
            told = ROUTE.search(document)
            if told:
                self.agent.account.route(self.name, *told.groups())
            else:
                self.agent.account.problems.append(f"{self.name}: a Notify without number and route: {document[:200]}")
        vap.notifies.clear()


class Agent:
    """The call agent of one company."""

    def __init__(self, world, index, account):
        self.company = world.description["companies"][index - 1]
        self.ca = world.description["ca"]
        self.account = account
        self.vservice = 0xC000 + index
        self.stop = threading.Event()
        host = self.company["servers"][0]["pvp"].rsplit(":", 1)[0]
        self.route = f"sip:agent-{index}@{self.company['domain']}:5061;maddr={host};transport=tcp"
        self.lines = [Line(self, server, world.server_name(index, s)) for s, server in enumerate(self.company["servers"], 1)]

    def refused(self, line, error):
        """An error response: some are to be expected of a server that is coming or whose ring is being repaired."""
        with self.account.lock:
            self.account.refused[error.code] += 1
            if error.code not in (PUBLICATION_FAILED, SERVER_ERROR, OVERLOADED, UNREGISTERED):
                self.account.problems.append(f"{line.name}: {error}")

    def publish(self, number):
        """To all servers: each claims the number."""
        for line in self.lines:
            line.todo.append(Publication(number))

    def received(self, call):
        """To all servers: whichever is asked must know the call."""
        for line in self.lines:
            line.todo.append(Record(call, False))

    def made(self, call):
        """To the first server that is there: two would prove the same call."""
        line = next((line for line in self.lines if line.up), self.lines[0])
        line.todo.append(Record(call, True))

    def has_received(self, call):
        """Whether every server that is there has the record."""
        return bool(call.received) and all(line.name in call.received for line in self.lines if line.up)


class Traffic(threading.Thread):
    """What companies do all day: publish new numbers, refresh old ones, call each other. Rates are per second, of all together."""

    def __init__(self, world, account, random, calls=4.0, new_numbers=1.0, refreshes=4.0, of_company=slice(None)):
        """of_company: which of a company's numbers are theirs."""
        super().__init__(name="traffic", daemon=True)
        self.random, self.account = random, account
        self.rates = {"call": calls, "new": new_numbers, "refresh": refreshes}
        self.agents = [Agent(world, i, account) for i in range(1, len(world.description["companies"]) + 1)]
        self.numbers = [agent.company["numbers"][of_company] for agent in self.agents]
        self.places = itertools.count(1)
        self.began = time.time()
        self.stop = threading.Event()
        self.calls = 0

    def begin(self):
        """Connects everybody, publishes the numbers that every company has, and goes on by itself."""
        for agent, numbers in zip(self.agents, self.numbers):
            for number in numbers:
                agent.publish(number)
            for line in agent.lines:
                line.start()
        self.start()

    def lines(self):
        """All connections."""
        return [line for agent in self.agents for line in agent.lines]

    def run(self):
        due = {what: time.monotonic() for what in self.rates}
        ringing = []  # calls of which the receiving side's record is under way
        while not self.stop.is_set():
            for what, at in due.items():
                while at <= time.monotonic():
                    ringing += self.happen(what)
                    at += self.random.expovariate(self.rates[what])
                due[what] = at
            ringing = [call for call in ringing if not self.hung_up(*call)]
            self.stop.wait(0.05)
        for caller, _, call in ringing:
            caller.made(call)

    def happen(self, what):
        """One thing; the call, if it is one."""
        index = self.random.randrange(len(self.agents))
        agent, numbers = self.agents[index], self.numbers[index]
        if what == "new":
            numbers.append(f"{numbers[0][:-5]}1{len(numbers):04d}")
            agent.publish(numbers[-1])
        elif what == "refresh":
            agent.publish(self.random.choice(numbers))
        else:
            return [self.call(index)]
        return []

    def call(self, caller):
        """Somebody of this company calls a number of another."""
        callee = (caller + self.random.randrange(1, len(self.agents))) % len(self.agents)
        start = self.began - CALL_SPACING_SECONDS * next(self.places)
        call = Call(self.random.choice(self.numbers[caller][:10]), self.random.choice(self.numbers[callee][:10]), start,
                    self.random.uniform(-CLOCK_SECONDS, CLOCK_SECONDS))
        self.agents[callee].received(call)
        self.calls += 1
        return self.agents[caller], self.agents[callee], call

    @staticmethod
    def hung_up(caller, callee, call):
        """The caller's record follows when the callee's has arrived: validation would come minutes later, here it comes at once."""
        if not callee.has_received(call):
            return False
        caller.made(call)
        return True

    def finish(self, seconds):
        """Begins nothing new and waits until all is acknowledged. The connections that still wait for something."""
        self.stop.set()
        self.join()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(line.idle() for line in self.lines()):
            time.sleep(POLL_SECONDS)
        return [line for line in self.lines() if not line.idle()]

    def hang_up(self):
        """Ends all connections."""
        for agent in self.agents:
            agent.stop.set()
        for line in self.lines():
            line.join(30)
