"""The Internet between the edges of a world, as something that can be bad (ime-impair): it is where companies believe each other's edges to be, and
passes on what comes there to where they are.
"""
NAME = "internet"
MEDIA, MEDIA_PORTS = 16384, 400  # of each edge: a call with video takes four of them outside


class Internet:
    """One process for all edges, once they are known (Office.edge)."""

    def __init__(self, world, edges, seed=0):
        """seed: the same packets at the same times have the same fate; 0: each run is another one."""
        self.world, self.edges, self.seed = world, edges, seed

    def start(self):
        """Does not wait."""
        ends = [(f"end {edge.office.letter}", {
            "known": edge.known,
            "real": edge.real,
            "tcp": edge.outside.rsplit(":", 1)[1],
            "udp-min": MEDIA,
            "udp-count": MEDIA_PORTS,
        }) for edge in self.edges]
        self.world.configure(NAME, "impair", [("impair", {"seed": self.seed}), *ends])
        self.world.start_daemon(NAME, "impair")

    def wait(self):
        """Until it passes packets on."""
        self.world.wait_daemon(NAME)

    def ctl(self, *words):
        """Asks it."""
        return self.world.ctl(self.world.processes[NAME]["control"], *words)

    def set(self, *settings):
        """Makes it bad: "loss=10%", "--from", "a" …"""
        self.ctl("impair", "set", *settings)

    def clear(self):
        """Makes it good."""
        self.ctl("impair", "clear")

    def ways(self):
        """What is done on each way, and what passed: (from, to) -> row."""
        return {(way["from"], way["to"]): way for way in self.ctl("impair", "show")["ways"]}
