#!/usr/bin/env python3
"""An independent node (reload.py) against a ring of ime-servers: first as a stranger with a certificate, then as a peer. What the ring
refuses must be refused with the RFC's error and must change nothing.

    test_ring_client.py [--directory DIR] [--only NAME]
"""
import argparse
import hashlib
import os
import secrets
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "lab"))
sys.path.insert(0, HERE)

import reload as ring  # noqa: E402
from reload import Bad, Identity, Node, ReloadError, Silence, to_node, to_resource, vector  # noqa: E402
from world import World, WorldError, free_network  # noqa: E402

REGISTRATION = 0xF0000001
UNKNOWN = 0xF00000EE
APPLICATION = 61441
VALUE_MAX = 1024
SHORT = 1.0  # long enough for an answer that must not come: other answers on the same link come before it
PING_BODY = vector(2, b"")


def expect(code, action):
    """The action must fail with this error; its error_info."""
    try:
        action()
    except ReloadError as error:
        assert error.code == code, f"error {error.code} instead of {code}: {error.info!r}"
        return error.info
    raise AssertionError(f"accepted instead of error {code}")


def now_ms():
    """Storage times."""
    return int(time.time() * 1000)


class Authority:
    """The ring's own authority, for certificates that ime-enroll would not issue."""

    def __init__(self, world, directory):
        self.directory = directory
        self.overlay = world.description["overlay"]
        with tempfile.TemporaryDirectory() as copy:
            for name in ("enroll.db-wal", "enroll.db"):
                shutil.copyfile(os.path.join(world.directory, "enroll", "data", name), os.path.join(copy, name))
            database = sqlite3.connect(os.path.join(copy, "enroll.db"))
            rows = {bytes(key): bytes(value) for _, key, value in database.execute("select * from kv")}
            database.close()
        self.key = os.path.join(directory, "authority.key")
        with open(self.key, "wb") as out:
            out.write(rows[b"authority key"])
        self.pem = world.description["ca"]

    def issue(self, name, nodes, start="20200101000000Z", end="20490201000000Z"):
        """An Identity of the last of these nodes with a certificate for all of them; start and end as openssl writes times."""
        identity = Identity.__new__(Identity)
        identity.directory = self.directory
        identity.key, identity.pem = (os.path.join(self.directory, f"{name}.{kind}") for kind in ("key", "pem"))
        csr, config = (os.path.join(self.directory, f"{name}.{kind}") for kind in ("csr", "cnf"))
        ring.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", identity.key)
        ring.openssl("req", "-new", "-key", identity.key, "-subj", "/", "-out", csr)
        uris = ",".join(f"URI:reload://{to_node(node).hex()}@{self.overlay}/" for node in nodes)
        with open(os.path.join(self.directory, "index.txt"), "w", encoding="ascii"):
            pass
        with open(config, "w", encoding="ascii") as out:
            out.write(f"[ca]\ndefault_ca=here\n[here]\ndatabase={self.directory}/index.txt\nrand_serial=yes\nnew_certs_dir={self.directory}\n"
                      f"default_md=sha256\npolicy=any\nunique_subject=no\nx509_extensions=v3\n[any]\ncommonName=optional\n[v3]\n"
                      f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                      f"subjectAltName={uris},email:{name}@{self.overlay}\n")
        ring.openssl("ca", "-batch", "-config", config, "-cert", self.pem, "-keyfile", self.key, "-in", csr, "-out", identity.pem,
                     "-startdate", start, "-enddate", end, "-notext")
        identity.der = ring.openssl("x509", "-in", identity.pem, "-outform", "DER")
        identity.node = nodes[-1]
        kind, prefix = (ring.CERT_HASH, b"") if len(nodes) == 1 else (ring.CERT_HASH_NODE_ID, identity.node)
        identity.signer = struct.pack("!BHBB", kind, 34, ring.SHA256, 32) + hashlib.sha256(prefix + identity.der).digest()
        return identity


class Tests:
    """In order: those named test_1… as a stranger, test_2… as a peer, test_3… leave scars."""

    def __init__(self, world):
        self.world = world
        self.servers = [s for c in world.description["companies"] for s in c["servers"]]
        self.directory = os.path.join(world.directory, "strangers")
        os.makedirs(self.directory, exist_ok=True)
        self.host = world.network + ".99.1"
        self.identity = Identity(world, "independent.example", self.directory)
        self.node = Node(world, self.identity, self.host)
        self.link = self.node.connect(self.servers[0]["ring"])
        self.authority = Authority(world, self.directory)
        self.resource = None

    # -- help ------------------------------------------------------------------------------------------------------------

    def counter(self, name, server=0):
        """A counter's value now."""
        rows = self.world.ctl(self.servers[server]["control"], "show", "counters", name)["counters"]
        return sum(r["value"] for r in rows if r["name"] == name)

    def counted(self, name, action, server=0):
        """The action must make the counter grow."""
        before = self.counter(name, server)
        action()
        deadline = time.monotonic() + ring.SECONDS
        while self.counter(name, server) == before:
            assert time.monotonic() < deadline, f"{name} does not grow"
            self.node.pump(lambda: False, 0.05)

    def ping(self, to=None, link=None, **how):
        """A Ping; who answered."""
        link = link or self.link
        signer, message = self.node.ask(link, ring.PING, PING_BODY, to or to_node(ring.WILDCARD), **how)
        assert len(message.body) == 16
        assert abs(int.from_bytes(message.body[8:], "big") - now_ms()) < 60_000, "the time of a Ping"
        return signer

    def id_of(self, index):
        """A server's Node-ID."""
        return bytes.fromhex(self.servers[index]["node_id"])

    def silent(self, **how):
        """A Ping that must stay without an answer, while the next one is answered."""
        try:
            self.node.ask(self.link, ring.PING, PING_BODY, how.pop("to", to_node(ring.WILDCARD)), seconds=SHORT, **how)
        except Silence:
            assert self.ping() == self.id_of(0)
            return
        raise AssertionError("answered")

    # -- as a stranger ---------------------------------------------------------------------------------------------------

    def test_10_wildcard_ping(self):
        """The peer at the other end answers, signed with the key of its certificate; our frame was acknowledged."""
        assert self.link.node == self.id_of(0)
        assert self.ping() == self.id_of(0)
        assert 0 in self.link.acks and self.link.acks[0] == 0
        assert self.ping() == self.id_of(0)
        assert self.node.pump(lambda: 1 in self.link.acks, ring.SECONDS) and self.link.acks[1] & 2, "bit 1: the frame before came too"

    def test_11_ping_through(self):
        """To another node through the first; to the peer responsible for a place."""
        for i in range(1, len(self.servers)):
            assert self.ping(to_node(self.id_of(i))) == self.id_of(i)
        owners = sorted(self.id_of(i) for i in range(len(self.servers)))
        for place in (secrets.token_bytes(16) for _ in range(8)):
            owner = next((o for o in owners if o >= place), owners[0])
            assert self.ping(to_resource(place)) == owner, "Chord: predecessor < k <= owner"
        assert self.ping(to_resource(owners[0])) == owners[0], "a peer owns its own place"

    def test_12_source_route(self):
        """A Destination List through a second server; its own Node-ID may be in it twice."""
        assert self.ping(to_node(self.id_of(0)) + to_node(self.id_of(1)) + to_node(self.id_of(2))) == self.id_of(2)
        assert self.ping(to_node(self.id_of(0)) + to_node(self.id_of(0))) == self.id_of(0)

    def test_13_unknown_method(self):
        """Methods that nobody defined, and those that are no more."""
        for code in (0x23, 0x0B, 0x1B, 0x7001):
            expect(ring.INVALID_MESSAGE, lambda c=code: self.node.ask(self.link, c, b"", to_node(ring.WILDCARD)))

    def test_14_other_overlay(self):
        """Another overlay's hash."""
        expect(ring.INCOMPATIBLE, lambda: self.counted("ring.message_other_overlay", lambda: self.ping(overlay=self.node.overlay ^ 1)))

    def test_15_other_version(self):
        """Nodes MUST reject messages with other versions [6.3.2], and SHOULD say so [6.1]."""
        for version in (1, 0x0B, 0):
            expect(ring.INCOMPATIBLE, lambda v=version: self.ping(version=v))
        assert self.counter("ring.message_other_version") >= 3

    def test_16_ttl(self):
        """0 arrives where it is meant to, and goes no further; more than initial-ttl goes nowhere."""
        assert self.ping(ttl=0) == self.id_of(0)
        expect(ring.TTL_EXCEEDED, lambda: self.ping(to_node(self.id_of(1)), ttl=0))
        assert self.ping(to_node(self.id_of(1)), ttl=1) == self.id_of(1)
        expect(ring.TTL_EXCEEDED, lambda: self.ping(ttl=101))

    def test_17_options(self):
        """Critical options that nobody knows; one that is to be copied."""
        option = lambda flags: struct.pack("!BBH", 200, flags, 3) + b"abc"
        expect(ring.UNSUPPORTED_OPTION, lambda: self.ping(options=option(ring.CRITICAL_DESTINATION)))
        expect(ring.UNSUPPORTED_OPTION, lambda: self.ping(to_node(self.id_of(1)), options=option(ring.CRITICAL_FORWARD)))
        assert self.ping(options=option(ring.CRITICAL_FORWARD)) == self.id_of(0), "not forwarded: not critical"
        assert self.ping(to_node(self.id_of(1)), options=option(0)) == self.id_of(1)
        _, answer = self.node.ask(self.link, ring.PING, PING_BODY, to_node(ring.WILDCARD), options=option(4))
        assert answer.options == option(0), "RESPONSE_COPY"

    def test_18_extensions(self):
        """A critical extension that nobody knows; one that may be ignored."""
        extension = lambda critical: struct.pack("!HB", 77, critical) + vector(4, b"xyz")
        expect(ring.UNKNOWN_EXTENSION, lambda: self.ping(extensions=extension(1)))
        assert self.ping(extensions=extension(0)) == self.id_of(0)

    def test_19_configuration_sequence(self):
        """Newer than theirs; older, and then they send the document: over the link, and through the ring [6.3.2.1]."""
        expect(ring.CONFIG_TOO_NEW, lambda: self.ping(sequence=self.node.sequence + 1))
        current = self.node.sequence
        pushed = lambda sender: [m for _, s, m in self.node.requests if m.code == ring.CONFIG_UPDATE and s == sender]
        for i in range(2):
            sender = self.id_of(i)
            assert not pushed(sender), "a ConfigUpdate before we are behind"
            self.node.sequence = current - 1
            try:
                expect(ring.CONFIG_TOO_OLD, lambda to=to_node(sender): self.ping(to))
                assert self.node.pump(lambda n=sender: bool(pushed(n)), ring.SECONDS), f"no ConfigUpdate came from server {i}"
                assert self.node.sequence == current, "the document brings us up to date"
            finally:
                self.node.sequence = current
            assert ring.read_config_update(pushed(sender)[0].body) == self.node.document
            assert self.ping(to_node(sender)) == sender

    def test_1a_config_update(self):
        """Ours is answered: the same document; one that is not signed; nonsense; a Kind that nobody signed."""
        update = lambda kind, data: self.node.ask(self.link, ring.CONFIG_UPDATE, bytes([kind]) + vector(4, vector(3, data)),
                                                  to_node(ring.WILDCARD))
        update(1, self.node.document)
        newer = self.node.document.replace(b'sequence="%d"' % self.node.sequence, b'sequence="%d"' % (self.node.sequence + 1))
        expect(ring.FORBIDDEN, lambda: update(1, newer))
        expect(ring.INVALID_MESSAGE, lambda: update(1, b"<no"))
        block = (b'<kind-block><kind id="4026532000"><data-model>SINGLE</data-model><access-control>NODE-MATCH</access-control>'
                 b"<max-count>1</max-count><max-size>10</max-size></kind></kind-block>")
        expect(ring.FORBIDDEN, lambda: update(2, vector(2, block)))
        start, end = self.node.document.index(b"<kind-block>"), self.node.document.index(b"</kind-block>") + len(b"</kind-block>")
        known = self.node.document[start:end]
        update(2, vector(2, known))
        expect(ring.FORBIDDEN, lambda: update(2, vector(2, known.replace(b"<max-count>", b"<max-count>1"))))
        expect(ring.INVALID_MESSAGE, lambda: update(2, vector(2, b"<kind-block")))
        expect(ring.INVALID_MESSAGE, lambda: update(9, b""))
        assert self.ping() == self.id_of(0), "the old sequence is still in use"

    def test_1b_response_too_large(self):
        """max_response_length."""
        info = expect(ring.RESPONSE_TOO_LARGE, lambda: self.ping(max_response=100))
        assert info is not None
        assert self.ping(max_response=5000) == self.id_of(0)

    def test_1c_forged_message(self):
        """A signature that does not verify is dropped [6.3.4], and counted."""
        flip = lambda signature: signature[:-1] + bytes([signature[-1] ^ 1])
        self.counted("ring.signature_bad", lambda: self.silent(forge=flip))

    def test_1d_no_certificate_in_message(self):
        """A hash that names no certificate anywhere."""
        strange = lambda signature: signature[:7] + secrets.token_bytes(32) + signature[39:]
        self.counted("ring.signature_bad", lambda: self.silent(forge=strange))

    def test_1e_destination_lists(self):
        """Something behind a resource is dropped [6.1.1]; so are opaque ids that nobody made."""
        self.silent(to=to_resource(self.id_of(0)) + to_node(self.id_of(1)))
        self.silent(to=struct.pack("!H", 0x8123))
        self.silent(to=bytes([3, 5]) + vector(1, b"abcd"))

    def test_1f_clients(self):
        """clients-permitted is false: a node that has not joined neither reads nor writes, wherever that would go."""
        place = secrets.token_bytes(16)
        for code in (ring.FETCH, ring.STAT):
            expect(ring.FORBIDDEN, lambda c=code: self.node.ask(self.link, c, ring.fetch_req(place, REGISTRATION), to_resource(place)))
        expect(ring.FORBIDDEN, lambda: self.store(place, self.key(1), b"client"))
        expect(ring.FORBIDDEN, lambda: self.node.ask(
            self.link, ring.APP_ATTACH, ring.attach(b"active", [], application=APPLICATION), to_node(self.id_of(1))))

    def test_1g_probe(self):
        """What was asked, in the order asked; nothing that is not known."""
        total = 0
        for i in range(len(self.servers)):
            _, answer = self.node.ask(self.link, ring.PROBE, vector(1, bytes([3, 1, 99, 2])), to_node(self.id_of(i)))
            r = ring.Reader(answer.body)
            items = r.each(2, lambda s: (s.number(1), s.opaque(1)))
            r.end()
            assert [kind for kind, _ in items] == [3, 1, 2] and all(len(v) == 4 for _, v in items), items
            total += int.from_bytes(items[1][1], "big")
        assert abs(total - 10**9) < 100, f"the ring's parts sum up to {total} ppb"

    def test_1h_route_query(self):
        """The next peer; ourselves we are told of as nobody's."""
        query = lambda d: self.node.ask(self.link, ring.ROUTE_QUERY, b"\0" + d + vector(2, b""), to_node(ring.WILDCARD))[1].body
        assert query(to_node(self.id_of(1))) == self.id_of(1)
        assert query(to_resource(self.id_of(0))) == self.id_of(0)

    def test_1i_join_for_another(self):
        """A Join of a Node-ID that is not the signer's."""
        expect(ring.FORBIDDEN, lambda: self.node.ask(self.link, ring.JOIN, secrets.token_bytes(16) + vector(2, b""), to_node(self.id_of(0))))

    def test_1j_join_from_afar(self):
        """A Join that comes over somebody else's link."""
        expect(ring.FORBIDDEN, lambda: self.node.ask(self.link, ring.JOIN, self.identity.node + vector(2, b""), to_node(self.id_of(1))))

    def test_1k_leave_for_another(self):
        """A Leave of somebody else."""
        expect(ring.FORBIDDEN, lambda: self.node.ask(
            self.link, ring.LEAVE, self.id_of(1) + vector(2, bytes([1]) + vector(2, b"")), to_node(self.id_of(0))))
        assert self.ping(to_node(self.id_of(1))) == self.id_of(1)

    def test_1l_garbage_frames(self):
        """Octets that are no frames end the link; half a frame does not; nonsense in a frame is dropped."""

        def shout(octets):
            link = self.node.connect(self.servers[0]["ring"])
            link.send_raw(octets)
            assert self.node.pump(lambda: link.closed, ring.SECONDS), "the link stays"

        self.counted("ring.frame_bad", lambda: shout(b"\xff" * 64))
        self.link = self.node.connect(self.servers[0]["ring"])
        whole = self.node.encode(ring.PING, PING_BODY, to_node(ring.WILDCARD), 77)
        frame = struct.pack("!BI", ring.DATA, 0) + vector(3, whole)
        self.link.sequence = 1
        for i in range(0, len(frame), 100):
            self.link.send_raw(frame[i:i + 100])  # a TLS record each
        assert self.node.pump(lambda: 77 in self.node.answers, ring.SECONDS), "a frame in pieces"
        for nonsense in (b"", b"\xd2", secrets.token_bytes(200), whole[:60], whole[:-1], whole + b"\0"):
            self.link.send(nonsense)
        changed = bytearray(whole)
        changed[42] ^= 0xFF
        self.link.send(bytes(changed))
        self.link.send_raw(struct.pack("!BII", ring.ACK, 0xFFFFFFFF, 0xFFFFFFFF))
        assert self.ping() == self.id_of(0), "the link is in good order"

    def test_1m_too_large(self):
        """More than max-message-size: Error_Message_Too_Large, then the link is closed [6.6]."""
        padding = lambda octets: struct.pack("!HB", 77, 0) + vector(4, b"x" * octets)
        assert self.ping(extensions=padding(self.node.message_max - 2000)) == self.id_of(0), "almost as much passes"
        link = self.node.connect(self.servers[0]["ring"])
        expect(ring.MESSAGE_TOO_LARGE, lambda: self.ping(link=link, extensions=padding(self.node.message_max)))
        assert self.node.pump(lambda: link.closed, ring.SECONDS), "the link stays"
        self.link = self.node.connect(self.servers[0]["ring"])
        assert self.ping() == self.id_of(0)

    def test_1n_attach(self):
        """A server that we do not know yet connects to our candidate, and sends the Update that was asked for."""
        target = self.id_of(2)
        _, answer = self.node.ask(self.link, ring.ATTACH, ring.attach(b"passive", [self.candidate()], True), to_node(target))
        _, role, candidates = ring.read_attach(answer.body)
        assert role == b"active"
        assert candidates == [(*self.address(2, "ring"), ring.TLS_TCP_FH_NO_ICE)], candidates
        assert self.node.pump(lambda: any(l.node == target for l in self.node.links), ring.SECONDS), "nobody connects"
        updates = lambda: [m for l, s, m in self.node.requests if m.code == ring.UPDATE and s == target and l.node == target]
        assert self.node.pump(lambda: bool(updates()), ring.SECONDS), "no Update"
        assert updates()[0].body[4] == 3, "a full one, with fingers"

    def test_1o_attach_with_another_certificate(self):
        """We ask as ourselves and answer the door as somebody else: the server goes away."""
        other = Identity(self.world, "another.example", self.directory)
        target = 3

        self.node.door = other
        try:
            self.counted("ring.link_refused_node_id", lambda: self.node.ask(
                self.link, ring.ATTACH, ring.attach(b"passive", [self.candidate()]), to_node(self.id_of(target))), target)
        finally:
            self.node.door = self.identity
        talks = lambda: any(l.node == self.id_of(target) and not l.closed for l in self.node.links)
        assert self.node.pump(lambda: not talks(), ring.SECONDS), "the server talks to another node"

    def knock(self, identity):
        """A link with other credentials: True if the server lets us ping."""
        stranger = Node(self.world, identity)
        try:
            link = stranger.connect(self.servers[0]["ring"])
            stranger.ask(link, ring.PING, PING_BODY, to_node(ring.WILDCARD))
            return True
        except (OSError, Silence):
            return False
        finally:
            stranger.close()

    def test_1p_expired(self):
        """A certificate of the ring's authority that was good once."""
        old = self.authority.issue("old", [secrets.token_bytes(16)], "20200101000000Z", "20200201000000Z")
        self.counted("ring.links.tls_expired", lambda: self.refused(old))
        good = self.authority.issue("good", [secrets.token_bytes(16)])
        assert self.knock(good), "the same with a validity that holds"

    def refused(self, identity):
        """The door stays shut."""
        assert not self.knock(identity), "admitted"

    def test_1q_same_node(self):
        """A certificate for a server's own Node-ID, shown to that server."""
        self.counted("ring.link_refused_self", lambda: self.refused(
            self.authority.issue("self", [self.id_of(0)])))

    def test_1r_several_nodes(self):
        """A certificate of several nodes: who it is shows in the first message; before an Attach only Ping and Attach pass [6.1.2]."""
        identity = self.authority.issue("several", [secrets.token_bytes(16) for _ in range(3)])
        several = Node(self.world, identity, self.host)
        query = lambda: several.ask(link, ring.ROUTE_QUERY, b"\0" + to_node(self.id_of(1)) + vector(2, b""), to_node(ring.WILDCARD))
        try:
            link = several.connect(self.servers[0]["ring"])
            signer, _ = several.ask(link, ring.PING, PING_BODY, to_node(self.id_of(1)))
            assert signer == self.id_of(1), "an answer finds the way back"
            expect(ring.FORBIDDEN, query)
            place = (int.from_bytes(identity.node, "big") + 1) % (1 << 128)
            several.ask(link, ring.ATTACH, ring.attach(b"passive", [ring.candidate(*several.listener.getsockname()[:2])]),
                        to_resource(place.to_bytes(16, "big")))
            assert query()[1].body == self.id_of(1)
            link.close()
            link = several.connect(self.servers[0]["ring"])
            expect(ring.FORBIDDEN, query)
            signer, _ = several.ask(link, ring.ATTACH, ring.attach(b"passive", [ring.candidate(*several.listener.getsockname()[:2])]),
                                    to_node(self.id_of(0)))
            assert signer == self.id_of(0) and query()[1].body == self.id_of(1)
        finally:
            several.close()

    def test_1s_another_node_than_the_certificate(self):
        """A certificate of several nodes, and messages of one that is not among them: nobody is at home."""
        identity = self.authority.issue("many", [secrets.token_bytes(16) for _ in range(2)])
        many = Node(self.world, identity)
        try:
            link = many.connect(self.servers[0]["ring"])
            message = self.node.encode(ring.PING, PING_BODY, to_node(ring.WILDCARD), 78)
            self.counted("ring.link_refused_node_id", lambda: link.send(message))
            many.pump(lambda: False, SHORT)
            assert 78 not in many.answers
        finally:
            many.close()

    def candidate(self):
        """Where we listen."""
        return ring.candidate(*self.node.listener.getsockname()[:2])

    def address(self, server, port):
        """(host, port) of a server."""
        host, number = self.servers[server][port].rsplit(":", 1)
        return host.strip("[]"), int(number)

    # -- as a peer -------------------------------------------------------------------------------------------------------

    def key(self, vservice, node=None):
        """A dictionary key of VIPR-REGISTRATION."""
        return f"{(node or self.identity.node).hex()}+{vservice:016x}".encode()

    def store(self, resource, key, value, generation=0, kind=REGISTRATION, when=None, replica=0, link=None, to=None, forge=None, **how):
        """A Store of one entry; [(kind, generation, replicas)]."""
        entry = ring.dictionary_entry(key, value, how.pop("exists", True))
        stored = ring.stored_data(self.identity, resource, kind, when or now_ms(), how.pop("lifetime", 600), entry)
        if forge:
            stored = forge(stored)
        _, answer = self.node.ask(link or self.link, ring.STORE, ring.store_req(resource, kind, generation, [stored], replica),
                                  to or to_resource(resource), **how)
        return read_store_ans(answer.body)

    def fetch(self, resource, link=None, generation=0, keys=(), to=None):
        """(generation, {key: (exists, value, signer)}) of a resource, all signatures verified."""
        _, answer = self.node.ask(link or self.link, ring.FETCH, ring.fetch_req(resource, REGISTRATION, generation, keys),
                                  to or to_resource(resource))
        r = ring.Reader(answer.body)

        def one(s):
            return s.number(4), s.number(8), s.each(4, ring.read_stored)

        (kind, counter, values), = r.each(4, one)
        r.end()
        assert kind == REGISTRATION
        out = {}
        for when, _, key, exists, value, octets, signature in values:
            signer = None
            if signature != (0, 0, struct.pack("!BH", 3, 0), b""):
                signer = self.node.verifier.verify(ring.value_octets(resource, kind, when, octets), signature)
            out[key] = bool(exists), value, signer
        return counter, out

    def test_20_join(self):
        """Attach, Join, data, Updates: after it the ring routes to us and asks us for values [10.5]."""
        self.node.join({self.id_of(i): s["ring"] for i, s in enumerate(self.servers)})
        self.link = next(l for l in self.node.links if l.node == self.id_of(0))
        deadline = time.monotonic() + ring.SECONDS
        while any(self.route(i) != self.identity.node for i in range(len(self.servers))):
            assert time.monotonic() < deadline, "not every server routes to us"
        ours = sorted([self.id_of(i) for i in range(len(self.servers))] + [self.identity.node])
        after = ours[(ours.index(self.identity.node) + 1) % len(ours)]
        self.resource = after  # a resource of our successor: its own place
        self.owner = next(i for i in range(len(self.servers)) if self.id_of(i) == after)

    def route(self, server):
        """Where a server would send a message for our place."""
        link = next(l for l in self.node.links if l.node == self.id_of(server))
        body = b"\0" + to_resource(self.identity.node) + vector(2, b"")
        return self.node.ask(link, ring.ROUTE_QUERY, body, to_node(ring.WILDCARD))[1].body

    def test_21_store_and_fetch(self):
        """Our key, our signature: stored, copied twice, and read through every server."""
        (kind, generation, replicas), = self.store(self.resource, self.key(1), b"sealed", lifetime=600)
        assert kind == REGISTRATION and generation >= 1
        assert len(replicas) == 2 and self.id_of(self.owner) not in replicas
        for i in range(len(self.servers)):
            link = next(l for l in self.node.links if l.node == self.id_of(i))
            counter, values = self.fetch(self.resource, link)
            assert counter == generation
            assert values == {self.key(1): (True, b"sealed", self.identity.node)}, values
        assert self.fetch(self.resource, generation=generation) == (generation, {}), "nothing new for who has it"
        counter, values = self.fetch(self.resource, keys=[self.key(2)])
        assert values == {self.key(2): (False, b"", None)}, "what is not there has no signature"

    def test_22_stat_and_find(self):
        """Metadata, and the nearest resource."""
        _, answer = self.node.ask(self.link, ring.STAT, ring.fetch_req(self.resource, REGISTRATION), to_resource(self.resource))
        r = ring.Reader(answer.body)

        def meta(s):
            length = s.number(4)
            m = ring.Reader(s.take(length))
            out = m.number(8), m.number(4), m.opaque(2), m.number(1), m.number(4), m.number(1), m.opaque(1)
            m.end()
            return out

        (kind, _, values), = r.each(4, lambda s: (s.number(4), s.number(8), s.each(4, meta)))
        r.end()
        assert kind == REGISTRATION
        (_, lifetime, key, exists, length, algorithm, digest), = values
        assert (key, exists, length, algorithm) == (self.key(1), 1, 6, ring.SHA256) and 0 < lifetime <= 600
        assert digest == hashlib.sha256(vector(4, b"sealed")).digest(), "the digest includes the length [7.4.3.2]"
        find = lambda *kinds: self.node.ask(self.link, ring.FIND, vector(1, self.resource) +
                                            vector(1, b"".join(struct.pack("!I", k) for k in kinds)), to_resource(self.resource))[1].body
        r = ring.Reader(find(REGISTRATION, UNKNOWN))
        found = r.each(2, lambda s: (s.number(4), s.opaque(1)))
        r.end()
        assert found[0] == (REGISTRATION, self.resource), found
        assert found[1][0] == UNKNOWN and not any(found[1][1]), "a Kind that is not known: 0"
        expect(ring.INVALID_MESSAGE, lambda: find(REGISTRATION, REGISTRATION))

    def unchanged(self, code, action):
        """Refused with this error, and what is stored stays as it was; the error_info."""
        before = self.fetch(self.resource)
        info = expect(code, action)
        assert self.fetch(self.resource) == before, "changed"
        return info

    def test_23_another_key(self):
        """Another node's dictionary key; keys that are none."""
        for key in (self.key(1, self.id_of(0)), self.key(1).upper(), self.key(1)[:-1], self.key(1) + b"0", b"", self.identity.node.hex().encode()):
            self.unchanged(ring.FORBIDDEN, lambda k=key: self.store(self.resource, k, b"theft"))

    def test_24_forged_value(self):
        """A value whose signature does not hold; one that nobody signed."""
        flip = lambda stored: stored[:-1] + bytes([stored[-1] ^ 1])
        self.unchanged(ring.FORBIDDEN, lambda: self.store(self.resource, self.key(1), b"forged", forge=flip))
        entry = ring.dictionary_entry(self.key(1), b"unsigned")
        bare = vector(4, struct.pack("!QI", now_ms(), 600) + entry + bytes(2) + struct.pack("!BH", 3, 0) + vector(2, b""))
        self.unchanged(ring.FORBIDDEN, lambda: self.store(self.resource, self.key(1), b"", forge=lambda _: bare))

    def test_25_signed_for_elsewhere(self):
        """A value of ours that was signed for another place or another Kind."""
        for resource, kind in ((secrets.token_bytes(16), REGISTRATION), (self.resource, UNKNOWN)):
            entry = ring.dictionary_entry(self.key(1), b"moved")
            moved = ring.stored_data(self.identity, resource, kind, now_ms(), 600, entry)
            self.unchanged(ring.FORBIDDEN, lambda m=moved: self.store(self.resource, self.key(1), b"", forge=lambda _: m))

    def test_26_replay(self):
        """The same request again is answered alike and done once; the same value in another request is too old."""
        transaction, when = secrets.randbits(64), now_ms()
        first = self.store(self.resource, self.key(3), b"once", when=when, transaction=transaction)
        assert self.store(self.resource, self.key(3), b"once", when=when, transaction=transaction) == first, "the same answer"
        self.unchanged(ring.TOO_OLD, lambda: self.store(self.resource, self.key(3), b"once", when=when))
        self.unchanged(ring.TOO_OLD, lambda: self.store(self.resource, self.key(3), b"older", when=when - 1))
        second = self.store(self.resource, self.key(3), b"newer", when=max(now_ms(), when + 1))
        assert second[0][1] > first[0][1], "the generation counter grows"

    def test_27_generation(self):
        """The counter as it is, or 0; a lower one is refused with the one that holds [7.4.1.2]."""
        counter, _ = self.fetch(self.resource)
        assert self.store(self.resource, self.key(3), b"at it", generation=counter)[0][1] > counter
        info = self.unchanged(ring.GENERATION_TOO_LOW, lambda: self.store(self.resource, self.key(3), b"stale", generation=counter))
        (kind, held, replicas), = read_store_ans(info)
        assert (kind, held, replicas) == (REGISTRATION, self.fetch(self.resource)[0], [])

    def test_28_too_large(self):
        """max-size of the Kind."""
        self.store(self.resource, self.key(3), b"x" * VALUE_MAX)
        self.unchanged(ring.TOO_LARGE, lambda: self.store(self.resource, self.key(3), b"x" * (VALUE_MAX + 1)))

    def test_29_unknown_kind(self):
        """Which Kinds are not known is in error_info."""
        for action in (lambda: self.store(self.resource, self.key(1), b"?", kind=UNKNOWN),
                       lambda: self.node.ask(self.link, ring.FETCH, ring.fetch_req(self.resource, UNKNOWN), to_resource(self.resource))):
            info = self.unchanged(ring.UNKNOWN_KIND, action)
            assert info == vector(1, struct.pack("!I", UNKNOWN)), info

    def test_2a_atomic(self):
        """Two values, one of them bad: neither is stored; a Kind twice in one Store is refused."""
        value = lambda key, what: ring.stored_data(self.identity, self.resource, REGISTRATION, now_ms(), 600, ring.dictionary_entry(key, what))
        good, bad = value(self.key(4), b"good"), value(self.key(4, self.id_of(1)), b"bad")
        ask = lambda body: self.node.ask(self.link, ring.STORE, body, to_resource(self.resource))
        self.unchanged(ring.FORBIDDEN, lambda: ask(ring.store_req(self.resource, REGISTRATION, 0, [good, bad])))
        one = struct.pack("!IQ", REGISTRATION, 0) + vector(4, good)
        two = struct.pack("!IQ", REGISTRATION, 0) + vector(4, value(self.key(5), b"again"))
        self.unchanged(ring.INVALID_MESSAGE, lambda: ask(vector(1, self.resource) + b"\0" + vector(4, one + two)))

    def test_2b_not_responsible(self):
        """A Store sent to a node that does not own the place; a copy to a node that is to keep none."""
        ring_order = sorted(self.id_of(i) for i in range(len(self.servers)))
        at = ring_order.index(self.resource)
        wrong = ring_order[(at + 3) % len(ring_order)]  # neither the owner nor one of the next two
        self.unchanged(ring.NOT_FOUND, lambda: self.store(self.resource, self.key(6), b"lost", to=to_node(wrong)))
        self.unchanged(ring.FORBIDDEN, lambda: self.store(self.resource, self.key(6), b"copy", generation=99, replica=1, to=to_node(wrong)))
        self.unchanged(ring.INVALID_MESSAGE, lambda: self.store(self.resource, self.key(6), b"copy", replica=1, to=to_node(self.resource)))

    def test_2c_remove(self):
        """A value that exists no more, signed by us; it cannot be undone with the old one."""
        when = now_ms()
        self.store(self.resource, self.key(7), b"here", when=when)
        self.store(self.resource, self.key(7), b"", exists=False, when=max(now_ms(), when + 1))
        assert self.fetch(self.resource, keys=[self.key(7)])[1] == {self.key(7): (False, b"", self.identity.node)}
        self.unchanged(ring.TOO_OLD, lambda: self.store(self.resource, self.key(7), b"here", when=when))

    def test_2d_we_are_asked(self):
        """What the peer before us owns is copied to us."""
        before = self.node.neighbors[0][0]
        (_, generation, replicas), = self.store(before, self.key(8), b"copied")
        assert replicas[0] == self.identity.node, "we are its successor"
        assert self.node.pump(lambda: self.key(8) in self.node.stored.get(before, {}), ring.SECONDS), "no copy came to us"
        replica, counter, _ = self.node.stored[before][self.key(8)]
        assert (replica, counter) == (1, generation)

    def test_2e_app_attach(self):
        """The validation address of a server; an application that nobody has."""
        for i in range(len(self.servers)):
            _, answer = self.node.ask(self.link, ring.APP_ATTACH, ring.attach(b"active", [self.candidate()], application=APPLICATION),
                                      to_node(self.id_of(i)))
            number, role, candidates = ring.read_attach(answer.body, True)
            assert (number, role) == (APPLICATION, b"passive")
            assert candidates[0][:2] == self.address(i, "pvp"), candidates
        expect(ring.NOT_FOUND, lambda: self.node.ask(self.link, ring.APP_ATTACH, ring.attach(b"active", [self.candidate()], application=1234),
                                                     to_node(self.id_of(1))))

    def test_2f_generation_runs_out(self):
        """A copy with the greatest generation counter there is must not hide what others store afterwards."""
        place = self.resource
        try:
            self.store(place, self.key(9), b"pushed", generation=2**64 - 1, replica=1, to=to_node(self.resource))
        except ReloadError as error:
            assert error.code in (ring.FORBIDDEN, ring.INVALID_MESSAGE), error
        (_, generation, _), = self.store(place, self.key(10), b"after")
        assert generation >= 1
        counter, values = self.fetch(place)
        assert counter == generation and values[self.key(10)][1] == b"after"
        assert self.store(place, self.key(10), b"again", generation=generation)

    def test_30_leave(self):
        """Leave to all neighbors: the ring goes on without us, with what we had."""
        predecessors, successors = self.node.neighbors
        for link in list(self.node.links):
            kind, nodes = (1, successors) if link.node in predecessors else (2, predecessors)
            self.node.ask(link, ring.LEAVE, self.identity.node + vector(2, bytes([kind]) + vector(2, b"".join(nodes))), to_node(link.node))
        deadline = time.monotonic() + ring.SECONDS
        while any(self.route(i) == self.identity.node for i in range(len(self.servers))):
            assert time.monotonic() < deadline, "somebody still routes to us"
        for i in range(len(self.servers)):
            self.world.ctl(self.servers[i]["control"], "wait", "ring")


def read_store_ans(body):
    """[(kind, generation, [replica, ...])]"""
    r = ring.Reader(body)
    out = r.each(2, lambda s: (s.number(4), s.number(8), s.each(2, lambda n: n.take(16))))
    r.end()
    return out


def main():
    """TAP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", default=os.path.join(os.environ.get("IME_BUILD", "build/dev"), "ring_client"))
    parser.add_argument("--only", help="a part of the names of tests")
    args = parser.parse_args()
    world = World(args.directory, os.environ.get("IME_BUILD"), free_network(34))
    failed = 0
    try:
        world.up(2, 2)
        tests = Tests(world)
        names = sorted(name for name in dir(Tests) if name.startswith("test_") and (args.only or "") in name)
        print(f"1..{len(names)}")
        for number, name in enumerate(names, 1):
            try:
                getattr(tests, name)()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, WorldError, ReloadError, Bad, Silence, OSError, ValueError, TypeError, struct.error, subprocess.SubprocessError) as error:
                failed += 1
                print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}", flush=True)
        tests.node.close()
    except WorldError as error:
        print(f"1..1\nnot ok 1 - the world comes up\n# {error}")
        failed += 1
    finally:
        world.down()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
