#!/usr/bin/env python3
"""GnuTLS's client (gnutls-cli) meets our TLS-SRP listener: right and wrong password, unknown username.

usage: test_srp_gnutls.py SRP_END
"""
import re
import shutil
import subprocess
import sys

USERNAME = "1;A;00ab;+15551234567;0011223344556677;120;3999;0"
PASSWORD = "+15557654321;970000123;970000150"
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+SRP:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1"
PATIENCE = 60


def start(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def gnutls_client(port, username, password):
    """Status and output of gnutls-cli, which is given a line to send."""
    done = subprocess.run(["gnutls-cli", "--srpusername", username, "--srppasswd", password, "--priority", PRIORITY,
                           "--keymatexport", "EXPORTER-ime-pvp", "--keymatexportsize", "32", "-p", str(port), "127.0.0.1"],
                          input="knock knock\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
                          check=False)
    return done.returncode, done.stdout


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


def missing():
    """Why there is nobody to meet."""
    if not shutil.which("gnutls-cli"):
        return "gnutls-bin is not installed"
    listed = subprocess.run(["gnutls-cli", "--list"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    return None if "TLS_SRP_SHA_AES_128_CBC_SHA1" in listed else "this GnuTLS was built without SRP, as Debian 13 has it"


def main():
    program = sys.argv[1]
    why = missing()
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
