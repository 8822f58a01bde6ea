"""A company without a call agent: ime-vcr stands in for it, with call records as a PBX writes them."""
import csv
import datetime
import io
import os
import subprocess
import threading

from processes import write_private
from world import program

from .telling import STEP_SECONDS, Failure


class Company:
    """One company's call agent: ime-vcr with its credentials."""

    def __init__(self, world, index, vservice, directory):
        self.world = world
        self.description = world.description["companies"][index - 1]
        self.name = self.description["name"]
        self.domain = self.description["domain"]
        self.numbers = self.description["numbers"]
        self.vservice = vservice
        self.server = self.description["servers"][0]
        self.directory = os.path.join(directory, self.name.lower())
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.password_file = os.path.join(self.directory, "vap-password")
        write_private(self.password_file, self.description["vap"]["password"] + "\n")
        self.background = []

    def path(self, name):
        """A file of this company."""
        return os.path.join(self.directory, name)

    def argv(self, command, *arguments):
        """The command line of ime-vcr."""
        return [
            program("ime-vcr", self.world.build), command, "--server", self.server["vap"], "--user", self.description["vap"]["user"],
            "--password-file", self.password_file, "--ca", self.world.description["ca"], "--vservice", self.vservice, *arguments
        ]

    def service(self):
        """What the VService says of itself."""
        host = self.server["pvp"].rsplit(":", 1)[0]
        return [
            "--domain", self.domain, "--route",
            f"sip:agent-{self.name.lower()}@{self.domain}:5061;maddr={host};transport=tcp"
        ]

    def run(self, command, *arguments, seconds=STEP_SECONDS):
        """Runs ime-vcr to its end; its standard output."""
        done = subprocess.run(self.argv(command, *arguments), capture_output=True, text=True, timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure(f"ime-vcr {command} of company {self.name}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout + done.stderr

    def spawn(self, command, *arguments):
        """Leaves ime-vcr running; its standard output is the caller's."""
        argv = self.argv(command, *arguments)
        with open(self.path(command + ".log"), "ab") as log:
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, stdin=subprocess.DEVNULL,
                                     start_new_session=True)
        self.background.append(child)
        self.world.adopt(f"{self.name.lower()}-{command}", child, argv, self.path(command + ".log"))
        self.world.save()
        return child

    def ctl(self, *words, **options):
        """Asks this company's server."""
        return self.world.ctl(self.server["control"], *words, **options)

    def stop(self):
        """Ends what was left running."""
        for child in self.background:
            child.terminate()
        for child in self.background:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def national(number):
    """+4930… as a German PBX writes it."""
    return "0" + number[3:]


def master_csv(calls, called_is_ours):
    """Call records as Asterisk's cdr_csv writes them: 18 columns, whole seconds, UTC."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")

    def stamp(seconds):
        return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")

    for i, (caller, called, start, stop) in enumerate(calls):
        channel, far = ("SIP/trunk-%08x" % i, "SIP/desk-%08x" % i) if called_is_ours else ("SIP/desk-%08x" % i, "SIP/trunk-%08x" % i)
        writer.writerow([
            "", national(caller), national(called), "from-trunk" if called_is_ours else "from-internal",
            f'"Desk" <{national(caller)}>', channel, far, "Dial", far.rsplit("-", 1)[0] + "/" + national(called),
            stamp(start - 6), stamp(start), stamp(stop), int(stop) - int(start) + 6, int(stop) - int(start), "ANSWERED", "DOCUMENTATION",
            f"{start - 6:.3f}.{i}", ""
        ])
    return out.getvalue()


class Lines:
    """Collects a child's output lines in a thread."""

    def __init__(self, child):
        self.lines = []
        self.arrived = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def wait(self, count, seconds):
        """At least so many lines, or what came in time."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.lines) >= count or self.ended, seconds)
            return list(self.lines)
