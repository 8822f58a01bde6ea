#!/usr/bin/env python3
"""The demo of a user who may not capture packets: it enters a network namespace of its own, where a part of it happens, is left running (--keep), is looked at and
ended from outside. A root without capabilities, but for the one that it takes to be root in there, stands for such a user.

    test_demo_alone.py [--directory DIR]
"""
import argparse
import json
import os
import shlex
import subprocess
import sys

LAB = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "lab")
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
SECONDS = 200
SKIPPED = 77


def run(*words):
    """Like such a user."""
    return subprocess.run([*WITHOUT_RIGHTS, *words], capture_output=True, text=True, timeout=SECONDS, check=False)


def lab(script, *words):
    """A program of lab/; what it printed, if all is well."""
    done = run(sys.executable, os.path.join(LAB, script), *words)
    assert done.returncode == 0, f"{script} {' '.join(words)}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr}"
    return done.stdout


def alive(pid):
    """Whether a process is there and not only to be buried."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def hinted(said, what):
    """The command that it recommends for something."""
    return next(line.split(what, 1)[1].strip() for line in said.splitlines() if line.strip().startswith(what))


def main():
    """0 if all of it happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "demo_alone"))
    args = parser.parse_args()
    if run("unshare", "--user", "--map-root-user", "--net", "true").returncode != 0:
        print("this machine allows no user namespaces")
        return SKIPPED
    where = ("--directory", args.directory)
    try:
        said = lab("demo.py", "--step", "edge", "--keep", *where)
        assert "in a network namespace of its own" in said and "All of it happened" in said, said
        with open(os.path.join(args.directory, "processes.json"), encoding="utf-8") as file:
            pids = [entry["pid"] for entry in json.load(file).values()]
        assert pids and all(map(alive, pids)), "what was started again is not known: " + said
        call = shlex.split(hinted(said, "a call from A to B"))
        call[call.index("build/bin/ime-pstn")] = os.path.join(os.environ["IME_BUILD"], "src", "bin", "ime-pstn", "ime-pstn")
        done = run(*call, "--seconds", "1")
        assert done.returncode == 0 and "ended" in done.stdout, (call, done)
    finally:
        ended = run(sys.executable, os.path.join(LAB, "world_command.py"), "down", *where)
    assert "processes ended" in ended.stdout, ended
    assert not any(map(alive, pids)), "something is left"
    return 0


if __name__ == "__main__":
    sys.exit(main())
