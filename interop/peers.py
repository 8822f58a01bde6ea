"""What all tests with other people's programs have in common: a world with agents, TAP, and waiting for what the programs do."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

from world import ENROLL_PORT, ROOT, World, WorldError  # noqa: E402

NETWORKS = range(117, 197)  # of the worlds here: the first that nobody has
RTP_PORTS, RTP_PORTS_PER_LAB, RTP_PORTS_PER_PHONE = 23000, 120, 20
SIP, SIPS = 5060, 5061
SECONDS = 90
OUR_NUMBER, THEIR_NUMBER = "+493010000", "+498920000"
FAILURES = (AssertionError, WorldError, OSError, KeyError, ValueError, subprocess.SubprocessError)


def wait_for(condition, what, seconds=SECONDS):
    """Asks again and again; what: a text, or a function that says what is missing."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


def listens(transport, address):
    """True when a socket of this machine is bound there (IPv4), or listens if it is of TCP."""
    ip = socket.inet_aton(address[0])[::-1].hex().upper()
    local = f"{ip}:{address[1]:04X}"
    with open(f"/proc/net/{transport}") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return any(row[1] == local and (transport == "udp" or row[3] == "0A") for row in rows)


def claim_network():
    """A number of NETWORKS, and a socket that keeps it: others leave it alone while that is open."""
    for number in NETWORKS:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                claim.bind((f"127.{number}.0.1", ENROLL_PORT))
                probe.bind((f"127.{number}.0.1", ENROLL_PORT))
                return number, claim
            except OSError:
                claim.close()
    raise WorldError("all networks that tests may use are taken: another world runs in each")


class Lab(World):
    """A world of agents and the programs around them, in a network of its own."""

    def __init__(self, name):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its programs end with it
        number, self.claim = claim_network()
        self.next_rtp = RTP_PORTS + (number - NETWORKS.start) * RTP_PORTS_PER_LAB
        super().__init__(os.path.join(ROOT, "build", "interop", name), network=f"127.{number}")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)

    def rtp_ports(self):
        """(first, last) for one phone; whatever address it listens at, nobody else has them."""
        self.next_rtp += RTP_PORTS_PER_PHONE
        return self.next_rtp - RTP_PORTS_PER_PHONE, self.next_rtp - 1

    def control(self, name):
        """The control socket of an agent."""
        return self.processes[name]["control"]

    def start_agent(self, name, sections):
        """Configures an agent, starts it, waits until it answers."""
        self.configure(name, "agent", sections)
        self.start_daemon(name, "agent")
        self.wait_daemon(name)

    def stop(self, name):
        """Ends a process politely."""
        self.signal(name, signal.SIGTERM)
        assert self.wait_end(name), f"{name} does not end"

    def newest_call(self, name):
        """What an agent has noted of the newest call, once that has ended."""
        def ended():
            calls = self.ctl(self.control(name), "agent", "calls", "--limit", "1")["calls"]
            return calls and calls[0]["ended_by"] != "in progress" and calls[0]
        return wait_for(ended, "no call has ended")

    def nothing_left(self, name):
        """Waits until an agent has no call any more; what was said last may still be on its way to it."""
        wait_for(lambda: self.calls_in_progress(name) == 0, f"{name} keeps a call")

    def spawn(self, name, argv, **more):
        """A program of others, in a session of its own; it ends with the world. Its log: home(name)/log."""
        log = os.path.join(self.home(name), "log")
        with open(log, "ab") as out:
            child = subprocess.Popen(argv, stdin=more.pop("stdin", subprocess.DEVNULL), stdout=out, stderr=out, start_new_session=True, **more)
        self.processes[name] = {}
        self.adopt(name, child, argv, log)
        return child

    def count(self, name, text):
        """How often a program has written this."""
        with open(self.processes[name]["log"], errors="replace") as log:
            return log.read().count(text)

    def counter(self, name, counter):
        """Of an agent."""
        counters = self.ctl(self.control(name), "show", "counters")["counters"]  # those that are not zero
        return next((c["value"] for c in counters if c["name"] == counter), 0)

    def calls_in_progress(self, name):
        """Of an agent."""
        return self.ctl(self.control(name), "show", "status")["calls"]


def run(lab):
    """Starts all that a lab has, takes each of its steps, (name, function) pairs, or those whose names have one of the words of the command line,
    and ends all of it; prints TAP, with what a step tells of itself; the exit status. A step that fails does not stop the others."""
    wanted = sys.argv[1:]
    failed = 0
    try:
        lab.start_all()
        steps = [(name, step) for name, step in lab.steps() if not wanted or any(word in name for word in wanted)]
        print(f"1..{len(steps)}", flush=True)
        for number, (name, step) in enumerate(steps, 1):
            began = time.monotonic()
            try:
                told = step()
                print(f"ok {number} - {name}{': ' + told if told else ''} ({time.monotonic() - began:.1f} s)", flush=True)
            except FAILURES as error:
                failed += 1
                text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
                print(f"not ok {number} - {name}\n# {text}", flush=True)
    finally:
        lab.down()
    return 1 if failed else 0
