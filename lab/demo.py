#!/usr/bin/env python3
"""The demo: three companies learn direct routes from their phone calls, call directly, and are told from spammers; networks turn bad and servers die.

Every step is done by the programs that a user runs, over real TLS, and checked: the demo exits 0 only if all of it happened.
"""
import argparse
import os
import signal
import subprocess
import sys
import time

import plot
from capture import bring_up_loopback, permitted
from offices import SIP
from plot.story import LONGEST_PAUSE_MS, Story
from plot.telling import Failure, Teller
from world import World, WorldError, free_network

ALONE = "IME_DEMO_ALONE"  # set: it has entered a network namespace of its own


def enter_own_network():
    """The same program again, in a network namespace of its own, where whoever runs it may capture."""
    unshare = ["unshare", "--user", "--map-root-user", "--net"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if os.environ.get(ALONE) or tried.returncode != 0:
        sys.exit("demo: one step reads what passes between the edges, which this user may not, not even in a namespace of its own: run it as root, or allow "
                 f"namespaces (sysctl kernel.unprivileged_userns_clone=1; user.max_user_namespaces)\n{tried.stderr.strip()}".rstrip())
    print("This user may not capture packets: the demo runs in a network namespace of its own.", flush=True)
    os.environ[ALONE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


def command_line():
    """That of ./run demo."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="say which steps there are")
    parser.add_argument("--step", metavar="NAME", choices=[step.name for step in plot.STEPS], help="one step, and those that it needs before it")
    parser.add_argument("--keep", action="store_true", help="leave the world running (./run world down ends it)")
    parser.add_argument("--directory", help="where the world's files go (default build/world)")
    parser.add_argument("--network", default="127.1", help="the first two octets of all addresses (default 127.1; free: some that nobody uses)")
    parser.add_argument("--longest-pause", type=int, default=LONGEST_PAUSE_MS, metavar="MS",
                        help=f"in what phones hear while their call moves (default {LONGEST_PAUSE_MS}); more for a machine that has other things to do")
    return parser.parse_args()


def list_steps():
    """What can be seen."""
    width = max(len(step.name) for step in plot.STEPS)
    for step in plot.STEPS:
        print(f"{step.name:{width}}  {step.title}")
    return 0


def hint(story):
    """What to look at in a world that goes on."""
    folder = os.path.relpath(story.world.directory)
    where = f" --directory {folder}" if folder != os.path.join("build", "world") else ""
    imectl = "build/bin/imectl --socket"
    lines = [("what runs", f"./run world status{where}")]
    if story.offices:
        a, number = story.a, story.numbers[0]
        inside = f"nsenter --user --preserve-credentials --net --target {story.world.processes[a.name]['pid']} " if os.environ.get(ALONE) else ""
        lines += [
            ("a call from A to B", f"{inside}build/bin/ime-pstn call {a.extension(story.caller)} {a.dials(number)} --via {a.point(102, SIP)} "
             f"--listen {a.address(104, 0)[0]} --password-file {os.path.relpath(a.password_file())} --video"),
            ("why it went where", f"{imectl} {folder}/agent-a/control agent explain {number}"),
            ("how it sounds", f"{imectl} {folder}/edge-b/control edge show calls"),
            ("a bad network", f"lab/impair{where} set loss=20% jitter=80ms"),
            ("a good one", f"lab/impair{where} clear"),
        ]
    lines.append(("the end", f"./run world down{where}"))
    print("\nThe world goes on. To look at:")
    for what, command in lines:
        print(f"  {what:20}  {command}")


def main():
    """All of the steps, or some."""
    args = command_line()
    if args.list:
        return list_steps()
    if os.environ.get(ALONE):
        bring_up_loopback()
    if not permitted():
        enter_own_network()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its world ends with it
    tell = Teller()
    world = World(args.directory, network=free_network(30) if args.network == "free" else args.network)
    story = Story(world, tell, args.longest_pause)
    steps = plot.with_needs(args.step) if args.step else plot.STEPS
    status = 1
    try:
        for number, step in enumerate(steps, 1):
            tell.step(number, len(steps), step)
            step.run(story)
        tell.table()
        print(f"\nAll of it happened, in {time.monotonic() - tell.began:.0f} s.")
        status = 0
    except (Failure, WorldError, subprocess.TimeoutExpired, OSError) as error:
        tell.table()
        print(f"\ndemo: {tell.step_name} failed: {error}", file=sys.stderr)
        print(f"Logs: {world.directory}/*/log; this part alone: ./run demo --step {tell.step_name}", file=sys.stderr)
    except KeyboardInterrupt:
        tell.table()
        print("\ndemo: interrupted" + (f" in step {tell.step_name}" if tell.step_name else ""), file=sys.stderr)
        status = 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience is to leave nothing behind
        story.stop()
        if args.keep:
            world.save()  # with those that were started again
        else:
            world.down()
    if args.keep:
        hint(story)
    return status


if __name__ == "__main__":
    sys.exit(main())
