#!/usr/bin/env python3
"""The configurations that pages of doc/ show are good ones: the first as it is, each further one together with it (its sections take the place of those of the
same name). Prints TAP. usage: test_doc.py PROGRAM DOCUMENT [DOCUMENT…]"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM, *DOCUMENTS = sys.argv[1:]
PATHS = re.compile(r"/etc/(?:ime|ssl)/\w+/([\w.-]+)")


def make_files(folder, names):
    """What the examples name: one certificate with its key under all names, and passwords."""
    pem, key = os.path.join(folder, ".pem"), os.path.join(folder, ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=example.com", "-addext",
                    "subjectAltName=DNS:example.com", "-keyout", key, "-out", pem], check=True, capture_output=True)
    os.chmod(key, 0o600)
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(".password"):
            with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write("not really a secret\n")
        else:
            shutil.copy(key if name.endswith(".key") else pem, path)


def sections(text):
    """{head: section, with its head}"""
    return {part.split("\n", 1)[0]: part for part in re.findall(r"^\[.*?(?=^\[|\Z)", text, re.M | re.S)}


def main():
    examples = []
    for document in DOCUMENTS:
        with open(document, encoding="utf-8") as f:
            examples += re.findall(r"^```ini\n(.*?)^```", f.read(), re.M | re.S)
    first, *others = examples
    texts = [first, *("".join({**sections(first), **sections(other)}.values()) for other in others)]
    failed = 0
    print(f"1..{len(texts)}")
    with tempfile.TemporaryDirectory(prefix="ime-doc-") as folder:
        make_files(folder, sorted(set(PATHS.findall("".join(texts)))))
        for number, text in enumerate(texts, 1):
            path = os.path.join(folder, ".conf")
            with open(path, "w", encoding="utf-8") as f:
                f.write(PATHS.sub(lambda m: os.path.join(folder, m.group(1)), text))
            done = subprocess.run([PROGRAM, "--check", "--config", path], capture_output=True, text=True, timeout=60, check=False)
            failed += done.returncode != 0
            print(("ok" if done.returncode == 0 else "not ok") + f" {number} - example {number} of {' and '.join(map(os.path.basename, DOCUMENTS))} is a good configuration")
            for line in done.stderr.splitlines():
                print("#", line)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
