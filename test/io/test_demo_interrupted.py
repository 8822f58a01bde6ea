#!/usr/bin/env python3
"""Ctrl-C in the middle of the demo, by somebody who is impatient: it says where it was, ends with the status of an interrupted program, and leaves no process behind.

    test_demo_interrupted.py [--directory DIR]
"""
import argparse
import json
import os
import signal
import subprocess
import sys

LAB = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "lab")
PHONES = " phones: "  # in the heading of the step in which it is interrupted
SECONDS = 100


def command_of(pid):
    """What a process was started with; "": there is none."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def main():
    """0 if all of it happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "demo_interrupted"))
    args = parser.parse_args()
    argv = [sys.executable, os.path.join(LAB, "demo.py"), "--step", "phones", "--network", "free", "--directory", args.directory]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        said = next(line for line in demo.stdout if PHONES in line)
        with open(os.path.join(args.directory, "processes.json"), encoding="utf-8") as file:
            pids = [entry["pid"] for entry in json.load(file).values()]
        demo.send_signal(signal.SIGINT)
        more, complaints = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 128 + signal.SIGINT, (demo.returncode, complaints)
    assert "interrupted in step phones" in complaints and "Traceback" not in complaints, complaints
    assert "What was shown" in more, said + more
    left = [pid for pid in pids if args.directory in command_of(pid)]
    assert pids and not left, left
    return 0


if __name__ == "__main__":
    sys.exit(main())
