"""A RELOAD node written from RFC 6940 alone, for tests: what it sends and expects owes nothing to src/reload. Signatures and certificates are
openssl's work. Numbers in brackets are sections of the RFC."""
import hashlib
import http.client
import os
import secrets
import select
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TOKEN, VERSION, TTL = 0xD2454C4F, 0x0A, 100  # [6.3.2]
WHOLE = 0xC0000000  # the fragment field of a message in one piece
DATA, ACK = 128, 129  # [6.6.2]
NODE, RESOURCE = 1, 2  # [6.3.2.2]
SHA256, ECDSA, CERT_HASH, CERT_HASH_NODE_ID = 4, 3, 1, 2  # TLS registries; [6.3.4]
TLS_TCP_FH_NO_ICE, HOST = 4, 1  # [6.5.1.1]
WILDCARD = b"\xff" * 16
CRITICAL_FORWARD, CRITICAL_DESTINATION = 1, 2  # [6.3.2.3]

PROBE, ATTACH, STORE, FETCH, FIND, JOIN, LEAVE, UPDATE = 1, 3, 7, 9, 13, 15, 17, 19  # [14.8]; an answer is one more
ROUTE_QUERY, PING, STAT, APP_ATTACH, CONFIG_UPDATE, ERROR = 21, 23, 25, 29, 33, 0xFFFF

FORBIDDEN, NOT_FOUND, GENERATION_TOO_LOW, INCOMPATIBLE, UNSUPPORTED_OPTION = 2, 3, 5, 6, 7  # [14.9]
TOO_LARGE, TOO_OLD, TTL_EXCEEDED, MESSAGE_TOO_LARGE, UNKNOWN_KIND, UNKNOWN_EXTENSION = 8, 9, 10, 11, 12, 13
RESPONSE_TOO_LARGE, CONFIG_TOO_OLD, CONFIG_TOO_NEW, IN_PROGRESS, INVALID_MESSAGE = 14, 15, 16, 17, 20

SECONDS = 60
XML = "{urn:ietf:params:xml:ns:p2p:config-base}"


class ReloadError(Exception):
    """An error response [6.3.3.1]."""

    def __init__(self, code, info):
        super().__init__(f"error {code}: {info!r}")
        self.code = code
        self.info = info


class Silence(Exception):
    """No answer came in time."""


class Bad(Exception):
    """What was received breaks the RFC."""


def openssl(*arguments, data=None):
    """What openssl prints."""
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Bad(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def vector(width, octets):
    """opaque<0..2^(8*width)-1> [6.3.1]."""
    return len(octets).to_bytes(width, "big") + octets


class Reader:
    """Takes structures apart; whatever is left over or missing is an error."""

    def __init__(self, octets):
        self.octets = octets
        self.at = 0

    def take(self, n):
        """The next n octets."""
        if self.at + n > len(self.octets):
            raise Bad(f"{n} octets wanted at {self.at} of {len(self.octets)}")
        self.at += n
        return self.octets[self.at - n:self.at]

    def number(self, width):
        """An unsigned integer."""
        return int.from_bytes(self.take(width), "big")

    def opaque(self, width):
        """A vector's content."""
        return self.take(self.number(width))

    def sub(self, width):
        """A vector as a reader of its own."""
        return Reader(self.opaque(width))

    def more(self):
        """Whether something is left."""
        return self.at < len(self.octets)

    def end(self):
        """Nothing may be left."""
        if self.more():
            raise Bad(f"{len(self.octets) - self.at} octets left over at {self.at}")

    def each(self, width, read):
        """A vector of structures."""
        sub = self.sub(width)
        out = []
        while sub.more():
            out.append(read(sub))
        return out


def to_node(node):
    """A Destination of type node."""
    return struct.pack("!BB", NODE, len(node)) + node


def to_resource(resource):
    """A Destination of type resource: the ResourceId has a length of its own."""
    return struct.pack("!BB", RESOURCE, len(resource) + 1) + vector(1, resource)


def destinations(octets):
    """[(type, octets)] of a Destination List."""
    r, out = Reader(octets), []
    while r.more():
        kind = r.number(1)
        if kind & 0x80:
            out.append((3, bytes([kind]) + r.take(1)))
            continue
        data = Reader(r.opaque(1))
        out.append((kind, data.take(len(data.octets)) if kind == NODE else data.opaque(1)))
        data.end()
    return out


def header(overlay, sequence, body_octets, transaction, via=b"", to=b"", options=b"", **changes):
    """A ForwardingHeader [6.3.2]."""
    field = {"token": TOKEN, "version": VERSION, "ttl": TTL, "fragment": WHOLE, "max_response": 0,
             "length": 38 + len(via) + len(to) + len(options) + body_octets}
    field.update(changes)
    return struct.pack("!IIHBBIIQIHHH", field["token"], overlay, sequence, field["version"], field["ttl"], field["fragment"],
                       field["length"], transaction, field["max_response"], len(via), len(to), len(options)) + via + to + options


def contents(code, body, extensions=b""):
    """MessageContents [6.3.3]."""
    return struct.pack("!H", code) + vector(4, body) + vector(4, extensions)


class Message:
    """A decoded message [6.3]."""

    def __init__(self, octets):
        r = Reader(octets)
        (self.token, self.overlay, self.sequence, self.version, self.ttl, self.fragment, self.length, self.transaction,
         self.max_response, via, to, options) = struct.unpack("!IIHBBIIQIHHH", r.take(38))
        if self.token != TOKEN or self.version != VERSION or self.length != len(octets) or self.fragment != WHOLE:
            raise Bad(f"header {octets[:38].hex()}")
        self.via, self.to, self.options = r.take(via), r.take(to), r.take(options)
        start = r.at
        self.code = r.number(2)
        self.body = r.opaque(4)
        self.extensions = r.opaque(4)
        self.contents = octets[start:r.at]
        self.certificates = r.each(2, lambda s: (s.number(1), s.opaque(2)))
        self.signature = read_signature(r)
        r.end()


def read_signature(r):
    """(hash algorithm, signature algorithm, identity as octets, signature) [6.3.4]."""
    hash_algorithm, algorithm = r.number(1), r.number(1)
    start = r.at
    r.number(1)
    r.opaque(2)
    return hash_algorithm, algorithm, r.octets[start:r.at], r.opaque(2)


class Identity:
    """A key and the ring's certificate for it."""

    def __init__(self, world, server_id, directory, openssl_key=("EC", "ec_paramgen_curve:P-256")):
        """Enrolls with a fresh one-time token as [11.3] has it."""
        self.directory = directory
        self.key = os.path.join(directory, f"{server_id}.key")
        self.pem = os.path.join(directory, f"{server_id}.pem")
        token = world.ctl(os.path.join(world.directory, "enroll", "control"), "enroll", "token", "add", "--server-id", server_id)["token"]
        openssl("genpkey", "-algorithm", openssl_key[0], "-pkeyopt", openssl_key[1], "-out", self.key)
        csr = openssl("req", "-new", "-key", self.key, "-subj", "/", "-outform", "DER")
        boundary = secrets.token_hex(8)
        parts = {"username": (server_id.encode(), None), "password": (token.encode(), None), "nodeids": (b"1", None),
                 "csr": (csr, "application/pkcs10")}
        body = b"".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode() +
                        (f"Content-Type: {kind}\r\n".encode() if kind else b"") + b"\r\n" + value + b"\r\n"
                        for name, (value, kind) in parts.items()) + f"--{boundary}--\r\n".encode()
        status, kind, self.der = enroll_server(world, "POST", "/enroll", body, {
            "Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "application/pkix-cert"})
        if status != 200 or kind != "application/pkix-cert":
            raise Bad(f"enrollment: {status} {kind} {self.der[:60]!r}")
        with open(self.pem, "wb") as out:
            out.write(openssl("x509", "-inform", "DER", data=self.der))
        self.node = node_of(self.der, world.description["overlay"])
        self.signer = struct.pack("!BHBB", CERT_HASH, 34, SHA256, 32) + hashlib.sha256(self.der).digest()

    def sign(self, octets):
        """A Signature element over the octets and our SignerIdentity [6.3.4]."""
        value = openssl("dgst", "-sha256", "-sign", self.key, data=octets + self.signer)
        return struct.pack("!BB", SHA256, ECDSA) + self.signer + vector(2, value)


def enroll_server(world, method, path, body=None, headers=None):
    """(status, content type, body) of the enrollment server."""
    host, port = world.enroll_address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=world.description["ca"])
    connection = http.client.HTTPSConnection(host.strip("[]"), int(port), context=context, timeout=SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        connection.close()


def node_of(der, overlay):
    """The Node-ID in a certificate: reload://<hex of the destination list>@<overlay>/ [14.15]."""
    text = openssl("x509", "-inform", "DER", "-noout", "-ext", "subjectAltName", data=der).decode()
    found = [word.strip().split("URI:reload://", 1)[1] for word in text.replace("\n", ",").split(",") if "URI:reload://" in word]
    if len(found) != 1 or not found[0].endswith(f"@{overlay}/"):
        raise Bad(f"certificate of {text!r}")
    (kind, node), = destinations(bytes.fromhex(found[0].split("@")[0]))
    if kind != NODE or len(node) != 16:
        raise Bad(f"certificate of {text!r}")
    return node


class Verifier:
    """Certificates that chain to the ring's authority, and signatures by them."""

    def __init__(self, ca, overlay):
        self.ca = ca
        self.overlay = overlay
        self.known = {}  # hash of the certificate -> (Node-ID, public key)

    def learn(self, der):
        """Checks a certificate."""
        digest = hashlib.sha256(der).digest()
        if digest not in self.known:
            pem = openssl("x509", "-inform", "DER", data=der)
            with tempfile.NamedTemporaryFile() as f:
                f.write(pem)
                f.flush()
                openssl("verify", "-CAfile", self.ca, f.name)
            self.known[digest] = node_of(der, self.overlay), openssl("x509", "-pubkey", "-noout", data=pem)
        return digest

    def verify(self, octets, signature):
        """The Node-ID that signed these octets."""
        hash_algorithm, algorithm, identity, value = signature
        if (hash_algorithm, algorithm) != (SHA256, ECDSA) or identity[:5] != struct.pack("!BHBB", CERT_HASH, 34, SHA256, 32):
            raise Bad(f"signature {hash_algorithm} {algorithm} {identity.hex()}")
        node, public = self.known.get(identity[5:], (None, None))
        if not node:
            raise Bad("the signer's certificate is not there")
        with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as sign:
            key.write(public)
            sign.write(value)
            key.flush()
            sign.flush()
            openssl("dgst", "-sha256", "-verify", key.name, "-signature", sign.name, data=octets + identity)
        return node


def dictionary_entry(key, value, exists=True):
    """StoredDataValue of the dictionary model [7.2.3]."""
    return vector(2, key) + bytes([exists]) + vector(4, value)


def value_octets(resource, kind, storage_time, value):
    """What a value's signature covers before the SignerIdentity [7.1]. resource_id is taken as a ResourceId, with its length: where a
    structure goes in without one, as the NodeId in 6.3.4, the RFC says so."""
    return vector(1, resource) + struct.pack("!IQ", kind, storage_time) + value


def stored_data(identity, resource, kind, storage_time, lifetime, value):
    """A signed StoredData [7]."""
    signature = identity.sign(value_octets(resource, kind, storage_time, value))
    body = struct.pack("!QI", storage_time, lifetime) + value + signature
    return vector(4, body)


def store_req(resource, kind, generation, values, replica=0):
    """A StoreReq of one Kind [7.4.1.1]."""
    return vector(1, resource) + bytes([replica]) + vector(4, struct.pack("!IQ", kind, generation) + vector(4, b"".join(values)))


def read_stored(r):
    """(storage time, lifetime, key, exists, value, StoredDataValue, signature)"""
    s = r.sub(4)
    when, lifetime = s.number(8), s.number(4)
    start = s.at
    key, exists, value = s.opaque(2), s.number(1), s.opaque(4)
    octets = s.octets[start:s.at]
    signature = read_signature(s)
    s.end()
    return when, lifetime, key, exists, value, octets, signature


def fetch_req(resource, kind, generation=0, keys=()):
    """A FetchReq or StatReq of one dictionary Kind [7.4.2.1]: without keys, all of them."""
    model = vector(2, b"".join(vector(2, k) for k in keys))
    return vector(1, resource) + vector(2, struct.pack("!IQ", kind, generation) + vector(2, model))


def candidate(host, port):
    """An IceCandidate without ICE [6.5.1.1]."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.inet_pton(family, host) + struct.pack("!H", port)
    kind = 2 if family == socket.AF_INET6 else 1
    return bytes([kind]) + vector(1, address) + bytes([TLS_TCP_FH_NO_ICE]) + vector(1, b"1") + struct.pack("!IB", 1, HOST) + vector(2, b"")


def attach(role, candidates, send_update=False, application=None):
    """AttachReqAns, or AppAttach with an application."""
    return (vector(1, b"") + vector(1, b"") + (b"" if application is None else struct.pack("!H", application)) + vector(1, role)
            + vector(2, b"".join(candidates)) + (bytes([send_update]) if application is None else b""))


def read_attach(body, application=False):
    """(application, role, [(host, port, link type)])"""
    r = Reader(body)
    r.opaque(1)
    r.opaque(1)
    number = r.number(2) if application else None
    role = r.opaque(1)

    def one(s):
        kind = s.number(1)
        address = s.opaque(1)
        host = socket.inet_ntop(socket.AF_INET6 if kind == 2 else socket.AF_INET, address[:-2])
        link = s.number(1)
        s.opaque(1)
        s.number(4)
        if s.number(1) != HOST:
            raise Bad("no host candidate")
        s.opaque(2)
        return host, int.from_bytes(address[-2:], "big"), link

    candidates = r.each(2, one)
    if not application and r.number(1) > 1:
        raise Bad("send_update")
    r.end()
    return number, role, candidates


def read_config_update(body):
    """The document in a ConfigUpdate of type config [6.5.4.1]."""
    r = Reader(body)
    if r.number(1) != 1:
        raise Bad("ConfigUpdate of another type")
    rest = r.sub(4)
    document = rest.opaque(3)
    rest.end()
    r.end()
    return document


class Link:
    """A TLS connection with framing [6.6.2]. Frames are read by Node.pump."""

    def __init__(self, tls, verifier):
        self.tls = tls
        der = tls.getpeercert(True)
        verifier.learn(der)
        self.node = node_of(der, verifier.overlay)
        self.input = b""
        self.sequence = 0
        self.received = []  # the last sequence numbers
        self.acks = {}
        self.closed = False

    def send(self, octets):
        """One message in a frame; its sequence number."""
        sequence = self.sequence
        self.sequence += 1
        self.send_raw(struct.pack("!BI", DATA, sequence) + vector(3, octets))
        return sequence

    def send_raw(self, octets):
        """Octets as they are."""
        self.tls.settimeout(SECONDS)
        try:
            self.tls.sendall(octets)
        except (OSError, ssl.SSLError):
            self.closed = True

    def close(self):
        """Ends the connection."""
        self.closed = True
        self.tls.close()

    def read(self):
        """What is there without waiting."""
        self.tls.settimeout(0)
        try:
            while True:
                octets = self.tls.recv(16384)
                if not octets:
                    self.closed = True
                    return
                self.input += octets
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except (OSError, ssl.SSLError):
            self.closed = True

    def messages(self):
        """Whole messages out of the input; acknowledges them."""
        out = []
        while self.input:
            if self.input[0] == ACK:
                if len(self.input) < 9:
                    break
                sequence, received = struct.unpack("!II", self.input[1:9])
                self.acks[sequence] = received
                self.input = self.input[9:]
                continue
            if self.input[0] != DATA:
                raise Bad(f"frame type {self.input[0]}")
            if len(self.input) < 8:
                break
            sequence, length = int.from_bytes(self.input[1:5], "big"), int.from_bytes(self.input[5:8], "big")
            if len(self.input) < 8 + length:
                break
            if sequence != (self.received[-1] + 1 if self.received else 0):
                raise Bad(f"frame {sequence} after {self.received[-1:]}")
            mask = sum(1 << (sequence - m) for m in self.received if sequence - 32 < m < sequence)
            self.received = self.received[-31:] + [sequence]
            out.append(self.input[8:8 + length])
            self.input = self.input[8 + length:]
            self.send_raw(struct.pack("!BII", ACK, sequence, mask & 0xFFFFFFFF))
        return out


class Node:
    """A node with links to peers: it asks, and it answers what a peer must. Everything happens in pump, within the caller's thread."""

    def __init__(self, world, identity, listen=None):
        self.world = world
        self.identity = identity
        name = world.description["overlay"]
        self.overlay = int.from_bytes(hashlib.sha1(name.encode()).digest()[-4:], "big")
        self.verifier = Verifier(world.description["ca"], name)
        self.links = []
        self.answers = {}  # transaction -> Message, verified
        self.requests = []  # (link, Message) as they came
        self.neighbors = []  # what our Updates say: (predecessors, successors)
        self.stored = {}  # resource -> values that were stored here
        self.listener = None
        self.door = identity  # whom those who connect to us meet
        self.started = time.monotonic()
        self.document = enroll_server(world, "GET", "/.well-known/reload-config")[2]
        configuration = ElementTree.fromstring(self.document).find(f"{XML}configuration")
        self.sequence = int(configuration.get("sequence"))
        self.message_max = int(configuration.findtext(f"{XML}max-message-size", "5000"))  # [11.1]
        if listen:
            self.listener = socket.create_server((listen, 0), family=socket.AF_INET6 if ":" in listen else socket.AF_INET)

    def context(self, server=False, identity=None):
        """TLS with our certificate; the other side's is checked against the ring's authority, whom it names by ourselves [6.6.5]."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.world.description["ca"])
        identity = identity or self.identity
        context.load_cert_chain(identity.pem, identity.key)
        return context

    def connect(self, address):
        """A link to a peer's ring port."""
        host, port = address.rsplit(":", 1)
        raw = socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)
        link = Link(self.context().wrap_socket(raw), self.verifier)
        self.links.append(link)
        return link

    def accept(self):
        """One connection to our listener. None: the other side refused our certificate."""
        self.listener.settimeout(SECONDS)
        raw, _ = self.listener.accept()
        raw.settimeout(SECONDS)
        try:
            link = Link(self.context(True, self.door).wrap_socket(raw, server_side=True), self.verifier)
        except (ssl.SSLError, ConnectionError):
            return None
        self.links.append(link)
        return link

    def close(self):
        """Ends everything."""
        for link in self.links:
            link.close()
        if self.listener:
            self.listener.close()

    # -- messages --------------------------------------------------------------------------------------------------------

    def encode(self, code, body, to, transaction, via=b"", extensions=b"", forge=None, certificates=(), **fields):
        """A signed message. forge changes the signature."""
        inner = contents(code, body, extensions)
        overlay = fields.pop("overlay", self.overlay)
        sequence = fields.pop("sequence", self.sequence)
        options = fields.pop("options", b"")
        signature = self.identity.sign(struct.pack("!IQ", overlay, transaction) + inner)
        if forge:
            signature = forge(signature)
        bucket = b"".join(bytes([0]) + vector(2, der) for der in (self.identity.der, *certificates))
        rest = inner + vector(2, bucket) + signature
        return header(overlay, sequence, len(rest), transaction, via, to, options, **fields) + rest

    def verified(self, message):
        """The Node-ID that signed a message."""
        for kind, der in message.certificates:
            if kind != 0:
                raise Bad("certificate type")
            self.verifier.learn(der)
        return self.verifier.verify(struct.pack("!IQ", message.overlay, message.transaction) + message.contents, message.signature)

    def ask(self, link, code, body, to, transaction=None, seconds=SECONDS, **how):
        """Sends a request and gives (signer, message) of the verified answer; ReloadError for an error."""
        transaction = transaction or secrets.randbits(64)
        self.answers.pop(transaction, None)
        link.send(self.encode(code, body, to, transaction, **how))
        self.pump(lambda: transaction in self.answers or link.closed, seconds)
        if transaction not in self.answers:
            raise Silence(f"no answer to method {code}" + (": the link was closed" if link.closed else ""))
        signer, answer = self.answers.pop(transaction)
        if answer.code == ERROR:
            r = Reader(answer.body)
            error = ReloadError(r.number(2), r.opaque(2))
            r.end()
            raise error
        if answer.code != code + 1:
            raise Bad(f"answer {answer.code} to request {code}")
        return signer, answer

    def pump(self, until, seconds):
        """Reads, acknowledges and serves until something holds. False: the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            for link in [l for l in self.links if l.closed]:
                self.links.remove(link)
            if until():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ready = [l for l in self.links if l.tls.pending()]
            sockets = [l.tls for l in self.links] + ([self.listener] if self.listener else [])
            readable = [] if ready else select.select(sockets, [], [], min(left, 0.5))[0]
            if self.listener in readable:
                self.accept()
            for link in ready or [l for l in self.links if l.tls in readable]:
                link.read()
                for octets in link.messages():
                    self.take(link, Message(octets))

    def take(self, link, message):
        """An answer to us, or a request."""
        if message.overlay != self.overlay or message.ttl > TTL:
            raise Bad("overlay or ttl")
        signer = self.verified(message)
        first = destinations(message.to)[0]
        if first[0] == NODE and first[1] not in (self.identity.node, WILDCARD):
            return  # for somebody behind us: nobody is
        if message.code == ERROR or message.code % 2 == 0:
            self.answers[message.transaction] = signer, message
            return
        self.requests.append((link, signer, message))
        if message.code != CONFIG_UPDATE and message.sequence != self.sequence:  # [6.3.2.1]
            error = CONFIG_TOO_NEW if message.sequence > self.sequence else CONFIG_TOO_OLD
            self.answer(link, message, ERROR, struct.pack("!H", error) + vector(2, b""))
            return
        body = self.serve(link, signer, message)
        if body is not None:
            self.answer(link, message, message.code + 1, body)

    def answer(self, link, request, code, body):
        """Back where it came from: the link's node, then the Via List backwards [6.1.2, 6.2.2]."""
        to = to_node(link.node) + b"".join(to_node(d) for _, d in reversed(destinations(request.via)))
        link.send(self.encode(code, body, to, request.transaction))

    # -- being a peer ----------------------------------------------------------------------------------------------------

    def serve(self, link, signer, message):
        """The answer's body, or None."""
        del link
        if message.code == PING:
            return struct.pack("!QQ", secrets.randbits(64), int(time.time() * 1000))
        if message.code in (UPDATE, LEAVE):
            return b""
        if message.code == CONFIG_UPDATE:
            return self.serve_config(message)
        if message.code == STORE:
            return self.serve_store(message)
        if message.code == ATTACH:
            _, role, candidates = read_attach(message.body)
            if role != b"passive" or not candidates:
                raise Bad(f"Attach of {signer.hex()} with role {role}")
            host, port = self.listener.getsockname()[:2]
            return attach(b"active", [candidate(host, port)])
        return None

    def serve_config(self, message):
        """Goes on with the document that it is given [6.5.4]."""
        document = read_config_update(message.body)
        self.sequence = int(ElementTree.fromstring(document).find(f"{XML}configuration").get("sequence"))
        return b""

    def serve_store(self, message):
        """Keeps what it is given: replicas, and what a newcomer is handed."""
        r = Reader(message.body)
        resource = r.opaque(1)
        replica = r.number(1)
        kinds = []

        def one(s):
            kind, generation = s.number(4), s.number(8)
            values = s.each(4, read_stored)
            for when, _, key, _, _, octets, signature in values:
                self.verifier.verify(value_octets(resource, kind, when, octets), signature)
                self.stored.setdefault(resource, {})[key] = (replica, generation, when)
            kinds.append(struct.pack("!IQ", kind, generation) + vector(2, b""))

        r.each(4, one)
        r.end()
        return vector(2, b"".join(kinds))

    def update(self, link):
        """Tells a peer about our neighbors [10.7]."""
        predecessors, successors = self.neighbors
        body = struct.pack("!IB", int(time.monotonic() - self.started), 2) + vector(2, b"".join(predecessors)) + vector(2, b"".join(successors))
        return self.ask(link, UPDATE, body, to_node(link.node))

    def join(self, peers):
        """Becomes a peer among {Node-ID: address}: links to all others, Join to the admitting one, Updates [10.5]. Returns the link to the admitting peer."""
        self.pump(lambda: not any(l.closed for l in self.links), SECONDS)
        for node, address in peers.items():
            if not any(l.node == node for l in self.links):
                self.connect(address)
        ring = sorted(l.node for l in self.links)
        after = [n for n in ring if n > self.identity.node] + [n for n in ring if n < self.identity.node]
        self.neighbors = after[::-1][:3], after[:3]
        admitting = next(l for l in self.links if l.node == after[0])
        behind = (int.from_bytes(self.identity.node, "big") + 1) % (1 << 128)
        signer, _ = self.ask(admitting, PING, vector(2, b""), to_resource(behind.to_bytes(16, "big")))
        if signer != admitting.node:
            raise Bad("another peer is responsible for the place behind us")
        self.ask(admitting, JOIN, self.identity.node + vector(2, b""), to_node(admitting.node))
        labeled = lambda: any(s == admitting.node and m.code == UPDATE and names_predecessor(m, self.identity.node)
                              for _, s, m in self.requests)
        if not self.pump(labeled, SECONDS):
            raise Silence("no Update of the admitting peer names us its predecessor")
        for link in self.links:
            self.update(link)
        return admitting


def names_predecessor(message, node):
    """Whether an Update's first predecessor is this node."""
    r = Reader(message.body)
    r.number(4)
    kind = r.number(1)
    if kind not in (2, 3):
        return False
    return r.opaque(2)[:16] == node
