"""The edges of companies of a world (ime-edge): each stands between its company's call agent and the others.

Company N's edge is at 127.1.N.120 for other companies (SIP over TLS at 5061, SRTP) and at 127.1.N.110 for its agent (SIP over TCP at 5060, RTP);
127.1.N.96/28 is the inside network. Inline (basic), the agent hands it every direct call. Off-path, the agent asks the edge's mapping service
(8060) for an address of the edge that stands for the company that is called: 127.1.N.111, one port of 20000 to 20049 each.

With an Internet that can be bad (internet.py), that one is at 127.1.N.120, and the edge behind it at 127.1.N.119.
"""
import os

from internet import MEDIA, MEDIA_PORTS
from processes import write_private
from world import LATE, split_address

OUTSIDE, INSIDE, MAPPING = 5061, 5060, 8060
POOL, POOL_SIZE = 20000, 50
DEPLOYMENTS = ("basic", "off-path")
HOLD = "10s"  # before an edge says that a call is bad, or good again: as short as it may be


class Edge:
    """One company's, of its Office."""

    def __init__(self, office, deployment, impaired=False):
        """impaired: there is an Internet between it and others that can be bad."""
        self.office, self.world, self.deployment = office, office.world, deployment
        self.name = f"edge-{office.letter}"
        self.outside, self.inside = office.point(120, OUTSIDE), office.point(110, INSIDE)
        self.impaired = impaired
        self.known, self.real = (office.address(host, 0)[0] for host in (120, 119))  # the second one only with such an Internet
        self.account = office.company["edge"]  # at the IME server

    # -- what others are told of it --------------------------------------------------------------------------------------

    def agent_keys(self):
        """Of the agent's section [ime-side]."""
        keys = {"edge": self.inside, "edge-transport": "tcp"}
        if self.deployment == "off-path":
            keys["mapping-service"] = self.office.point(110, MAPPING)
        return keys

    # -- itself ----------------------------------------------------------------------------------------------------------

    def configure(self):
        """Writes its files."""
        office = self.office
        home = self.world.home(self.name)
        write_private(os.path.join(home, "vap-password"), self.account["password"] + "\n")
        vap = office.company["servers"][0]["vap"]
        sections = [
            ("edge", {}),
            ("inside", {"tcp": self.inside, "networks": office.address(96, 0)[0] + "/28"}),
            ("outside", {**self.outside_keys(), "networks": f"{self.world.network}.0.0/16"}),
            ("tls", {"ca": office.offices.ca, "system-store": "no"}),
            (f"domain {office.domain}", {"certificate": office.certificate, "key": office.key}),
            ("agent main", {"address": office.point(101, office.IME), "transport": "tcp"}),
            ("server", {
                "server": vap,
                "tls-name": split_address(vap)[0],
                "user": self.account["user"],
                "password-file": os.path.join(home, "vap-password"),
                "ca": self.world.description["ca"],
            }),
            ("quality", {"hold-down": HOLD, "recovery": HOLD}),
            ("limits", {"late": LATE}),
            ("media", {"workers": 1, **({"port-min": MEDIA, "port-max": MEDIA + MEDIA_PORTS - 1} if self.impaired else {})}),
        ]
        if self.deployment == "off-path":
            sections.append(("mapping", {"listen": office.point(110, MAPPING), "pool": office.point(111, POOL), "size": POOL_SIZE}))
        self.world.configure(self.name, "edge", sections)

    def outside_keys(self):
        """Where it is for other companies, and where these believe it to be."""
        if not self.impaired:
            return {"tls": self.outside}
        return {"tls": f"{self.real}:{OUTSIDE}", "name": self.known, "media-advertised": self.known}

    def start(self):
        """Does not wait."""
        self.configure()
        self.world.start_daemon(self.name, "edge")

    def ctl(self, *words, **options):
        """Asks it."""
        return self.world.ctl(self.world.processes[self.name]["control"], *words, **options)

    def has_keys(self):
        """The keys of tickets have come from the IME server."""
        return self.ctl("edge", "show", "tickets")["epochs"]
