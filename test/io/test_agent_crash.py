#!/usr/bin/env python3
"""Kills the running ime-agent at chosen and at random moments: while phones ring, in mid-call, while records of calls are handed in, while a route is
stored, while it starts. After each restart nobody stays in a call; what was acknowledged is there; no call has two records; nothing grows.

    test_agent_crash.py IME-AGENT IMECTL VAP-TESTD [--rounds N] [--seed S]
"""
import argparse
import contextlib
import os
import random
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

from sip_peers import Agent, Peer, SipError, free_hosts, wait_for

TARGET_PORT = 5060
CALL_RECORDS = 100
KV_AGENT_VCR, KV_AGENT_CALL, KV_AGENT_DIALOG = 81, 82, 84
DATABASE_OCTETS_MAX = 4 << 20
SHORT_CALLS = 3
CONF = """domain = a.example
keepalive = 1s
call-records = {records}
[pbx-side]
udp = {hosts}.1:5060
[pstn-side]
udp = {hosts}.1:5070
[pbx office]
host = {hosts}.2
country = 49
[trunk carrier]
host = {hosts}.4
country = 49
[service ime]
domain = a.example
vservice-id = 0000000000000007
server = 127.0.0.1:{port}
user = pbx
plain = yes
password-file = {folder}/password
external-address = 192.0.2.1:5061
[enrolled office]
pattern = +493010012XX
"""


class Server:
    """The VAP server: what it was told, line by line."""

    def __init__(self, program):
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline().split()[1])
        self.records = []  # that it has acknowledged: (called, direction, calling, start, stop)
        self.routes = set()  # numbers of routes that the agent has said to have
        self.done = threading.Semaphore(0)
        self.held = threading.Event()
        self.subscribed = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Takes what it says."""
        for line in self.child.stdout:
            words = line.split()
            if words[0] == "vcr":
                self.records.append((words[3], words[1], words[2], int(words[4]), int(words[5])))
            elif words[0] == "held":
                self.held.set()
            elif words[0] == "subscribed":
                self.subscribed.set()
            elif words[:2] == ["notified", "ok"]:
                self.routes.add(words[2])
            elif words[0] == "done":
                self.done.release()

    def tell(self, command):
        """Asks for something, and waits until it is done."""
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()
        assert self.done.acquire(timeout=60), f"the server does not {command}"

    def of(self, called):
        """The different records of calls to this number."""
        return {record for record in self.records if record[0] == called}


def recent_rows(octets):
    """(table, is_removed, key, value) of each row that is not in the table yet (src/store/rows.c)."""
    at = 0
    while at < len(octets):
        table, is_removed, n = struct.unpack_from(">BBI", octets, at)
        key = octets[at + 6:at + 6 + n]
        at += 6 + n
        n = struct.unpack_from(">I", octets, at)[0]
        yield table, is_removed, key, octets[at + 4:at + 4 + n]
        at += 4 + n


class Crash:
    """Rounds; each begins and ends with a running agent."""

    def __init__(self, programs, folder, seed):
        self.random = random.Random(seed)
        self.hosts = free_hosts(62)
        self.target = (f"{self.hosts}.1", TARGET_PORT)
        self.server = Server(programs[2])
        with open(f"{folder}/password", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write("secret word\n")
        self.agent = Agent(*programs[:2], folder, CONF.format(hosts=self.hosts, folder=folder, port=self.server.port, records=CALL_RECORDS))
        self.office, self.carrier = Peer(f"{self.hosts}.2", 5060), Peer(f"{self.hosts}.4", 5060, rings="99")
        self.calls = self.kills = 0
        self.due = {}  # called → how often it must have a record: 1, or 0 or 1 (None)
        self.agent.start()
        self.subscribe()

    def subscribe(self):
        """Waits until the agent is with its server."""
        assert self.server.subscribed.wait(60), "the agent does not come back to its server:\n" + self.agent.log()[-3000:]

    def number(self, end=""):
        """One that was never called."""
        self.calls += 1
        return f"0308{self.calls:05d}{end or 0}"

    def crash(self, after=0.0):
        """Kills it and starts it again, sometimes twice."""
        time.sleep(after)
        self.server.subscribed.clear()
        self.agent.kill()
        self.kills += 1
        while self.random.random() < 0.3:
            self.agent.begin()
            time.sleep(self.random.uniform(0, 0.1))
            self.agent.kill()
            self.kills += 1
        self.agent.start()

    def talk(self):
        """Calls in progress are ended at both sides, and are recorded: the phone network says that they were up until then."""
        numbers = [self.number() for _ in range(SHORT_CALLS)]
        legs = [self.office.connect(self.target, "0301001234", number) for number in numbers]
        wait_for(lambda: self.written(KV_AGENT_DIALOG) >= {self.international(number) for number in numbers}, "the calls are not written down")
        self.crash(self.random.uniform(0, 0.1))
        for leg, number in zip(legs, numbers):
            wait_for(leg.ended.is_set, f"the caller of {number} stays in its call")
            wait_for(self.carrier.with_called(number[1:]).ended.is_set, f"{number} stays in its call")
            assert len(leg.byes) == 1, f"{number} was ended with {leg.byes}"
            self.due[number] = 1
        wait_for(lambda: all(self.server.of(self.international(number)) for number in numbers), "the server does not hear of these calls")

    def hung_up_meanwhile(self):
        """The phone network hung up while the agent was away: nobody knows when. The other side is told, and there is no record."""
        number = self.number()
        leg = self.office.connect(self.target, "0301001234", number)
        wait_for(lambda: self.international(number) in self.written(KV_AGENT_DIALOG), "the call is not written down")
        far = self.carrier.with_called(number[1:])
        del self.carrier.legs[far.call_id]
        self.crash()
        wait_for(leg.ended.is_set, f"the caller of {number} stays in its call")
        self.due[number] = 0

    def ringing(self):
        """Nobody was in a call yet: who calls and gives up hears that there is none, and calls again."""
        number = self.number("99")
        self.carrier.ringing.clear()
        threading.Thread(target=self.ring, args=(number,), daemon=True).start()
        assert self.carrier.ringing.wait(60), "nobody rings"
        caller = next(leg for leg in reversed(list(self.office.legs.values())) if number in leg.remote)
        assert caller.heard.wait(60), "the caller hears nothing"  # an INVITE that is sent again would be a call of the next agent's
        self.crash()
        self.due[number] = 0
        number = self.number()
        assert self.office.connect(self.target, "0301001234", number).hang_up() == 200
        wait_for(lambda: self.server.of(self.international(number)), "the server does not hear of the call after")

    def ring(self, number):
        """Places a call that nobody answers."""
        with contextlib.suppress(SipError):
            self.office.call(self.target, "0301001234", number, 1)

    def handing_in(self):
        """Records that the server has not acknowledged, and others that it just has."""
        wait_for(lambda: self.rows(KV_AGENT_DIALOG) == 0, "calls of before are not ended")
        wait_for(lambda: self.rows(KV_AGENT_VCR) == 0, "records of before are not handed in")
        self.server.tell(f"slow {self.random.choice((2, 1000))}")
        self.server.held.clear()
        numbers = [self.number() for _ in range(SHORT_CALLS)]
        for number in numbers:
            assert self.office.connect(self.target, "0301001234", number).hang_up() == 200
            self.due[number] = 1
        assert self.server.held.wait(60), "no record was handed in"
        wait_for(lambda: self.written(KV_AGENT_VCR) | {record[0] for record in self.server.records} >= {self.international(number) for number in numbers},
                 "the records are not written down")
        self.server.tell("fast")  # those that are held stay so, for this agent
        self.crash(self.random.uniform(0, 0.02))

    def notify(self):
        """A route that the agent has said to have is there."""
        self.subscribe()
        number = f"+49302{self.calls:05d}{self.kills:03d}"
        self.server.tell(f"notify {number}")
        if self.random.random() < 0.5:
            wait_for(lambda: number in self.server.routes, f"the agent does not take the route to {number}")
            self.crash()
        else:
            self.crash(self.random.uniform(0, 0.05))

    def anywhen(self):
        """In the middle of several calls that begin and end."""
        numbers = [self.number() for _ in range(SHORT_CALLS)]

        def call(number):
            with contextlib.suppress(SipError):
                self.office.connect(self.target, "0301001234", number).hang_up()
        threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in numbers]
        for thread in threads:
            thread.start()
            time.sleep(self.random.uniform(0, 0.01))
        self.crash(self.random.uniform(0, 0.05))
        for number in numbers:
            self.due[number] = None

    def check(self):
        """Everything that was promised; and a last call is like the first."""
        number = self.number()
        assert self.office.connect(self.target, "0301001234", number).hang_up() == 200
        self.due[number] = 1

        def missing():
            return [number for number, due in self.due.items() if due and not self.server.of(self.international(number))]
        wait_for(lambda: not missing(), lambda: f"no record of calls to {missing()[:3]}")
        for number, due in self.due.items():
            have = self.server.of(self.international(number))
            assert len(have) <= (1 if due is None else due), f"{number} has the records {have}"
        routes = {route["number"] for route in self.agent.ctl("agent", "route", "list")["routes"]}
        assert self.server.routes <= routes, f"routes are gone: {self.server.routes - routes}"
        wait_for(lambda: self.rows(KV_AGENT_DIALOG) == 0, "goodbyes stay that have been said")
        wait_for(lambda: self.rows(KV_AGENT_VCR) == 0, "records stay that the server has")
        wait_for(lambda: 0 < self.rows(KV_AGENT_CALL) <= CALL_RECORDS, lambda: f"the journal has {self.rows(KV_AGENT_CALL)} rows")
        wait_for(lambda: self.agent.ctl("show", "status")["calls"] == 0, "calls stay")
        size = os.path.getsize(os.path.join(self.agent.folder, "data", "agent.db"))
        assert size < DATABASE_OCTETS_MAX, f"the database has {size} octets"

    @staticmethod
    def international(number):
        """As records have it."""
        return "+49" + number[1:]

    def values(self, table):
        """The rows that the store has: looked at in a copy, for the agent has locked its own. None: just when it was written."""
        with tempfile.TemporaryDirectory() as copy:
            for name in ("agent.db", "agent.db-wal"):
                with contextlib.suppress(FileNotFoundError), open(os.path.join(self.agent.folder, "data", name), "rb") as f:
                    with open(os.path.join(copy, name), "wb") as to:
                        to.write(f.read())
            with contextlib.closing(sqlite3.connect(os.path.join(copy, "agent.db"))) as database:
                try:
                    values = dict(database.execute("select key, value from kv where tbl = ?", (table,)))
                    for octets, in database.execute("select rows from recent order by number"):
                        for of_table, is_removed, key, value in recent_rows(octets):
                            if of_table == table:
                                values[key] = None if is_removed else value
                    return [value for value in values.values() if value is not None]
                except sqlite3.DatabaseError:
                    return None

    def rows(self, table):
        """How many. -1: just when it was written."""
        values = self.values(table)
        return -1 if values is None else len(values)

    def written(self, table):
        """Numbers that the rows are about."""
        return {number.decode() for value in self.values(table) or () for number in re.findall(rb"\+[0-9]{5,15}", value)}

    def close(self):
        """Ends what runs."""
        if self.agent.child and self.agent.child.poll() is None:
            self.agent.kill()
        self.server.child.stdin.close()
        self.server.child.wait(60)


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs=3)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"1..1\n# seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        crash = Crash(args.programs, folder, args.seed)
        moments = [crash.talk, crash.hung_up_meanwhile, crash.ringing, crash.handing_in, crash.notify, crash.anywhen]
        moment = crash.talk
        try:
            for i in range(args.rounds):
                moment = moments[i] if i < len(moments) else crash.random.choice(moments)
                moment()
            crash.check()
            crash.agent.stop()
        except (AssertionError, SipError, OSError, KeyError, subprocess.SubprocessError) as error:
            text = re.sub("\n", "\n# ", f"{moment.__name__}: {type(error).__name__}: {error}\n{crash.agent.log()[-3000:]}")
            print(f"not ok 1 - kill -9 of the agent\n# {text}\n# seed {args.seed}", flush=True)
            return 1
        finally:
            crash.close()
        print(f"# {crash.kills} kills, {crash.calls} calls, {len(set(crash.server.records))} records, {len(crash.server.routes)} routes\nok 1 - kill -9 of the agent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
