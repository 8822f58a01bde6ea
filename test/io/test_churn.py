#!/usr/bin/env python3
"""Rounds of churn with real processes: a third of twelve servers is killed and started again, again and again, while six companies publish,
call each other, validate and look numbers up. Two of them have agents, edges, PBXs and phones as well, and people who phone, directly, and must not notice. The
short form of ./run world churn (lab/churn.py).

    test_churn.py [--rounds N] [--seed S] [--directory DIR]
"""
import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))

from churn import Churn, print_report  # noqa: E402
from offices import Offices  # noqa: E402
from world import SHORT_CALLS, World, WorldError, free_network  # noqa: E402

COMPANIES, SERVERS, BOOTSTRAPS, OFFICES = 6, 2, 2, 2


def main():
    """0 when everything acknowledged is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "churn"))
    args = parser.parse_args()
    print(f"# seed {args.seed}", flush=True)
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(39))
    try:
        world.up(COMPANIES, SERVERS, bootstraps=BOOTSTRAPS, validator=SHORT_CALLS)
        Offices(world, "basic", count=OFFICES).start()
        report = Churn(world, args.seed, tell=lambda text: print(f"# {text}", flush=True)).run(rounds=args.rounds)
        print_report(report, sys.stderr)
        good = not report["violations"]
    except WorldError as error:
        print(f"# {error}")
        good = False
    finally:
        world.down()
    print(f"{'ok' if good else 'not ok'} 1 - churn of real processes\n1..1")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
