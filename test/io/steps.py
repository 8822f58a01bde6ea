"""What the tests have in common that take a world of real processes through steps, each of which needs the ones before."""
import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "lab"))

from vap import Closed, VapError  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

SECONDS = 90
FAILURES = (AssertionError, WorldError, VapError, Closed, OSError, KeyError, ValueError, subprocess.SubprocessError)


def wait_for(condition, what, seconds=SECONDS):
    """Asks again and again; what: a text, or a function that says what is missing."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)


def edit(world, name, file, old, new):
    """Changes a configuration file of a process of the world."""
    path = os.path.join(world.directory, name, file)
    with open(path) as f:
        text = f.read()
    assert old in text, f"{old!r} is not in {path}"
    with open(path, "w") as f:
        f.write(text.replace(old, new, 1))


def run(kind, folder, names, up, network=None, ipv6=False, make=None):
    """Makes a world, brings it up with up(world), and takes kind(world) through its steps of these names. Prints TAP; returns the exit status.
    network: the first to be tried for a world of IPv4. make(directory, build): makes the world in another way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), folder))
    args = parser.parse_args()
    print(f"1..{len(names)}")
    build = os.environ.get("IME_BUILD")
    if make:
        world = make(args.directory, build)
    else:
        world = World(args.directory, build, ipv6=True) if ipv6 else World(args.directory, build, free_network(network))
    number = 0
    try:
        up(world)
        steps = kind(world)
        for number, name in enumerate(names, 1):
            getattr(steps, name)()
            print(f"ok {number} - {name}", flush=True)
        return 0
    except FAILURES as error:
        text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
        print(f"not ok {number or 1} - {names[max(number, 1) - 1]}\n# {text}\nBail out! the steps need one another", flush=True)
        return 1
    finally:
        world.down()
