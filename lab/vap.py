"""A VAP client written from the draft alone, for labs and tests: what it sends and expects owes nothing to src/vap."""
import hashlib
import hmac
import os
import socket
import ssl
import struct

MAGIC = 0x41666679
REGISTER, UNREGISTER, PUBLISH, UNPUBLISH, REVOKE, SUBSCRIBE, UNSUBSCRIBE, NOTIFY, UPLOAD = 1, 2, 4, 5, 6, 7, 8, 10, 11
REQUEST, SUCCESS, ERROR = 0, 2, 3
USERNAME, INTEGRITY, ERROR_CODE, REALM = 0x0006, 0x0008, 0x0009, 0x0014
CLIENT_NAME, HANDLE, VERSION, LABEL, KEEPALIVE, SERVICE = 0x1001, 0x1002, 0x1003, 0x1005, 0x1006, 0x1007
SERVICE_VERSION, CONTENT, SUBSCRIPTION = 0x100B, 0x100C, 0x100E
DIRECTION, START, STOP, CALLING, CALLED, QUOTA, LIFETIME = 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x200A, 0x200B
NTP_1970 = 2208988800


class VapError(Exception):
    """An error response."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code = code


class Closed(Exception):
    """The connection ended before the answer: nothing was acknowledged."""


def message_type(method, kind):
    """Twelve bits of method with the class bits in between (section 4)."""
    return (method & 0xF80) << 2 | (method & 0x70) << 1 | (method & 0xF) | (kind & 2) << 7 | (kind & 1) << 4


def attribute(kind, value):
    """Type, length, value, padding."""
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def service(sub, vservice, instance=1):
    """ServiceIdentity."""
    return attribute(SERVICE, struct.pack("!HHQQ", 101, sub, vservice, instance))


def ntp(seconds):
    """Unix time as NTP."""
    whole = int(seconds)
    return struct.pack("!Q", whole + NTP_1970 << 32 | int((seconds - whole) * (1 << 32)))


def description(domain, routes, count=20, dht="Quetzalcoatl"):
    """A service description (section 10.1)."""
    uris = "".join(f"<route><SIPURI>{r}</SIPURI></route>" for r in routes)
    return ('<?xml version="1.0"?><service-description xmlns="http://www.cisco.com/namespaces/saf-uc"><vservice>'
            f"<DHTname>{dht}</DHTname><DIDCount>{count}</DIDCount><domain>{domain}</domain>{uris}</vservice></service-description>").encode()


class Vap:
    """One connection."""

    def __init__(self, address, user, password, ca=None, timeout=60):
        host, port = address.rsplit(":", 1)
        self.user = user
        self.key = hashlib.md5(f"{user}:ViPR:{password}".encode()).digest()
        host = host.strip("[]")
        raw = socket.create_connection((host, int(port)), timeout=timeout)
        if ca:
            context = ssl.create_default_context(cafile=ca)
            raw = context.wrap_socket(raw, server_hostname=host)
        self.socket = raw
        self.pending = b""
        self.answers = {}
        self.notifies = []
        self.revoked = False
        self.handle = None

    def close(self):
        """Ends the connection."""
        self.socket.close()

    def encode(self, method, kind, transaction, body):
        """A whole message with its integrity."""
        body = attribute(USERNAME, self.user.encode()) + attribute(REALM, b'"ViPR"') + body
        head = struct.pack("!HHI", message_type(method, kind), len(body) + 24, MAGIC) + transaction
        text = head + body
        mac = hmac.new(self.key, text + b"\0" * (-len(text) % 64), hashlib.sha1).digest()
        return text + attribute(INTEGRITY, mac)

    def send(self, method, body):
        """Sends a request; its transaction id."""
        transaction = os.urandom(12)
        try:
            self.socket.sendall(self.encode(method, REQUEST, transaction, body))
        except OSError as error:
            raise Closed(str(error)) from error
        return transaction

    def read(self):
        """One message: type, transaction id, attributes."""
        while len(self.pending) < 20 or len(self.pending) < 20 + struct.unpack_from("!H", self.pending, 2)[0]:
            try:
                more = self.socket.recv(65536)
            except OSError as error:
                raise Closed(str(error)) from error
            if not more:
                raise Closed("end of stream")
            self.pending += more
        kind, length, magic = struct.unpack_from("!HHI", self.pending)
        assert magic == MAGIC
        transaction, body = self.pending[8:20], self.pending[20:20 + length]
        whole = self.pending[:20 + length]
        self.pending = self.pending[20 + length:]
        attributes = []
        at = 0
        while at < len(body):
            attr, size = struct.unpack_from("!HH", body, at)
            if attr == INTEGRITY:
                text = whole[:20 + at]
                mac = hmac.new(self.key, text + b"\0" * (-len(text) % 64), hashlib.sha1).digest()
                assert mac == body[at + 4:at + 24], "integrity of the answer"
            attributes.append((attr, body[at + 4:at + 4 + size]))
            at += 4 + size + (-size % 4)
        return kind, transaction, attributes

    def reply(self, method, transaction):
        """Success, to a request of the server."""
        try:
            self.socket.sendall(self.encode(method, SUCCESS, transaction, b""))
        except OSError as error:
            raise Closed(str(error)) from error

    def has_input(self):
        """Whether something came that is not read yet and of which the socket itself shows nothing."""
        return bool(self.pending) or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0)

    def step(self):
        """Reads one message and keeps it; answers a Notify and a PublishRevoke."""
        kind, transaction, attributes = self.read()
        if kind == message_type(NOTIFY, REQUEST):
            values = dict(attributes)
            self.notifies.append(values[CONTENT].decode())
            self.reply(NOTIFY, transaction)
        elif kind == message_type(REVOKE, REQUEST):
            self.revoked = True
            self.reply(REVOKE, transaction)
        else:
            self.answers[transaction] = (kind, attributes)

    def wait(self, transaction):
        """The answer's attributes; raises VapError for an error response, Closed if there will be none."""
        while transaction not in self.answers:
            self.step()
        kind, attributes = self.answers.pop(transaction)
        values = dict(attributes)
        if kind & 0x0110 == 0x0110:
            code = values[ERROR_CODE]
            raise VapError((code[2] & 7) * 100 + code[3], code[4:].decode(errors="replace"))
        return values

    def call(self, method, body):
        """Request and answer."""
        return self.wait(self.send(method, body))

    def register(self, name="test", label="test"):
        """Section 8.2."""
        values = self.call(REGISTER, attribute(CLIENT_NAME, name.encode()) + attribute(LABEL, label.encode()) +
                           attribute(VERSION, struct.pack("!HH", 1, 0)))
        self.handle = values[HANDLE]
        return values

    def send_refresh(self):
        """Registers again before the keepalive runs out; the transaction id."""
        return self.send(REGISTER, attribute(HANDLE, self.handle) + attribute(LABEL, b"test"))

    def publish_vservice(self, vservice, domain, routes, version=1, **options):
        """Section 8.4.1."""
        return self.call(PUBLISH, service(4, vservice) + attribute(SERVICE_VERSION, struct.pack("!I", version)) +
                         attribute(CONTENT, description(domain, routes, **options)))

    def send_number(self, vservice, number):
        """Section 8.4.2; the transaction id."""
        return self.send(PUBLISH, service(3, vservice) + attribute(CALLED, number.encode()))

    def publish_number(self, vservice, number):
        """The same, and its answer."""
        return self.wait(self.send_number(vservice, number))

    def subscribe(self, vservice):
        """Section 8.7."""
        return self.call(SUBSCRIBE, service(3, vservice, (1 << 64) - 1))

    def vcr(self, vservice, sent, calling, called, start, stop):
        """Sends an UploadVCR; its transaction id."""
        return self.send(UPLOAD, service(3, vservice) + attribute(DIRECTION, struct.pack("!I", int(sent))) + attribute(START, ntp(start)) +
                         attribute(STOP, ntp(stop)) + attribute(CALLING, calling.encode()) + attribute(CALLED, called.encode()))
