"""Asks the servers of a world for everything that they have acknowledged, and for what may not have happened."""
import calendar
import collections
import re
import time

from world import WorldError

ASKED_PER_NUMBER = 3  # servers that look a number up
VCRS_MAX = 100000
SPOKEN = re.compile(r"Sanitizer|runtime error:|Assertion|assertion failed|SIGSEGV|Aborted")
# Counters that stay zero among honest servers with good disks, whatever is killed.
NEVER = """
ring.signature_bad ring.value_signature_bad ring.frame_bad ring.message_malformed ring.memory_refused ring.link_refused_overlay
ring.link_refused_banned ring.link_refused_certificate ring.links.tls_unknown_ca ring.links.tls_bad_certificate ring.links.tls_refused_by_peer
security.refused_signature security.refused_malformed security.refused_algorithm security.refused_authority security.refused_expired
security.refused_banned security.refused_overlay security.refused_memory
storage.refused_signature storage.refused_access storage.refused_unsigned storage.refused_malformed storage.refused_quota storage.refused_kind
storage.refused_too_large storage.refused_full storage.rows_corrupt storage.writes_failed
numbers.write_failed numbers.rows_bad numbers.stores_refused_quota numbers.hash_failed numbers.seal_failed
lookups.entries_malformed lookups.entries_other_signer lookups.entries_not_opened lookups.claimants_dropped
vap.malformed vap.not_vap vap.bad_integrity vcrs.write_failed pools.write_failed pvp.write_failed
pvp.lookups_malformed pvp.bad_identity pvp.bad_message pvp.bad_request server.routes_refused server.store_failures
""".split()
# A made call that ends like this means that something acknowledged was missing: the number's claim, or the record of the receiving side.
LOST = {"failed (not_registered)", "failed (not_proved)"}


class Counters:
    """Sums over servers and their lives: a restart begins at zero."""

    def __init__(self):
        self.sums = collections.Counter()

    def add(self, answer):
        """What `show counters` says."""
        for counter in answer["counters"]:
            self.sums[counter["name"]] += counter["value"]

    def violations(self):
        """Those that should be zero. To be asked when all counters have been added, also those that are zero."""
        return [f"counter {name} is {self.sums[name]}" if name in self.sums else f"there is no counter {name}"
                for name in NEVER if self.sums.get(name) != 0]


def seconds_of(text):
    """Of imectl's UTC times."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def state_of(vcr):
    """done, or failed and why."""
    return f"{vcr['state']} ({vcr['reason']})" if vcr.get("reason") else vcr["state"]


class Audit:
    """After the storm."""

    def __init__(self, members, account, random, unclaimed=()):
        """unclaimed: numbers that are called and nobody publishes, such as those that a call in progress moves to."""
        self.members, self.account, self.random, self.unclaimed = members, account, random, frozenset(unclaimed)
        self.report = {}

    def all_validated(self):
        """No call waits any more."""
        answers = self.members.ask_all("show", "status").values()
        return all(not isinstance(a, WorldError) and a["validations_pending"] + a["validations_running"] == 0 for a in answers)

    def run(self, counters):
        """[what is wrong, in words]"""
        return self.numbers() + self.records() + self.routes() + self.counters(counters) + self.logs()

    def numbers(self):
        """Every number resolves from several servers to everybody who claims it."""
        questions = [(name, number, names) for number, names in sorted(self.account.claims.items())
                     for name in self.random.sample(self.members.ring.order, min(ASKED_PER_NUMBER, len(self.members.ring.order)))]

        def ask(question):
            name, number, names = question
            try:
                missing = names - self.members.look_up(name, number)
            except WorldError as error:
                return f"{name} looks up {number}: {error}"
            return f"{name} looks up {number}: claimed by {' '.join(sorted(names))}, not found: {' '.join(sorted(missing))}" if missing else None

        self.report["lookups"] = len(questions)
        return [wrong for wrong in self.members.pool.map(ask, questions) if wrong]

    def records(self):
        """Every call record is there, waiting, or ended as it should."""
        wrong = []
        made, received = collections.Counter(), collections.Counter()
        for name, answer in self.members.ask_all("show", "vcrs", "--limit", str(VCRS_MAX)).items():
            if isinstance(answer, WorldError):
                wrong.append(f"{name}: {answer}")
                continue
            there = {}
            for v in answer["vcrs"]:
                there[(v["direction"], v["calling"], v["called"], seconds_of(v["start_at"]), seconds_of(v["stop_at"]))] = state_of(v)
            missing = sorted(self.account.records[name] - set(there))
            if missing:
                wrong.append(f"{name}: {len(missing)} of {len(self.account.records[name])} acknowledged records are gone, the first: {missing[0]}")
            for record, state in there.items():
                (made if record[0] == "originating" else received)[state] += 1
                if record[0] == "originating" and state in LOST and record[2] not in self.unclaimed:
                    wrong.append(f"{name}: the call from {record[1]} to {record[2]} at {record[3]} ended as {state}")
        self.report.update(records=sum(len(r) for r in self.account.records.values()), made=dict(made), received=dict(received))
        return wrong

    def routes(self):
        """Every route that was told is still known to the server that told it."""
        wrong = []
        for name, answer in self.members.ask_all("show", "routes").items():
            if isinstance(answer, WorldError):
                wrong.append(f"{name}: {answer}")
                continue
            missing = self.account.routes[name] - {(r["number"], r["domain"]) for r in answer["routes"]}
            if missing:
                wrong.append(f"{name}: {len(missing)} of {len(self.account.routes[name])} routes that were told are gone: {sorted(missing)[:3]}")
        self.report["routes"] = sum(len(r) for r in self.account.routes.values())
        return wrong

    def counters(self, counters):
        """Nobody saw what honest servers do not do."""
        for answer in self.members.ask_all("show", "counters", "--all").values():
            if not isinstance(answer, WorldError):
                counters.add(answer)
        return counters.violations()

    def logs(self):
        """No sanitizer and no assertion spoke."""
        wrong = []
        for name, entry in self.members.world.processes.items():
            with open(entry["log"], errors="replace") as log:
                wrong += [f"{name}: {line.strip()[:200]}" for line in log if SPOKEN.search(line)][:3]
        return wrong
