#!/usr/bin/env python3
"""Secrets stay where they belong: not in logs (of the level debug), command lines, environments or core dumps, and in files and sockets
only for their owner. Two companies prove a call to each other meanwhile, with passwords right and wrong.

    test_secrets.py [--directory DIR]
"""
import argparse
import hashlib
import os
import secrets
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

SECONDS = 60
LATTICE_MS = 4000
CALLER = "+49300100001"
PUBLIC_FILES = ("certificate.pem", "ca.pem")


class Secrets:
    """The tests share one world, in which everything that has a secret has happened."""

    def __init__(self, world):
        self.world = world
        self.secrets = {}  # what it is -> the text or octets that may be nowhere
        self.live()

    def company(self, index):
        """Its part of world.json."""
        return self.world.description["companies"][index - 1]

    def agent(self, index, password=None):
        """A call agent, registered, with its VService."""
        company = self.company(index)
        server = company["servers"][0]
        agent = Vap(server["vap"], company["vap"]["user"], password or company["vap"]["password"], self.world.description["ca"], timeout=SECONDS)
        agent.register()
        agent.publish_vservice(index, company["domain"], [f"sip:a@{company['domain']}:5061;maddr=127.0.0.1;transport=tcp"])
        return agent

    def ticket_password(self, index, text):
        """As an operator sets it."""
        self.secrets[f"ticket password of company {index}"] = text
        control = self.company(index)["servers"][0]["control"]
        self.world.ctl(control, "set", "ime", "ticket", "password", stdin=text + "\n" + text + "\n")

    def live(self):
        """A day in the life of two servers."""
        for company in self.world.description["companies"]:
            password = company["vap"]["password"]
            self.secrets[f"VAP password of {company['name']}"] = password
            key = hashlib.md5(f"{company['vap']['user']}:ViPR:{password}".encode()).digest()
            self.secrets[f"VAP key of {company['name']}"] = key
            for server in company["servers"]:
                with open(os.path.join(server["data"], "key.pem")) as f:
                    self.secrets["private key of " + server["node_id"]] = f.read().splitlines()[1]
                with open(os.path.join(os.path.dirname(server["control"]), "token")) as f:
                    self.secrets["token of " + server["node_id"]] = f.read().strip()
        wrong = "wrong-" + secrets.token_urlsafe(12)
        self.secrets["a wrong VAP password"] = wrong
        try:
            self.agent(1, wrong)
            raise AssertionError("registered with a wrong password")
        except VapError:
            pass
        agents = [self.agent(1), self.agent(2)]
        called = self.company(2)["numbers"][3]
        agents[1].publish_number(2, called)
        agents[0].subscribe(1)
        start = int(time.time()) - 400 + 0.5
        for shift in (0, 100, 200):  # three calls make a route, whose content holds a ticket
            begin = start + shift
            self.secrets[f"proof {shift}"] = f"{CALLER};{int(begin * 1000) // LATTICE_MS};{int((begin + 60) * 1000) // LATTICE_MS}"
            agents[1].wait(agents[1].vcr(2, False, CALLER, called, begin, begin + 60))
            agents[0].wait(agents[0].vcr(1, True, CALLER, called, begin, begin + 60))
        while not agents[0].notifies:
            agents[0].step()
        text = agents[0].notifies[0]
        self.secrets["a ticket"] = text[text.index("<ticket>") + 8:text.index("</ticket>")].strip()
        for index in (1, 2):
            self.ticket_password(index, "ticket-" + secrets.token_urlsafe(12))
        for agent in agents:
            agent.close()

    def each_form(self):
        """Each secret, as text and as hexadecimal."""
        for what, secret in self.secrets.items():
            octets = secret if isinstance(secret, bytes) else secret.encode()
            yield what, octets
            yield what + ", in hexadecimal", octets.hex().encode()
            yield what + ", in hexadecimal", octets.hex().upper().encode()

    def look(self, where, octets):
        """No secret may be there."""
        for what, secret in self.each_form():
            assert secret not in octets, f"{what} is in {where}"

    def test_logs(self):
        """At the level debug."""
        for name, entry in self.world.processes.items():
            with open(entry["log"], "rb") as log:
                text = log.read()
            assert b"debug" in text or name == "enroll", f"{name} does not log at debug level"
            self.look(entry["log"], text)

    def test_processes(self):
        """What others can see of a process, and what it leaves when it dies."""
        for name, entry in self.world.processes.items():
            for part in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{entry['pid']}/{part}", "rb") as f:
                        self.look(f"/proc, {part} of {name}", f.read())
                except PermissionError:
                    assert part == "environ"
            with open(f"/proc/{entry['pid']}/limits") as f:
                core = next(line for line in f if line.startswith("Max core file size")).split()
            assert core[4:6] == ["0", "0"], f"{name}: {core}"

    def test_not_dumpable(self):
        """Nobody but root attaches to a daemon or reads its memory, not even its own user."""
        sanitized = "asan" in os.path.basename(self.world.build or "")
        for name, entry in self.world.processes.items():
            owner = os.stat(f"/proc/{entry['pid']}/mem").st_uid
            if os.getuid() != 0 and not sanitized:
                assert owner == 0, f"{name} is dumpable"

    def test_files(self):
        """Of the daemons' own folders, nothing is open to others but what is public."""
        folders = [os.path.join(self.world.directory, "enroll", "data")]
        folders += [s["data"] for c in self.world.description["companies"] for s in c["servers"]]
        for folder in folders:
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
            files = os.listdir(folder)
            assert len(files) >= 2, files
            for name in files:
                mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
                assert mode == (0o644 if name in PUBLIC_FILES else 0o600), f"{folder}/{name} has mode {mode:o}"
        sockets = [os.path.join(self.world.directory, "enroll", "control")]
        sockets += [s["control"] for c in self.world.description["companies"] for s in c["servers"]]
        for path in sockets:
            status = os.stat(path)
            assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600, f"{path} has mode {status.st_mode:o}"

    def test_control_shows_none(self):
        """Nothing that imectl shows holds a password or a key; a learned route's ticket is the one that is meant to be shown."""
        shown = {k: v for k, v in self.secrets.items() if k != "a ticket"}
        self.secrets, kept = shown, self.secrets
        try:
            for company in self.world.description["companies"]:
                control = company["servers"][0]["control"]
                for words in (("status",), ("ring",), ("clients",), ("vcrs",), ("pools",), ("routes",), ("validations",), ("settings",),
                              ("counters",), ("certificate",)):
                    try:
                        self.look("show " + words[0], str(self.world.ctl(control, "show", *words)).encode())
                    except WorldError as error:
                        assert "no such command" in str(error) or "unknown" in str(error), error
        finally:
            self.secrets = kept


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "secrets"))
    args = parser.parse_args()
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(46))
    failed = 0
    try:
        world.up(2, 1, validator={"minimum-interval": "0"})
        secret = Secrets(world)
        tests = [name for name in dir(Secrets) if name.startswith("test_")]
        print(f"1..{len(tests)}")
        for number, name in enumerate(tests, 1):
            try:
                getattr(secret, name)()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, WorldError, VapError, Closed, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: " + str(error).replace("\n", "\n# "), flush=True)
    except (AssertionError, WorldError, VapError, Closed, OSError) as error:
        print(f"1..1\nnot ok 1 - the world comes up and lives\n# {type(error).__name__}: {error}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
