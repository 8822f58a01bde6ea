#!/usr/bin/env python3
"""./run world: starts, shows and ends companies on one machine, each with IME servers, a call agent, an edge, a PBX and phones, and a phone network between them."""
import argparse
import json
import re
import shutil
import sys
import time

import spaces
from offices import PBXS, SIP, Offices
from world import BOOTSTRAPS_MAX, COMPANIES_MAX, NODE_IDS_MAX, SERVERS_MAX, SHORT_CALLS, World, WorldError, free_network


def add_offices(world, args):
    """What people need to call each other; tells how."""
    try:
        everybody = Offices(world, args.deployment or "basic", impaired=args.impaired, pbx=args.pbx)
        everybody.start()
    except BaseException as error:
        world.down()
        if isinstance(error, OSError):
            raise WorldError(str(error)) from error
        raise
    for office in everybody.offices:
        print(f"company {office.letter.upper()}: {office.pbx} at {office.point(102, SIP)}, extensions 200 to 209, "
              f"{office.style['outside']} for an outside line; {office.name} at {office.point(101, SIP)}; "
              f"{office.edge.name} at {office.edge.inside} inside, {office.edge.outside} outside")
    if len(everybody.offices) > 1:
        a, b = everybody.offices[:2]
        enter = "".join(word + " " for word in a.entering())
        print(f"A call from A to B: {enter}build/bin/ime-pstn call 207 {a.dials(b.numbers[6])} --via {a.point(102, SIP)} "
              f"--listen {a.address(104, 0)[0]} --password-file {a.password_file()}")
    if args.impaired:
        where = f" --directory {args.directory}" if args.directory else ""
        print(f"The Internet between edges is good, until: lab/impair{where} set loss=10% jitter=80ms; and again: lab/impair{where} clear")


def in_spaces(args):
    """A world in namespaces; None where there can be none. Says which."""
    why = spaces.refused()
    print("loopback addresses: " + why if why else f"network namespaces, with addresses of {spaces.NETWORK}.0.0/16", flush=True)
    return None if why else World(args.directory, network=spaces.NETWORK, node_ids=args.node_ids, deployments=[args.deployment] * args.companies, impaired=args.impaired)


def command_line():
    """Its words."""
    parser = argparse.ArgumentParser(prog="./run world", description="Start, show or end companies that call each other, on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start an enrollment server and all companies; they keep running")
    up.add_argument("--companies", type=int, default=3, metavar="N", help=f"1 to {COMPANIES_MAX} (default 3)")
    up.add_argument("--servers-per-company", type=int, default=2, metavar="M", help=f"IME servers, 1 to {SERVERS_MAX} (default 2)")
    up.add_argument("--bootstraps", type=int, default=1, metavar="N", help="bootstrap servers: one each of the first N companies (default 1)")
    up.add_argument("--node-ids", type=int, default=1, metavar="N", help=f"Node-IDs of each server, 1 to {NODE_IDS_MAX} (default 1)")
    up.add_argument("--servers-only", action="store_true", help="the ring alone, without agents, edges, PBXs and phones")
    family = up.add_mutually_exclusive_group()
    family.add_argument("--ipv6", action="store_true", help="servers only, all on ::1, with ports of their own")
    family.add_argument("--mixed", action="store_true", help="servers only, every second one of a company on ::1, the others there and on IPv4")
    up.add_argument("--pbx", choices=PBXS, default="lab", help="what the PBXs are (default lab: ime-pstn)")
    up.add_argument("--deployment", choices=("basic", "off-path"), help="the edges are in the way of direct calls (basic, the default), or beside it, where "
                    "agents ask them for an address; if given, in network namespaces, where the machine allows them")
    up.add_argument("--loopback", action="store_true", help="with --deployment: all on loopback addresses, without namespaces")
    up.add_argument("--impaired", action="store_true", help="an Internet between the edges that can be made bad (lab/impair)")
    up.add_argument("--directory", help="where its files go (default build/world); the other commands take it as well")
    up.add_argument("--network", default="127.1", help="the first two octets of all addresses (default 127.1; free: some that nobody uses)")
    up.add_argument("--hold", action="store_true", help="the programs' default timers instead of short ones")
    status = commands.add_parser("status", help="what runs")
    status.add_argument("--json", action="store_true", help="for programs")
    down = commands.add_parser("down", help="end everything; the files stay until the next up")
    for command in (status, down):
        command.add_argument("--directory", help="of the world (default build/world)")
    commands.add_parser("churn", help="kill and restart its servers under load: see ./run world churn --help")
    parser.epilog = "Phones, a bad Internet, namespaces, addresses and files: doc/world.md"
    args = parser.parse_args()
    if args.command == "churn":
        parser.error("churn stands behind world at once: ./run world churn --help")
    if args.command == "up":
        check(parser, args)
    return args


def check(parser, args):
    """What goes together."""
    args.servers_only = args.servers_only or args.ipv6 or args.mixed
    for name, highest in (("companies", COMPANIES_MAX), ("servers_per_company", SERVERS_MAX), ("node_ids", NODE_IDS_MAX)):
        if not 1 <= getattr(args, name) <= highest:
            parser.error(f"--{name.replace('_', '-')} must be 1 to {highest}")
    if not 1 <= args.bootstraps <= min(args.companies, BOOTSTRAPS_MAX):
        parser.error(f"--bootstraps must be 1 to {BOOTSTRAPS_MAX}, and not more than there are companies")
    if args.servers_only and (args.deployment or args.impaired or args.pbx != "lab"):
        parser.error("--deployment, --impaired and --pbx are about what servers alone have not")
    if not re.fullmatch(r"free|127\.\d{1,3}", args.network):
        parser.error("--network must be 127.1 to 127.254, or free")
    if args.pbx == "kamailio" and not shutil.which("kamailio"):
        parser.error("kamailio is not installed: apt-get install kamailio")


def up(args):
    """Everything."""
    network = free_network(1) if args.network == "free" else args.network
    world = World(args.directory, network=network, ipv6=args.ipv6, mixed=args.mixed, node_ids=args.node_ids)
    if args.deployment and not args.loopback:
        world = in_spaces(args) or world
    began = time.monotonic()
    world.up(args.companies, args.servers_per_company, args.hold, bootstraps=args.bootstraps,
             validator=None if args.servers_only or args.hold else SHORT_CALLS, tell=lambda text: print(text, flush=True))
    if not args.servers_only:
        add_offices(world, args)
    took = time.monotonic() - began
    memory = sum(world.memory(name) or 0 for name in world.processes)
    print(f"The world is up: {len(world.processes)} processes after {took:.1f} s, {memory / 2**20:.0f} MiB in all; "
          f"{world.path} describes it. End it with ./run world down{' --directory ' + args.directory if args.directory else ''}.")
    return 0


def show(world, as_json):
    """What runs; 1 if something has ended."""
    rows = world.status()
    if as_json:
        print(json.dumps([{"name": n, "pid": p, "memory_octets": m, "state": s} for n, p, m, s in rows]))
    else:
        for name, pid, memory, state in rows:
            size = f"{memory / 2**20:6.1f} MiB" if memory is not None else " " * 10
            print(f"{name:12} {pid:8} {size} {state}" + (f"; its last words: {world.processes[name]['log']}" if state == "ended" else ""))
    return 1 if any(state == "ended" for _, _, _, state in rows) else 0


def main():
    """The command line of ./run world."""
    args = command_line()
    if args.command == "up":
        return up(args)
    world = World(args.directory)
    if not world.load() or (args.command == "status" and not any(world.alive(name) for name in world.processes)):
        print("there is no world: ./run world up starts one", file=sys.stderr)
        return 1
    if args.command == "down":
        count = world.down()
        print(f"{count} processes ended" if count else "no world is up")
        return 0
    return show(world, args.json)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorldError as failure:
        print(f"world: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
