#!/usr/bin/env python3
"""Daemons that cannot start, or start in odd circumstances: they end in good order and say what to do next, or go on with what they have.

    test_start.py [--directory DIR] [--clock clock_shift.so]
"""
import argparse
import contextlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network, program  # noqa: E402

SECONDS = 60
DAY = 86400
VSERVICE = 0xA1


class Starts:
    """Each test finds server a1 and the enrollment server running, and leaves them so. Of server a2 only the files are used."""

    def __init__(self, world, clock):
        self.world = world
        self.company = world.description["companies"][0]
        self.server = self.company["servers"][0]
        self.home = os.path.join(world.directory, "a1")
        self.conf = os.path.join(self.home, "server.conf")
        self.enroll_conf = os.path.join(world.directory, "enroll", "enroll.conf")
        self.clock = clock
        self.clock_file = os.path.join(world.directory, "clock")
        with open(self.clock_file, "wb") as f:
            f.write(bytes(8))
        self.end("a2")

    def end(self, name):
        """Ends a daemon, which must do so in good order."""
        self.world.signal(name, signal.SIGTERM)
        assert self.world.wait_end(name, SECONDS), f"{name} does not end"
        assert self.world.children[name].returncode == 0, self.world.log_tail(name)

    @contextlib.contextmanager
    def ended(self, *names):
        """… for a while."""
        for name in names:
            self.end(name)
        try:
            yield
        finally:
            for name in names:
                if name == "enroll":
                    self.world.start_enroll()
                else:
                    self.world.start_server(1, int(name[1:]))
                    self.world.wait_server(1, int(name[1:]))

    def fails(self, *expected, changes=(), daemon="ime-server", conf=None, status=1):
        """Starts a daemon that must end with this status and say all that is expected."""
        with open(conf or self.conf) as f:
            text = f.read()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = os.path.join(self.world.directory, "changed.conf")
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        done = subprocess.run([program(daemon, self.world.build), "--config", path], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == status, (done.returncode, done.stderr)
        for words in ("Sanitizer", "runtime error"):
            assert words not in done.stderr, done.stderr
        for words in expected:
            assert words in done.stderr, f"it does not say {words!r}:\n{done.stderr}"
        return done.stderr

    # -- what is taken already -------------------------------------------------------------------------------------------

    def test_data_folder_in_use(self):
        """Two daemons never share a data folder."""
        self.fails("another ime-server uses this data folder")
        self.fails("another ime-enroll uses this data folder", daemon="ime-enroll", conf=self.enroll_conf)

    def test_port_in_use(self):
        """Each of the ports."""
        with self.ended("a1"):
            for service in ("ring", "vap", "pvp"):
                host, port = self.server[service].rsplit(":", 1)
                with socket.create_server((host, int(port))):
                    self.fails(f"service={service} address={self.server[service]}", "another program listens there")
        with self.ended("enroll"):
            host, port = self.world.enroll_address.rsplit(":", 1)
            with socket.create_server((host, int(port))):
                self.fails(self.world.enroll_address, "another program listens there", daemon="ime-enroll", conf=self.enroll_conf)

    def test_control_path_is_no_socket(self):
        """A file that lies there is not removed."""
        with self.ended("a1"):
            self.fails("control.listen.failed", changes=[(f"control = {self.server['control']}", f"control = {self.conf}")])
        assert os.path.getsize(self.conf)

    def test_foreign_address(self):
        """An address of another host."""
        with self.ended("a1"):
            self.fails("no address of this host", changes=[(f"[pvp]\nlisten = {self.server['pvp']}", "[pvp]\nlisten = 192.0.2.1:8470")])

    # -- files -----------------------------------------------------------------------------------------------------------

    def test_authority_file(self):
        """Missing, or no certificate."""
        ca = f"ca = {self.world.description['ca']}"
        with self.ended("a1"):
            self.fails("enroll.ca", "copy the ca-file", changes=[(ca, "ca = /nonexistent/ca.pem")])
            self.fails("enroll.ca", "must be the ca-file", changes=[(ca, f"ca = {self.conf}")])

    def test_password_file_open_to_others(self):
        """Secrets that others can read are not taken."""
        path = os.path.join(self.home, "vap-password")
        os.chmod(path, 0o644)
        try:
            self.fails(path, "mode 0600", status=3)
        finally:
            os.chmod(path, 0o600)
        inline = [(f"password-file = {path}", "password = correct-horse")]
        self.fails("is open to everybody", "password-file", changes=inline, status=3)

    @contextlib.contextmanager
    def replaced(self, name, content):
        """A file of the data folder has other content for a while."""
        path = os.path.join(self.server["data"], name)
        with open(path, "rb") as f:
            was = f.read()
        with open(path, "wb") as f:
            f.write(content)
        try:
            yield path
        finally:
            with open(path, "wb") as f:
                f.write(was)

    def test_data_folder_damaged(self):
        """Key, certificate and database that are not what they were."""
        with open(os.path.join(self.company["servers"][1]["data"], "certificate.pem"), "rb") as f:
            other = f.read()
        with self.ended("a1"):
            with self.replaced("certificate.pem", b"no certificate") as path:
                self.fails(path, "enroll anew with a fresh token")
            with self.replaced("certificate.pem", other) as path:
                self.fails(path, "it is not for key.pem beside it")
            with self.replaced("key.pem", b"no key") as path:
                self.fails(path, "key.failed")
            with self.replaced("ime.db", b"\x55" * 8192) as path:
                self.fails(path, "restore a backup")
            with self.replaced("key.pem", b"no key") as path:
                os.chmod(path, 0o640)
                try:
                    self.fails(path, "mode 0600")
                finally:
                    os.chmod(path, 0o600)

    # -- without the enrollment server -----------------------------------------------------------------------------------

    def test_enrollment_server_down(self):
        """A server that was enrolled once goes on without it; a fresh one says what it lacks."""
        with self.ended("enroll"):
            self.end("a1")
            self.world.start_server(1, 1)
            self.world.wait_server(1, 1)
            assert "going on with the stored one" in self.log("a1")
            self.fails("is ime-enroll running there?", changes=[(self.server["data"], os.path.join(self.world.directory, "fresh"))] +
                       [(self.server[s], self.server[s].replace(".1.1:", ".1.77:")) for s in ("ring", "vap", "pvp")])
        self.end("a1")
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)

    def test_no_token(self):
        """A fresh server without a token."""
        fresh = os.path.join(self.world.directory, "tokenless")
        token = os.path.join(self.home, "token")
        with self.ended("a1"):
            self.fails("imectl enroll token add", changes=[(self.server["data"], fresh), (f"token-file = {token}\n", "")])
            self.fails("enroll.refused", changes=[(self.server["data"], fresh)])  # the token has been used

    def log(self, name):
        """Everything that a daemon wrote."""
        with open(self.world.processes[name]["log"], errors="replace") as f:
            return f.read()

    # -- clocks ----------------------------------------------------------------------------------------------------------

    def set_clock(self, seconds):
        """How far off the shifted clock is."""
        with open(self.clock_file, "r+b") as f:  # never shorter: daemons have it mapped
            f.write(struct.pack("q", seconds))

    @contextlib.contextmanager
    def shifted(self, seconds):
        """What is started within has a clock that is wrong."""
        before = dict(os.environ)
        self.set_clock(seconds)
        os.environ["LD_PRELOAD"] = self.clock
        os.environ["IME_TEST_CLOCK"] = self.clock_file
        os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def test_clock_before_the_certificate(self):
        """The certificate begins in what the server takes for the future: nothing is wrong with it."""
        with self.ended("a1"), self.shifted(-30 * DAY):
            self.fails("config.not_trusted", "certificate is not yet valid", "is this host's clock right?")

    def test_expired_certificate(self):
        """A server that was away for too long."""
        token = os.path.join(self.home, "token")
        with self.ended("a1"), self.shifted(500 * DAY):
            self.fails("certificate.unusable", "it has expired", "fresh token", changes=[(f"token-file = {token}\n", "")])

    def test_clock_jumps_while_running(self):
        """Back by a month, then forward by a year: the server lives, serves, and tells of its certificate."""
        self.end("a1")
        with self.shifted(0):
            self.world.start_server(1, 1)
            self.world.wait_server(1, 1)
        for jump, warning in ((-30 * DAY, None), (0, None), (360 * DAY, "DistributedCacheCertificateExpiring")):
            self.set_clock(jump)
            account = self.company["vap"]
            agent = Vap(self.server["vap"], account["user"], account["password"], self.world.description["ca"], timeout=SECONDS)
            agent.register()
            agent.publish_vservice(VSERVICE, self.company["domain"], [f"sip:a@{self.company['domain']}:5061;maddr=127.0.0.1;transport=tcp"])
            start = time.time() + jump - 3600
            agent.wait(agent.vcr(VSERVICE, False, "+49891234567", "+4930010000%d" % (abs(jump) % 7), start, start + 60))
            agent.close()
            deadline = time.monotonic() + SECONDS
            while warning and warning not in self.warnings():
                assert time.monotonic() < deadline, f"no {warning}: {self.warnings()}"
                time.sleep(0.1)
        self.set_clock(0)
        self.end("a1")
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)

    def warnings(self):
        """Names of the alerts."""
        return {w["name"] for w in self.world.ctl(self.server["control"], "show", "status")["warnings"]}


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "start"))
    parser.add_argument("--clock")
    args = parser.parse_args()
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(44))
    failed = 0
    try:
        world.up(1, 2)
        starts = Starts(world, args.clock)
        tests = [name for name in dir(Starts) if name.startswith("test_")]
        print(f"1..{len(tests)}")
        for number, name in enumerate(tests, 1):
            if not args.clock and ("clock" in name or "expired" in name):
                print(f"ok {number} - {name} # SKIP no --clock")
                continue
            try:
                getattr(starts, name)()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, WorldError, VapError, Closed, OSError, ssl.SSLError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: " + str(error).replace("\n", "\n# "), flush=True)
    except (AssertionError, WorldError) as error:
        print(f"1..1\nnot ok 1 - the world comes up\n# {error}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
