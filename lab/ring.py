"""What a ring must look like, told from the Node-IDs of its members alone, and whether what its members say fits."""

NEIGHBORS = 3  # on each side, at least (RFC 6940 10.1)
REPLICATION = 3  # a record lies with its owner and the two next peers: while fewer adjacent peers are away, one of them is there


class Ring:
    """The members in the order of the ring. Members are world.json's servers, under their names."""

    def __init__(self, members):
        self.members = dict(members)
        self.order = sorted(self.members, key=lambda name: int(self.members[name]["node_id"], 16))
        self.name_of = {server["node_id"]: name for name, server in self.members.items()}

    def adjacent(self, away):
        """How many of these are next to each other at most."""
        away = set(away)
        if len(away) == len(self.order):
            return len(away)
        longest = run = 0
        for name in self.order * 2:  # twice around: a run may lie across the end
            run = run + 1 if name in away else 0
            longest = max(longest, run)
        return longest

    def draw(self, random, count, adjacent_max):
        """So many members at random, of which at most so many are next to each other. None if that cannot be."""
        for _ in range(10000):
            chosen = random.sample(self.order, count)
            if self.adjacent(chosen) <= adjacent_max:
                return chosen
        return None

    def neighbors(self, name, step, present):
        """Node-IDs of the members behind (step 1) or before (-1) this one that are there, the nearest first."""
        at = self.order.index(name)
        around = [self.order[(at + step * i) % len(self.order)] for i in range(1, len(self.order))]
        return [self.members[n]["node_id"] for n in around if n in present]

    def faults(self, name, view, present=None):
        """What is wrong with what a member says of itself (`show ring`), in words; present: the members that are there (all)."""
        present = set(self.order if present is None else present)
        wanted = min(NEIGHBORS, len(present) - 1)
        if view["state"] != "joined" or view["health"] != "green":
            return [f"{view['state']}, {view['health']}"]
        faults = []
        for key, step in (("predecessors", -1), ("successors", 1)):
            right = self.neighbors(name, step, present)
            said = view[key]
            if len(said) < wanted or said != right[:len(said)]:
                faults.append(f"{key} {self.words(said)}, but they are {self.words(right[:max(wanted, len(said))])}")
        return faults

    def words(self, nodes):
        """Names of Node-IDs."""
        return " ".join(self.name_of.get(node, node[:8] + "…") for node in nodes) or "none"
