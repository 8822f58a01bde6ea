#!/usr/bin/env python3
"""The configuration that doc/agent.md shows is a good one. Prints TAP. usage: test_doc.py IME-AGENT DOC/AGENT.MD"""
import os
import re
import subprocess
import sys
import tempfile

AGENT, DOCUMENT = sys.argv[1:3]
SECRETS = ("ticket.password", "carrier.password", "vap.password")


def main():
    with open(DOCUMENT, encoding="utf-8") as f:
        example = re.search(r"^```ini\n(.*?)^```", f.read(), re.M | re.S).group(1)
    with tempfile.TemporaryDirectory(prefix="ime-doc-") as folder:
        certificate, key = os.path.join(folder, "sip.pem"), os.path.join(folder, "sip.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=example.com", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        os.chmod(key, 0o600)
        for name in SECRETS:
            with open(os.path.join(folder, name), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write("not really a secret\n")
        for name in ("ring-ca.pem", "ca-certificates.crt"):
            os.symlink(certificate, os.path.join(folder, name))
        path = os.path.join(folder, "agent.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"/etc/(ime|ssl/certs)/", folder + "/", example))
        done = subprocess.run([AGENT, "--check", "--config", path], capture_output=True, text=True, timeout=60)
        print("1..1")
        print(("ok" if done.returncode == 0 else "not ok") + " 1 - the example of doc/agent.md is a good configuration")
        for line in done.stderr.splitlines():
            print("#", line)
        return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
