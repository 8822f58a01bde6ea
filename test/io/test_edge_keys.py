#!/usr/bin/env python3
"""The keys of tickets on their way from an ime-server to an ime-edge: rotation and revocation without a restart, the server killed, the edge restarted
while it is away, an edge that was away when the key changed; and who does not get them.

    test_edge_keys.py [--directory DIR]
"""
import os
import secrets
import signal
import socket
import ssl
import sys

from steps import SECONDS, edit, run, wait_for  # it finds lab
from test_edge import Line, make_authority, make_certificate, ticket
from vap import Vap, VapError

NUMBER, OTHER = "+49300100001", "+49300100002"


class Keys:
    """The steps share one server and one edge."""

    def __init__(self, world):
        self.world = world
        self.company = world.description["companies"][0]
        self.server = self.company["servers"][0]
        self.folder = world.home("edge")
        self.control = os.path.join(self.folder, "control")
        self.user, self.password = self.company["edge"]["user"], self.company["edge"]["password"]  # of the edge's VAP account
        self.passwords = {1: self.company["ticket"], 2: secrets.token_urlsafe(18)}  # of epochs
        host = self.server["vap"].rsplit(":", 1)[0]
        network = host.rsplit(".", 1)[0]
        self.outside, self.inside, self.far = f"{network}.111", f"{network}.112", f"{network}.113"
        self.plain = f"{host}:5621"
        make_authority(self.folder, "authority")
        make_certificate(self.folder, "a.example", "authority")
        make_certificate(self.folder, "b.example", "authority")

    # ---- what the steps need ----

    def ctl(self, *words, **options):
        """At the server."""
        return self.world.ctl(self.server["control"], *words, **options)

    def stop_server(self, number):
        """Kills it, or asks it to end."""
        self.world.signal("a1", number)
        self.world.wait_end("a1", SECONDS)

    def start_server(self):
        """… and waits until it works."""
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)

    def start_edge(self):
        """… and waits until it works."""
        self.world.start_daemon("edge", "edge")
        self.world.wait_daemon("edge")

    def stop_edge(self, number=signal.SIGTERM):
        """Ends it, or kills it."""
        self.world.signal("edge", number)
        self.world.wait_end("edge", SECONDS)

    def shown(self):
        """What the edge says of its keys."""
        return self.world.ctl(self.control, "edge", "show", "tickets")

    def fingerprints(self):
        """Epochs with the fingerprints of their keys: at the server, at the edge."""
        server, edge = self.ctl("show", "tickets")["epochs"], self.shown()["epochs"]
        return {e["epoch"]: e["fingerprint"] for e in server}, {e["epoch"]: e["fingerprint"] for e in edge}

    def wait_same(self, epoch):
        """Until the edge has what the server has, up to this epoch."""
        def same():
            server, edge = self.fingerprints()
            return server == edge and max(edge, default=0) == epoch
        wait_for(same, lambda: f"the edge does not get epoch {epoch}: {self.fingerprints()}")

    def current(self):
        """The newest epoch at the server."""
        return max(self.ctl("show", "tickets")["epochs"], key=lambda e: e["epoch"])

    def judge(self, epoch, number=NUMBER):
        """What the edge says to a request with a ticket of that epoch: the counter of the verdict."""
        before = self.counters()
        context = ssl.create_default_context(cafile=f"{self.folder}/authority.pem")
        context.load_cert_chain(f"{self.folder}/b.example.pem", f"{self.folder}/b.example.key")
        with socket.create_connection((self.outside, 5061), timeout=SECONDS) as sock:
            line = Line(context.wrap_socket(sock, server_hostname="a.example"))
            line.send([f"OPTIONS sip:{number}@a.example;user=phone SIP/2.0", f"Via: SIP/2.0/TLS {self.far};branch=z9hG4bK{secrets.token_hex(6)}",
                       "Max-Forwards: 70", "From: <sip:+4940@b.example>;tag=far", f"To: <sip:{number}@a.example;user=phone>",
                       f"Call-ID: {secrets.token_hex(8)}", "CSeq: 1 OPTIONS",
                       f"X-Cisco-ViPR-Ticket: {ticket(number, 'b.example', 'a.example', epoch, self.passwords[epoch])}"])
            status = line.next().status
        after = self.counters()
        changed = [name for name in after if "ticket" in name and after[name] != before.get(name, 0)]
        assert len(changed) == 1 and (status == 403) == (changed[0] != "edge.tickets_good"), (status, changed)
        return changed[0].split(".")[1]

    def counters(self):
        """The edge's."""
        return {c["name"]: c["value"] for c in self.world.ctl(self.control, "show", "counters", "--all")["counters"]}

    def log(self, name):
        """All that a process has said."""
        with open(os.path.join(self.world.home(name), "log"), errors="replace") as f:
            return f.read()

    # ---- steps ----

    def an_edge_subscribes(self):
        """With an account that may: it has the server's key, and tickets are judged with it."""
        with open(os.path.join(self.folder, "edge-password"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(self.password + "\n")
        edit(self.world, "a1", "server.conf", "[vap]\n", f"[ticket]\nedge-wait = 1h\n[vap]\nplain-listen = {self.plain}\n")
        self.stop_server(signal.SIGTERM)
        self.start_server()
        self.world.configure("edge", "edge", [
            ("edge", {}),
            ("inside", {"tcp": f"{self.inside}:5060"}),
            ("outside", {"tls": f"{self.outside}:5061", "networks": self.far}),
            ("tls", {"ca": f"{self.folder}/authority.pem", "system-store": "no"}),
            ("domain a.example", {"certificate": f"{self.folder}/a.example.pem", "key": f"{self.folder}/a.example.key"}),
            ("agent nobody", {"address": f"{self.inside}:5080"}),
            ("server", {"server": self.server["vap"], "ca": self.world.description["ca"], "user": self.user, "password-file": f"{self.folder}/edge-password",
                        "reconnect": "1s"}),
            ("media", {"workers": 1}),
        ])
        self.start_edge()
        self.wait_same(1)
        assert "online" in self.shown()["server"], self.shown()
        wait_for(lambda: self.current()["edges"] == "1 of 1", "the server does not know that the edge has its key")
        assert self.judge(1) == "tickets_good"

    def rotation(self):
        """A new key is at the edge before it is used; tickets of the one before stay good. Nobody restarts."""
        self.ctl("set", "ime", "ticket", "password", stdin=self.passwords[2] + "\n" + self.passwords[2] + "\n")
        self.wait_same(2)
        wait_for(lambda: self.current()["state"] == "current", "the new epoch is not used")
        log = self.log("a1")
        assert log.index("ticket.keys.told", log.index("TicketPasswordChanged")) and "ticket.epoch.used domain=a.example epoch=2" in log
        assert self.judge(2) == "tickets_good" and self.judge(1) == "tickets_good"

    def revocation(self):
        """Bites at once."""
        self.ctl("ticket", "revoke", "number", OTHER)
        wait_for(lambda: self.shown()["epochs"][0]["revoked"] == 1, "the edge does not hear of the revocation")
        assert self.judge(2, OTHER) == "ticket_revoked" and self.judge(2) == "tickets_good"

    def server_is_killed(self):
        """The edge goes on checking, and says that it is alone."""
        self.stop_server(signal.SIGKILL)
        wait_for(lambda: "not reached" in self.shown()["server"], "the edge does not notice")
        assert "ime_server.away" in self.log("edge")
        warnings = self.world.ctl(self.control, "show", "status")["warnings"]
        assert "IMEServerAway" in [w["name"] for w in warnings], warnings
        assert self.judge(2) == "tickets_good" and self.judge(1) == "tickets_good" and self.judge(2, OTHER) == "ticket_revoked"
        epoch = self.shown()["epochs"][0]
        assert epoch["confirmed_at"] and 0 <= epoch["age_ms"] < SECONDS * 1000, epoch

    def edge_restarts_alone(self):
        """Killed, and started with nobody to ask: what it knew it knows."""
        self.stop_edge(signal.SIGKILL)
        self.start_edge()
        assert self.judge(2) == "tickets_good" and self.judge(2, OTHER) == "ticket_revoked"
        assert self.shown()["epochs"][0]["confirmed_at"]

    def both_are_back(self):
        """What was decided while the edge was away is waited for, and comes when it is there."""
        self.stop_edge()
        self.start_server()
        self.ctl("ticket", "rotate")
        assert self.current()["state"] == "waits for edges" and self.current()["edges"] == "0 of 1", self.current()
        self.ctl("ticket", "revoke", "domain", "b.example")
        self.start_edge()
        self.wait_same(3)
        wait_for(lambda: self.current()["state"] == "current", "the new epoch is not used")
        assert self.judge(2) == "ticket_revoked"

    def who_gets_nothing(self):
        """Accounts without the right, the account without TLS; and the account has no other right."""
        def refused(address, user, password, ca, method):
            try:
                client = Vap(address, user, password, ca, timeout=SECONDS)
                client.register()
                method(client)
            except VapError as error:
                assert "403" in str(error), error
                return
            raise AssertionError(f"{user} at {address} was not refused")
        body = bytes.fromhex("10070014" + "0065f001" + "00" * 8 + "ff" * 8 + "60080009") + b"a.example\0\0\0"

        def subscribe(client):
            client.wait(client.send(7, body))
        account = self.company["vap"]
        refused(self.server["vap"], account["user"], account["password"], self.world.description["ca"], subscribe)
        refused(self.plain, self.user, self.password, None, subscribe)
        refused(self.server["vap"], self.user, self.password, self.world.description["ca"],
                lambda client: client.publish_vservice(1, "a.example", ["sip:a@a.example:5061;maddr=127.0.0.1;transport=tcp"]))

    def nothing_is_told(self):
        """No password in any log."""
        for secret in (self.password, *self.passwords.values()):
            for name in ("a1", "edge"):
                assert secret not in self.log(name), f"a secret is in the log of {name}"
        self.stop_edge()


if __name__ == "__main__":
    STEPS = ("an_edge_subscribes", "rotation", "revocation", "server_is_killed", "edge_restarts_alone", "both_are_back", "who_gets_nothing",
             "nothing_is_told")
    sys.exit(run(Keys, "edge-keys", STEPS, lambda world: world.up(companies=1, servers=1), network=53))
