#!/usr/bin/env python3
"""GnuTLS's client (gnutls-cli) meets our TLS-SRP listener: right and wrong password, unknown username.

usage: test_srp_gnutls.py SRP_END
"""
import re
import subprocess
import sys

import gnutls

USERNAME = "1;A;00ab;+15551234567;0011223344556677;120;3999;0"
PASSWORD = "+15557654321;970000123;970000150"
PATIENCE = 60


def start(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def gnutls_client(port, username, password):
    """Status and output of gnutls-cli, which is given a line to send."""
    return gnutls.connect(username, password, "127.0.0.1", port, "--keymatexport", "EXPORTER-ime-pvp", "--keymatexportsize", "32", said="knock knock\n")


class OurServer:
    def __init__(self, program):
        self.process = start(program, USERNAME, PASSWORD)
        self.port = int(self.line().split()[1])

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0, "the server did not end well"


def test_gnutls_client_right_password(program):
    server = OurServer(program)
    status, output = gnutls_client(server.port, USERNAME, PASSWORD)
    said = server.line()
    server.end()
    assert status == 0, output
    assert "knock knock" in output, output
    exported = re.search(r"Key material: ([0-9a-f]{64})", output)
    assert exported, output
    assert said == f"ready {exported.group(1)}", (said, output)
    assert re.search(r"SRP", output) and "AES-128-CBC" in output, output


def refused_client(program, username, password):
    server = OurServer(program)
    status, output = gnutls_client(server.port, username, password)
    said = server.line()
    server.end()
    assert status != 0, output
    assert said.startswith("closed srp_failed"), said
    return re.findall(r"(?:Received alert|Fatal error|error).*", output)


def test_gnutls_client_wrong_password(program):
    refused_client(program, USERNAME, PASSWORD[:-1] + "1")


def test_unknown_looks_like_wrong(program):
    wrong = refused_client(program, USERNAME, "x")
    unknown = refused_client(program, USERNAME[:-1] + "1", PASSWORD)
    assert wrong == unknown and wrong, (wrong, unknown)


def main():
    program = sys.argv[1]
    why = gnutls.missing()
    tests = [(name, fn) for name, fn in sorted(globals().items()) if name.startswith("test_")]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, fn) in enumerate(tests, 1):
        if why:
            print(f"ok {number} - {name} # SKIP {why}")
            continue
        try:
            fn(program)
            print(f"ok {number} - {name}")
        except (AssertionError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"not ok {number} - {name}")
            print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
