#!/usr/bin/env python3
"""Strangers at the doors of a running server: TLS without a certificate, with a self-signed one, with a foreign authority's; wrong VAP
passwords; and GnuTLS as a prover of a call, with the right and the wrong secret. Each refusal has its counter.

    test_refusals.py [--directory DIR]
"""
import argparse
import hashlib
import hmac
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

import gnutls  # noqa: E402
from steps import wait_for  # noqa: E402
from vap import Closed, Vap, VapError  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

LATTICE_MS = 4000
VSERVICE = 0xB2
CALLED, CALLER, NOT_CALLED, GUESSED = "+49300100003", "+49891234567", "+49300100004", "+49300100005"
SECONDS = 20
PROVING = ("test_burnt_for_strangers_only", "test_gnutls_proves_a_call")


class Strangers:
    """The tests share one world."""

    def __init__(self, world):
        self.world = world
        self.company = world.description["companies"][0]
        self.server = self.company["servers"][0]
        self.directory = os.path.join(world.directory, "strangers")
        os.makedirs(self.directory, exist_ok=True)

    def counter(self, name):
        """A counter's value now."""
        rows = self.world.ctl(self.server["control"], "show", "counters", name)["counters"]
        return sum(r["value"] for r in rows if r["name"] == name)

    def counted(self, name, action):
        """The action must make the counter grow, as soon as the server has seen it."""
        before = self.counter(name)
        action()
        deadline = time.monotonic() + SECONDS
        while self.counter(name) == before:
            assert time.monotonic() < deadline, f"{name} does not grow"
            time.sleep(0.02)

    def openssl(self, *arguments):
        """Makes keys and certificates that the ring did not issue."""
        subprocess.run(["openssl", *arguments], capture_output=True, timeout=SECONDS, check=True, cwd=self.directory)

    def knock(self, certificate=None, key=None):
        """A TLS connection to the ring's port; the refusal may come in the handshake or (TLS 1.3) with the first octets after it."""
        host, port = self.server["ring"].rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.world.description["ca"])
        context.check_hostname = False
        if certificate:
            context.load_cert_chain(os.path.join(self.directory, certificate), os.path.join(self.directory, key))
        with socket.create_connection((host, int(port)), timeout=SECONDS) as raw:
            try:
                with context.wrap_socket(raw) as tls:
                    octets = tls.recv(1)
            except (ssl.SSLError, ConnectionError):
                return
        assert not octets, "the server talks to a stranger"

    def test_no_certificate(self):
        """The ring demands one."""
        self.counted("ring.links.tls_no_certificate", self.knock)

    def test_self_signed(self):
        """A certificate that vouches for itself."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "self.key", "-out",
                     "self.pem", "-subj", "/CN=nobody", "-days", "2")
        self.counted("ring.links.tls_self_signed", lambda: self.knock("self.pem", "self.key"))

    def test_foreign_authority(self):
        """A good certificate of an authority that the ring does not know."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                     "-subj", "/CN=Another authority", "-days", "2")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "far.key", "-out", "far.csr",
                     "-subj", "/CN=somebody")
        self.openssl("x509", "-req", "-in", "far.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "far.pem", "-days", "2")
        self.counted("ring.links.tls_unknown_ca", lambda: self.knock("far.pem", "far.key"))

    def test_no_tls(self):
        """Plain octets on a TLS port."""

        def shout():
            host, port = self.server["ring"].rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=SECONDS) as raw:
                raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
                try:
                    while raw.recv(100):
                        pass
                except ConnectionError:
                    pass

        self.counted("ring.links.tls_protocol", shout)

    def vap(self, password=None):
        """A VAP connection."""
        account = self.company["vap"]
        return Vap(self.server["vap"], account["user"], password or account["password"], self.world.description["ca"])

    def test_vap_wrong_password(self):
        """431, and nothing else."""

        def attempt():
            agent = self.vap("not the password")
            try:
                agent.register()
            except VapError as error:
                assert error.code == 431, error
            else:
                raise AssertionError("registered with a wrong password")
            finally:
                agent.close()

        self.counted("vap.bad_integrity", attempt)

    def test_vap_garbage(self):
        """No VAP at all: the connection ends, the server goes on."""
        agent = self.vap()
        agent.socket.sendall(b"\xff" * 4096)
        try:
            agent.read()
        except (Closed, AssertionError):
            pass
        agent.close()
        agent = self.vap()
        agent.register()
        agent.close()

    def upload_call(self, called):
        """A received call that can be proved, since there is a key for the ticket that a proof earns: its start and stop in milliseconds."""
        agent = self.vap()
        agent.register()
        host = self.server["pvp"].rsplit(":", 1)[0]
        agent.publish_vservice(VSERVICE, self.company["domain"], [f"sip:a@{self.company['domain']}:5061;maddr={host};transport=tcp"])
        wait_for(lambda: self.world.ctl(self.server["control"], "show", "tickets")["epochs"], "the server has no ticket key")
        start = int(time.time()) - 600 + 0.25
        agent.wait(agent.vcr(VSERVICE, False, CALLER, called, start, start + 60.5))
        return agent, round(start * 1000), round((start + 60.5) * 1000)

    def prove(self, username, password):
        """gnutls-cli's exit status and words."""
        return gnutls.connect(username, password, *self.server["pvp"].rsplit(":", 1))

    def test_gnutls_proves_a_call(self):
        """A client that is not OpenSSL and not ours, with secrets computed here from the reference alone."""
        agent, start, stop = self.upload_call(CALLED)
        s_start, s_stop = start % LATTICE_MS, stop % LATTICE_MS
        cells = f"{start // LATTICE_MS};{stop // LATTICE_MS}"
        key = CALLED.encode() + struct.pack("!QII", VSERVICE, s_start, s_stop)
        hint = hmac.new(key, CALLER.encode(), hashlib.sha256).digest()[:8].hex()
        instant = start // 1000 + 30 + 2208988800
        by_a = f"1;A;{VSERVICE:016x};{CALLED};{hint};{s_start};{s_stop};0"
        by_b = f"1;B;{VSERVICE:016x};{CALLED};{instant};{s_start};{s_stop};0"

        status, words = self.prove(by_a, f"{CALLER};{start // LATTICE_MS + 1};{stop // LATTICE_MS}")
        assert status != 0, "a wrong secret was accepted"
        unknown, unknown_words = self.prove(by_a.replace(CALLED, NOT_CALLED), f"{CALLER};{cells}")
        assert unknown != 0, "an unknown call was accepted"
        alert = [line for line in words.splitlines() if "alert" in line.lower()]
        assert alert == [line for line in unknown_words.splitlines() if "alert" in line.lower()], (words, unknown_words)

        for username, password in ((by_a, f"{CALLER};{cells}"), (by_b, f";{cells}")):
            status, words = self.prove(username, password)
            assert "Handshake was completed" in words, words
            assert "SRP" in words and "AES-128-CBC" in words, words
        agent.close()

    def test_burnt_for_strangers_only(self):
        """Three wrong guesses by strangers, and they are shut out; the record is not burnt."""
        agent, start, stop = self.upload_call(GUESSED)
        username = f"1;B;{VSERVICE:016x};{GUESSED};{start // 1000 + 20 + 2208988800};{start % LATTICE_MS};{stop % LATTICE_MS};0"
        for wrong in range(1, 5):
            status, words = self.prove(username, f";{start // LATTICE_MS + wrong};{stop // LATTICE_MS}")
            assert status != 0, words
        status, words = self.prove(username, f";{start // LATTICE_MS};{stop // LATTICE_MS}")
        assert "Handshake was completed" not in words, "a fifth guess by a stranger was admitted"
        assert self.counter("pvp.records_burnt") == 0, "strangers burnt a record"
        agent.close()


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "refusals"))
    args = parser.parse_args()
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(32))
    failed = 0
    try:
        world.up(1, 1, validator={"minimum-interval": "0"})
        strangers = Strangers(world)
        tests = [name for name in dir(Strangers) if name.startswith("test_")]
        print(f"1..{len(tests)}")
        why = gnutls.missing()
        for number, name in enumerate(tests, 1):
            if why and name in PROVING:
                print(f"ok {number} - {name} # SKIP {why}")
                continue
            try:
                getattr(strangers, name)()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, WorldError, VapError, Closed, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}", flush=True)
    except WorldError as error:
        print(f"1..1\nnot ok 1 - the world comes up\n# {error}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
