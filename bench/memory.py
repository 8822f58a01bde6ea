#!/usr/bin/env python3
"""Resident memory of an idle ime-server: one that has enrolled and joined a ring of two, with the default settings, and serves nobody."""
import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "lab"))
import world  # noqa: E402 (its folder had to be added first)


def kibibytes(pid, field):
    """A field of /proc/PID/status in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise world.WorldError(f"/proc/{pid}/status has no {field}")


def main():
    folder = os.path.join(ROOT, "build", "bench-world")
    shutil.rmtree(folder, ignore_errors=True)
    idle = world.World(directory=folder, network=world.free_network(33))
    idle.up(1, 2, True, tell=lambda text: None)
    try:
        for name in ("a1", "a2"):
            pid = idle.processes[name]["pid"]
            print(f"idle ime-server {name:3} resident {kibibytes(pid, 'VmRSS') / 1024:6.1f} MiB"
                  f"  of which its own {kibibytes(pid, 'RssAnon') / 1024:6.1f} MiB")
    finally:
        idle.down()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except world.WorldError as error:
        sys.exit(f"bench memory: {error}")
