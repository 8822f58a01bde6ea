"""Tickets made by other code than ours, from what src/ticket/README.md says: attributes of VAP's shape, sealed with HMAC-SHA256. And the place
where an agent keeps the ones that it was given."""
import base64
import contextlib
import hashlib
import hmac
import os
import sqlite3
import struct

ROUNDS = 600000
SEAL_OCTETS = 16
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
ROUTES = 80  # the table of learned routes (src/base/kv.h)
ROUTE_ORIGIN, ROUTE_TICKET, ROUTE_TICKET_TEXT = 0x9201, 0x9203, 0x9204  # in its rows (src/agent/route_row.c)


def attribute(kind, value):
    """Type, length, value, zeros up to a multiple of four."""
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def attributes(octets):
    """[(type, value)]"""
    found = []
    while octets:
        kind, length = struct.unpack("!HH", octets[:4])
        found.append((kind, octets[4:4 + length]))
        octets = octets[4 + (length + 3) // 4 * 4:]
    return found


def ntp(seconds):
    """A time since 1970 as 64 bits."""
    return struct.pack("!II", int(seconds) + NTP_EPOCH, 0)


class Granter:
    """A domain whose servers and border elements know a password."""

    def __init__(self, domain, password, epoch=1):
        self.domain, self.epoch = domain, epoch
        self.key = hashlib.pbkdf2_hmac("sha256", password.encode(), domain.encode() + bytes([epoch]), ROUNDS, 32)

    def grant(self, number, node, to, begins, ends):
        """The text of a ticket: who is `to` may call the number between two times."""
        octets = b"".join(attribute(kind, value) for kind, value in (
            (0x6001, b"\1"), (0x6002, bytes([self.epoch])), (0x6003, os.urandom(16)), (0x6004, ntp(begins)), (0x6005, ntp(ends)),
            (0x6006, number.encode()), (0x6007, node), (0x6008, self.domain.encode()), (0x6009, to.encode())))
        seal = hmac.new(self.key, octets, "sha256").digest()[:SEAL_OCTETS]
        return base64.b64encode(octets + attribute(0x600a, seal)).decode()


def forged(ticket):
    """The same with one bit of its seal changed."""
    octets = bytearray(base64.b64decode(ticket))
    octets[-1] ^= 1
    return base64.b64encode(octets).decode()


@contextlib.contextmanager
def routes(data):
    """The learned routes of an agent that does not run: a database, and {key: row}."""
    with contextlib.closing(sqlite3.connect(os.path.join(data, "agent.db"))) as database:
        yield database, dict(database.execute("SELECT key, value FROM kv WHERE tbl = ?", (ROUTES,)))
        database.commit()


def granting_node(data):
    """The Node-ID that has granted the only ticket of an agent that does not run."""
    with routes(data) as (_, rows):
        (row,) = rows.values()
        return dict(attributes(row))[ROUTE_ORIGIN][:16]


def put_ticket(data, ticket):
    """Gives the only route of an agent that does not run another ticket."""
    with routes(data) as (database, rows):
        ((key, row),) = rows.items()
        kept = [(kind, value) for kind, value in attributes(row) if kind not in (ROUTE_TICKET, ROUTE_TICKET_TEXT)]
        row = b"".join(attribute(kind, value) for kind, value in [*kept, (ROUTE_TICKET_TEXT, ticket.encode())])
        database.execute("UPDATE kv SET value = ? WHERE tbl = ? AND key = ?", (row, ROUTES, key))
