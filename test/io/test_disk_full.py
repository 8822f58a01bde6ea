#!/usr/bin/env python3
"""A full disk under running daemons, then room again: clear errors, nothing acknowledged that is not durable, nothing lost that was,
everything else goes on. The disk is full in two ways: a small file system of its own (where the system lets us mount one), and a limit
on the length of files.

    test_disk_full.py [--directory DIR]
"""
import argparse
import http.client
import os
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

VSERVICE = 0xA1
CALLER = "+49891234567"
SECONDS = 60
DISK = "8m"
IN_NAMESPACE = "IME_TEST_IN_NAMESPACE"


class SmallDisk:
    """The data folder on a file system of its own, which a file fills."""

    name = "a small file system"

    def __init__(self, folder):
        self.folder = folder
        self.filler = os.path.join(folder, "filler")

    def prepare(self):
        """Moves the (closed) folder there."""
        aside = self.folder + ".aside"
        os.rename(self.folder, aside)
        os.mkdir(self.folder, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", self.folder], check=True)
        shutil.copytree(aside, self.folder, dirs_exist_ok=True)

    def fill(self, _pid):
        """Not an octet is free."""
        with open(self.filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def free(self, _pid):
        """Room again."""
        os.remove(self.filler)


class ShortFiles:
    """A limit on the length of files of the process: writing beyond it fails."""

    name = "a limit on the length of files"

    def __init__(self, folder):
        self.folder = folder

    def prepare(self):
        """Nothing to do."""

    def fill(self, pid):
        """No file may grow beyond what the write-ahead log has now."""
        longest = max([0] + [os.path.getsize(os.path.join(self.folder, f)) for f in os.listdir(self.folder) if f.endswith("-wal")])
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))

    def free(self, pid):
        """Room again."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Round:
    """The same for each kind of disk."""

    def __init__(self, world, kind):
        self.world = world
        self.company = world.description["companies"][0]
        self.server = self.company["servers"][0]
        self.disk = kind(self.server["data"])
        self.enroll_disk = kind(os.path.join(world.directory, "enroll", "data"))
        self.enroll_control = os.path.join(world.directory, "enroll", "control")
        self.acknowledged, self.refused = set(), set()
        self.next = 0

    def pid(self, name):
        """Of a daemon."""
        return self.world.processes[name]["pid"]

    def connect(self):
        """A registered agent with its VService."""
        account = self.company["vap"]
        agent = Vap(self.server["vap"], account["user"], account["password"], self.world.description["ca"], timeout=SECONDS)
        agent.register()
        agent.publish_vservice(VSERVICE, self.company["domain"], [f"sip:a@{self.company['domain']}:5061;maddr=127.0.0.1;transport=tcp"])
        return agent

    def upload(self, agent, count):
        """Uploads records; how many were refused."""
        refused = 0
        begin = int(time.time()) - 3600
        sent = []
        for _ in range(count):
            self.next += 1
            called = "+4930010%05d" % self.next
            sent.append((agent.vcr(VSERVICE, False, CALLER, called, begin, begin + 60), called))
        for transaction, called in sent:
            try:
                agent.wait(transaction)
                self.acknowledged.add(called)
            except VapError as error:
                assert error.code in (500, 503), error
                self.refused.add(called)
                refused += 1
        return refused

    def shown(self):
        """The called numbers of the records that the server has."""
        return {v["called"] for v in self.world.ctl(self.server["control"], "show", "vcrs", "--limit", "100000")["vcrs"]}

    def warnings(self):
        """Names of the alerts."""
        return {w["name"] for w in self.world.ctl(self.server["control"], "show", "status")["warnings"]}

    def restart(self, number=signal.SIGKILL, before=lambda: None):
        """Ends the server and starts it again."""
        self.world.signal("a1", number)
        assert self.world.wait_end("a1", SECONDS)
        before()
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)

    def server_round(self):
        """The server's disk."""
        self.restart(signal.SIGTERM, self.disk.prepare)
        agent = self.connect()
        assert self.upload(agent, 50) == 0
        self.disk.fill(self.pid("a1"))
        for _ in range(200):
            if self.upload(agent, 20):
                break
        assert self.refused, "a full disk refuses nothing"
        assert self.upload(agent, 100), "the full disk has room again"
        assert "StoreFailure" in self.warnings(), self.warnings()
        assert self.shown() == self.acknowledged, "the server shows what it has not acknowledged, or the reverse"
        try:
            agent.publish_number(VSERVICE, "+49300100001")
            raise AssertionError("a number was published without being stored")
        except VapError as error:
            assert error.code in (481, 500, 503), error
        agent.close()

        agent = self.connect()
        self.disk.free(self.pid("a1"))
        assert self.upload(agent, 50) == 0, "no recovery"
        assert "StoreFailure" not in self.warnings()
        agent.publish_number(VSERVICE, "+49300100001")
        agent.close()
        with open(self.world.processes["a1"]["log"], errors="replace") as log:
            lines = log.read().splitlines()
        failures = [line for line in lines if "store.write.failed" in line]
        assert len(failures) < 10, f"{len(failures)} lines tell of the same failure"
        assert any("store.write.recovered" in line for line in lines)
        assert not any(words in line for line in lines for words in ("Sanitizer", "runtime error", "Assertion"))

        self.restart()
        assert self.shown() == self.acknowledged, "after kill -9 the server has lost what it acknowledged, or has what it refused"

    def enroll(self, server_id, token):
        """One enrollment (RFC 6940 11.3): status and body."""
        csr = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                              "-subj", "/CN=x", "-outform", "DER"], capture_output=True, timeout=SECONDS, check=True).stdout
        fields = {"username": server_id.encode(), "password": token.encode(), "nodeids": b"1", "csr": csr}
        body = b"".join(b"--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (k.encode(), v) for k, v in fields.items()) + b"--b--\r\n"
        host, port = self.world.enroll_address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=SECONDS)
        connection.request("POST", "/enroll", body, {"Content-Type": "multipart/form-data; boundary=b"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def certificates(self):
        """How many are listed."""
        return len(self.world.ctl(self.enroll_control, "enroll", "certificate", "list")["certificates"])

    def restart_enroll(self, number, before=lambda: None):
        """Ends the enrollment server and starts it again."""
        self.world.signal("enroll", number)
        assert self.world.wait_end("enroll", SECONDS)
        before()
        self.world.start_enroll()

    def enroll_round(self):
        """The enrollment server's disk."""
        self.restart_enroll(signal.SIGTERM, self.enroll_disk.prepare)
        name = f"{self.disk.__class__.__name__.lower()}.example"
        token = self.world.ctl(self.enroll_control, "enroll", "token", "add", "--server-id", name)["token"]
        before = self.certificates()
        self.enroll_disk.fill(self.pid("enroll"))
        status, body = self.enroll(name, token)
        assert status >= 500, (status, body)
        try:
            self.world.ctl(self.enroll_control, "enroll", "token", "add", "--server-id", "other.example")
            raise AssertionError("a token was added without being stored")
        except WorldError:
            pass
        assert self.certificates() == before
        self.enroll_disk.free(self.pid("enroll"))
        status, body = self.enroll(name, token)
        assert status == 200, (status, body)
        self.restart_enroll(signal.SIGKILL)
        assert self.certificates() == before + 1


def read_only_start(world):
    """A data folder that cannot be written: the server says so and ends."""
    data = world.description["companies"][0]["servers"][0]["data"]
    world.signal("a1", signal.SIGTERM)
    assert world.wait_end("a1", SECONDS)
    subprocess.run(["mount", "-o", "remount,ro", data], check=True)
    world.start_server(1, 1)
    assert world.wait_end("a1", SECONDS)
    assert "full or read-only" in world.log_tail("a1") or "no_space" in world.log_tail("a1"), world.log_tail("a1")
    assert world.children["a1"].returncode == 1


def in_namespace():
    """True if we have mounts of our own; begins again within such a namespace if the system has them."""
    if IN_NAMESPACE in os.environ:
        return os.environ[IN_NAMESPACE] == "yes"
    able = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode == 0
    os.environ[IN_NAMESPACE] = "yes" if able else "no"
    if able:
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    return False


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "full"))
    args = parser.parse_args()
    mounting = in_namespace()
    tests = [(f"{daemon}: {kind.name}", kind, f"{daemon}_round") for kind in (ShortFiles, SmallDisk) for daemon in ("server", "enroll")]
    tests.append(("server: a read-only file system at its start", SmallDisk, None))
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(43))
    rounds = {}
    failed = 0
    print(f"1..{len(tests)}")
    try:
        world.up(1, 1)
        for number, (name, kind, method) in enumerate(tests, 1):
            if kind is SmallDisk and not mounting:
                print(f"ok {number} - {name} # SKIP this system lets us mount nothing")
                continue
            try:
                if kind not in rounds:
                    previous = rounds.get(ShortFiles)
                    rounds[kind] = Round(world, kind)
                    if previous:
                        rounds[kind].acknowledged |= previous.acknowledged
                        rounds[kind].next = previous.next
                if method:
                    getattr(rounds[kind], method)()
                else:
                    read_only_start(world)
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, WorldError, VapError, Closed, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: " + str(error).replace("\n", "\n# "), flush=True)
    except WorldError as error:
        print(f"not ok 1 - the world comes up\n# {error}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
