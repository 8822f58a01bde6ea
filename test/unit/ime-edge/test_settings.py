#!/usr/bin/env python3
"""ime-edge --check: what edge.conf may say, and what is told about it otherwise.

    test_settings.py IME-EDGE
"""
import os
import subprocess
import sys
import tempfile

GOOD = """[inside]
tcp = 127.0.0.1:5060
[outside]
tls = 127.0.0.2:5061
[tls]
system-store = no
[domain a.example]
certificate = {folder}/file
key = {folder}/file
ticket-password-file = {folder}/password
[agent one]
address = 127.0.0.3:5080
"""
SERVER = "[server]\nserver = ime.example\nca = {folder}/file\nuser = edge\npassword-file = {folder}/password\n"

# What is put in place of what, and what is said then; nothing: it is good.
CASES = (
    ("as it is", "", "", ""),
    ("keys from a server", "ticket-password-file = {folder}/password\n", SERVER, ""),
    ("several addresses", "tcp = 127.0.0.1:5060", "tcp = 127.0.0.1:5060, [::1]:5060\nmedia-address = 127.0.0.1, [::1]", ""),
    ("networks", "[outside]", "networks = 10.0.0.0/8, fd00::/8, 192.0.2.1\n[outside]", ""),
    ("a level", "[tls]", "[level nominal]\nloss = 1.5\nmos = 3.2\nrun = 200ms\n[tls]", ""),
    ("suites", "[tls]", "[media]\nsuites = AES_CM_128_HMAC_SHA1_80\n[tls]", ""),
    ("no source of keys", "ticket-password-file = {folder}/password\n", "", "its tickets need [server], or ticket-password-file"),
    ("a server without TLS", "[tls]", "[server]\nserver = ime.example\nuser = edge\npassword = 12345678\n[tls]", "keys come over TLS only"),
    ("three servers", "[tls]", "[server]\nserver = a, b, c\nca = {folder}/file\nuser = edge\npassword = 12345678\n[tls]", "at most one backup"),
    ("no server's name", "[tls]", "[server]\nserver = a:b\n[tls]", "it is HOST or HOST:PORT"),
    ("no domain", "[domain a.example]\ncertificate = {folder}/file\nkey = {folder}/file\nticket-password-file = {folder}/password\n", "",
     "there is no [domain NAME]"),
    ("no agent", "[agent one]\naddress = 127.0.0.3:5080\n", "", "there is no [agent NAME]"),
    ("an agent of a foreign domain", "[agent one]", "[agent one]\ndomain = b.example", "there is no [domain b.example]"),
    ("an agent over TLS without authorities", "[agent one]", "[agent one]\ntransport = tls", "TLS needs `ca` of [inside]"),
    ("every address, nameless", "tls = 127.0.0.2:5061", "tls = 0.0.0.0:5061", "listening at every address needs `name`"),
    ("every address for media", "tls = 127.0.0.2:5061", "tls = 0.0.0.0:5061\nname = edge.a.example", "media-advertised"),
    ("static NAT", "tls = 127.0.0.2:5061", "tls = 0.0.0.0:5061\nname = edge.a.example\nmedia-advertised = 203.0.113.9", ""),
    ("a broken network", "[outside]", "networks = 10.0.0.0/33\n[outside]", "it is ADDRESS/BITS"),
    ("an outside that is inside", "[outside]", "networks = 127.0.0.0/8\n[outside]", "127.0.0.2 is told other companies as ours"),
    ("an advertised address that is inside", "[outside]", "networks = 203.0.113.0/24\n[outside]\nmedia-advertised = 203.0.113.9",
     "203.0.113.9 is told other companies as ours"),
    ("an unknown level", "[tls]", "[level strict]\nloss = 5\n[tls]", "it is utility, accommodative, nominal, moderate or aggressive"),
    ("loss that is none", "[tls]", "[level nominal]\nloss = 5%\n[tls]", "it is percent: 5, or 1.5"),
    ("too good a MOS", "[tls]", "[level nominal]\nmos = 5\n[tls]", "it is 0 to 4.5"),
    ("an unknown suite", "[tls]", "[media]\nsuites = NULL\n[tls]", "it is one of AES_CM_128_HMAC_SHA1_80"),
    ("no room for ports", "[tls]", "[media]\nport-min = 20000\nport-max = 20001\n[tls]", "a stream takes two ports"),
    ("TLS inside without a certificate", "tcp = 127.0.0.1:5060", "tls = 127.0.0.1:5061", "TLS needs `certificate` and `key`"),
    ("a missing file", "certificate = {folder}/file", "certificate = {folder}/none", "there is no such file"),
    ("a key that is open to all", "key = {folder}/file", "key = {folder}/open", "mode 0600"),
)


def main():
    """One line of TAP for each case."""
    print(f"1..{len(CASES)}")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, text, mode in (("file", "-", 0o600), ("open", "-", 0o644), ("password", "a-long-password\n", 0o600)):
            path = os.path.join(folder, name)
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, mode)
        conf = os.path.join(folder, "edge.conf")
        for number, (name, old, new, expected) in enumerate(CASES, 1):
            assert old in GOOD, name
            with open(conf, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
                f.write(GOOD.replace(old, new, 1).replace("{folder}", folder))
            done = subprocess.run([sys.argv[1], "--config", conf, "--check"], capture_output=True, text=True, timeout=60, check=False)
            said = done.stdout + done.stderr
            good = done.returncode == (3 if expected else 0) and expected in said and "a-long-password" not in said
            failures += not good
            print(f"{'ok' if good else 'not ok'} {number} - {name}" + ("" if good else f"\n# {done.returncode}: {said}"))
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
