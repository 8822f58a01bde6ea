#!/usr/bin/env python3
"""The life of a ring's configuration with real processes: published on the enrollment host it reaches four running servers; what is unsigned,
older or foreign is refused in words; a ban cuts a server off everywhere and its end brings it back, all without a restart.

    test_ring_config.py [--directory DIR]
"""
import os
import subprocess
import sys
import time

from steps import SECONDS, run, wait_for
from vap import Vap
from world import WorldError, open_database, program

END = "  </configuration>"
VSERVICE = 0xB6
KV_SERVER_META = 1


class Steps:
    """In order; each needs the ones before."""

    def __init__(self, world):
        self.world = world
        self.names = [world.server_name(c, s) for c in (1, 2) for s in (1, 2)]
        self.servers = dict(zip(self.names, world.servers()))
        self.enroll = os.path.join(world.directory, "enroll", "control")
        self.ca = world.description["ca"]

    def ctl(self, name, *words):
        """imectl at a server."""
        return self.world.ctl(self.servers[name]["control"], *words)

    def status(self, name):
        """What `show status` says."""
        return self.ctl(name, "show", "status")

    def sequence(self):
        """The enrollment server's."""
        return self.world.ctl(self.enroll, "show", "status")["configuration_sequence"]

    def log(self, name):
        """All that a server has logged."""
        with open(os.path.join(self.world.directory, name, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def file(self, name, text):
        """A file for imectl."""
        path = os.path.join(self.world.directory, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def present(self, *words):
        """The configuration as people see it: imectl's text is the file."""
        return subprocess.run([program("imectl", self.world.build), "--socket", self.enroll, "ring", "config", "show", *words],
                              capture_output=True, text=True, timeout=SECONDS, check=True).stdout

    def refused(self, socket, *words):
        """Why a command is refused."""
        try:
            self.world.ctl(socket, *words)
        except WorldError as error:
            return str(error)
        raise AssertionError(f"{words} was not refused")

    def everywhere(self, sequence, names=None):
        """Waits until these servers use it."""
        for name in names or self.names:
            wait_for(lambda: self.status(name)["configuration_sequence"] == sequence, f"{name} does not get sequence {sequence}")

    def knows_peers(self):
        """Whether a1 has written peers down for its next start."""
        with open_database(self.servers["a1"]["data"]) as database:
            return database.execute("select count(*) from kv where tbl = ? and key = ?", (KV_SERVER_META, b"peers")).fetchone()[0] == 1

    def step_peers(self):
        """The bootstrap server knows who is there; measured round trips and server IDs included."""
        peers = self.ctl("a1", "show", "peers")
        assert peers["bootstrap"] is True and peers["refused_banned"] == 0, peers
        assert sorted(p["server_id"] for p in peers["peers"]) == ["ime1.b.example", "ime2.a.example", "ime2.b.example"], peers
        assert {p["node_id"] for p in peers["peers"]} == {self.servers[n]["node_id"] for n in self.names if n != "a1"}, peers
        assert all(p["since_at"] and p["address"] for p in peers["peers"]), peers
        assert self.ctl("b2", "show", "peers")["bootstrap"] is False

    def step_publish(self):
        """A message of the day and a required version reach everybody; only the bootstrap server asks for them."""
        pids = [self.servers[name]["pid"] for name in self.names]
        before = self.sequence()
        text = self.present()
        assert text.startswith("<?xml") and "sequence=" not in text and "signature>" not in text, text
        changed = text.replace(END, "    <ime:message-of-the-day>Maintenance on Sunday</ime:message-of-the-day>\n"
                                    "    <ime:required-version by=\"2031-01-01T00:00:00Z\">99.1</ime:required-version>\n" + END)
        path = self.file("ring.xml", changed)
        tried = self.world.ctl(self.enroll, "ring", "config", "publish", path, "--dry-run")
        assert [d["change"] for d in tried["differences"]] == ["added", "added"], tried
        assert self.sequence() == before
        began = time.monotonic()
        done = self.world.ctl(self.enroll, "ring", "config", "publish", path)
        assert done["sequence"] == before + 1, done
        self.everywhere(before + 1)
        print(f"# sequence {before + 1} in use everywhere after {time.monotonic() - began:.1f} s")
        for name in self.names:
            status = self.status(name)
            assert status["message_of_the_day"] == "Maintenance on Sunday", status
            assert status["state"] == "joined", status
            warning, = [w for w in status["warnings"] if w["name"] == "SWUpdateRequired"]
            assert "99.1" in warning["text"] and "2031-01-01" in warning["text"], warning
            assert self.log(name).count("MessageOfTheDay") == 1, name
        assert pids == [self.servers[name]["pid"] for name in self.names] and all(self.world.alive(n) for n in self.names)

    def step_refusals(self):
        """Unsigned, older, signed by others, of another ring, with mistakes: refused everywhere, in words, and nothing changes."""
        before = self.sequence()
        plain, signed = self.present(), self.present("--signed")
        a1 = self.servers["a1"]["control"]
        path = self.file("refused.xml", plain)
        assert "not newer" in self.refused(a1, "ring", "config", "load", path)
        self.file("refused.xml", plain.replace("<configuration ", f"<configuration sequence=\"{before + 5}\" "))
        assert "not signed" in self.refused(a1, "ring", "config", "load", path)
        self.file("refused.xml", signed)
        assert "not newer" in self.refused(a1, "ring", "config", "load", path)
        assert "signed already" in self.refused(self.enroll, "ring", "config", "publish", path)
        self.file("refused.xml", signed.replace(f"sequence=\"{before}\"", f"sequence=\"{before + 5}\""))
        assert "signature does not verify" in self.refused(a1, "ring", "config", "load", path)
        assert "signed by somebody else" in self.refused(self.enroll, "ring", "config", "publish", path)
        self.file("refused.xml", plain.replace("<configuration ", f"<configuration sequence=\"{before}\" "))
        assert f"sequence {before} is not newer" in self.refused(self.enroll, "ring", "config", "publish", path)
        self.file("refused.xml", plain.replace("instance-name=\"", "instance-name=\"x"))
        assert "instance-name" in self.refused(self.enroll, "ring", "config", "publish", path)
        assert "not of this ring" in self.refused(a1, "ring", "config", "load", path)
        lines = plain.splitlines()
        place, = [i for i, line in enumerate(lines) if "<initial-ttl>" in line]
        lines[place] = "<initial-ttl>none</initial-ttl>"
        self.file("refused.xml", "\n".join(lines))
        assert f"line {place + 1}:" in self.refused(self.enroll, "ring", "config", "publish", path)
        # Signed by a certificate of the ring's authority that is no configuration-signer: a server's own does not do.
        assert "is answered by another daemon" in self.refused(a1, "ring", "ban", "ime1.b.example", "--reason", "x")
        assert self.sequence() == before
        assert all(self.status(name)["configuration_sequence"] == before for name in self.names)

    def step_offline(self):
        """A signed document is taken to a server by hand, while the enrollment server is away: the ring passes it on."""
        before = self.sequence()
        path = self.file("ring.xml", self.present().replace("Maintenance on Sunday", "Maintenance on Monday"))
        # The poll of the bootstrap server must not be first: it looks again when the enrollment server is back. It is the only bootstrap
        # server, and finds its ring by the peers that it has written down.
        wait_for(self.knows_peers, "a1 does not write its peers down")
        self.world.signal("a1", 15)
        assert self.world.wait_end("a1")
        self.world.ctl(self.enroll, "ring", "config", "publish", path)
        signed = self.file("signed.xml", self.present("--signed"))
        self.world.signal("enroll", 15)
        assert self.world.wait_end("enroll")
        done = self.ctl("b2", "ring", "config", "load", signed)
        assert str(before + 1) in done["message"], done
        self.everywhere(before + 1, ["a2", "b1", "b2"])
        self.world.start_enroll()
        assert self.sequence() == before + 1  # its own settings have not changed: no edition of theirs
        self.world.start_server(1, 1)
        self.world.wait_server(1, 1)
        self.everywhere(before + 1)

    def step_long(self):
        """A document with thousands of Node-IDs goes through the ring as well, and shrinks again."""
        plain = self.present()
        nodes = "".join(f"    <bad-node>{n:032x}</bad-node>\n" for n in range(1, 3001))
        done = self.world.ctl(self.enroll, "ring", "config", "publish", self.file("ring.xml", plain.replace(END, nodes + END)))
        self.everywhere(done["sequence"])
        assert len(self.ctl("b2", "ring", "bans")["bans"]) == 3000
        assert len(self.present("--signed")) > 150000
        done = self.world.ctl(self.enroll, "ring", "config", "publish", self.file("ring.xml", plain))
        self.everywhere(done["sequence"])
        assert self.ctl("b2", "ring", "bans")["bans"] == []

    def step_number(self):
        """A number of the server that will be banned."""
        company = self.world.description["companies"][1]
        agent = Vap(self.servers["b1"]["vap"], company["vap"]["user"], company["vap"]["password"], self.ca)
        agent.register()
        agent.publish_vservice(VSERVICE, company["domain"], [f"sip:gate@{company['domain']}:5061;maddr=127.0.0.1;transport=tcp"])
        agent.publish_number(VSERVICE, company["numbers"][3])
        wait_for(lambda: [n["copies"] for n in self.ctl("b1", "show", "numbers")["numbers"]] == [3], "three copies of the number")

    def step_ban(self):
        """Cut off everywhere, told why, and refused a certificate; the others name it once."""
        others = [name for name in self.names if name != "b1"]
        node = self.servers["b1"]["node_id"]
        assert "no server of this ID" in self.refused(self.enroll, "ring", "ban", "ime9.b.example", "--reason", "x")
        done = self.world.ctl(self.enroll, "ring", "ban", "ime1.b.example", "--reason", "floods the ring")
        self.everywhere(done["sequence"])
        wait_for(lambda: self.status("b1")["state"] == "banned", "b1 does not know that it is banned")
        status = self.status("b1")
        assert status["ban_reason"] == "floods the ring" and status["banned_since_at"], status
        assert status["health"] == "red", status
        warning, = [w for w in status["warnings"] if w["name"] == "BannedFromNetwork"]
        assert "floods the ring" in warning["text"] and "unban" in warning["text"], warning
        assert "name=BannedFromNetwork severity=alert" in self.log("b1")
        for name in others:
            peers = [p["node_id"] for p in self.ctl(name, "show", "ring")["peers"]]
            wait_for(lambda: node not in [p["node_id"] for p in self.ctl(name, "show", "ring")["peers"]], f"{name} is linked with b1: {peers}")
            assert self.log(name).count(f"ring.ban node={node} server_id=ime1.b.example reason=\"floods the ring\"") == 1, name
            row, = self.ctl(name, "ring", "bans")["bans"]
            assert (row["server_id"], row["node_id"], row["reason"]) == ("ime1.b.example", node, "floods the ring"), row
            assert self.status(name)["state"] == "joined"
        assert self.ctl("b1", "show", "ring")["peers"] == []
        # What it stored is gone: three copies and their replicas.
        wait_for(lambda: sum(self.status(n)["ring_records_stored"] for n in others) == 0, "its values are still stored")

    def step_banned_start(self):
        """A banned server that starts is there to say so, and does not knock at doors."""
        self.world.signal("b1", 15)
        assert self.world.wait_end("b1")
        self.world.start_server(2, 1)
        self.world.wait_ready("b1", self.servers["b1"]["control"], "show", "status")
        assert self.status("b1")["state"] == "banned"
        refused = [c["value"] for c in self.ctl("a1", "show", "counters", "ring.link_refused_banned", "--all")["counters"]]
        time.sleep(2)
        assert refused == [c["value"] for c in self.ctl("a1", "show", "counters", "ring.link_refused_banned", "--all")["counters"]]

    def step_unban(self):
        """It notices by itself, joins without a restart, and its number is back."""
        pid = self.servers["b1"]["pid"]
        done = self.world.ctl(self.enroll, "ring", "unban", self.servers["b1"]["node_id"])
        self.everywhere(done["sequence"])
        wait_for(lambda: self.status("b1")["state"] == "joined", "b1 does not come back")
        assert self.servers["b1"]["pid"] == pid and self.world.alive("b1")
        assert not [w for w in self.status("b1")["warnings"] if w["name"] == "BannedFromNetwork"]
        wait_for(lambda: [n["copies"] for n in self.ctl("b1", "show", "numbers")["numbers"]] == [3], "its number does not come back")
        wait_for(lambda: sum(self.status(n)["ring_records_stored"] for n in self.names) == 9, "three copies, each with two replicas")
        assert self.ctl("a1", "ring", "bans")["bans"] == []


def main():
    """TAP."""
    names = ("step_peers", "step_publish", "step_refusals", "step_offline", "step_long", "step_number", "step_ban", "step_banned_start", "step_unban")
    return run(Steps, "ring-config", names, lambda world: world.up(2, 2, enroll={"a1": {"poll": "1s"}, "b1": {"poll": "2s"}}), network=47)


if __name__ == "__main__":
    sys.exit(main())
