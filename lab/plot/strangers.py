"""Those who may not come in: a spammer who has no ticket, and a company with somebody else's. They speak SIP over TLS with B's edge themselves, as nobody's edge
would help them.
"""
import base64
import os
import re
import secrets
import socket
import ssl
import time

from edges import OUTSIDE
from offices import new_key

from .telling import STEP_SECONDS, Failure, Step

TICKET = "X-Cisco-ViPR-Ticket"
REPLY_OCTETS_MAX = 65536


class Stranger:
    """Somebody with a certificate, or without one, at an address of the Internet."""

    def __init__(self, host, domain, files, authority):
        self.host, self.domain = host, domain
        self.context = ssl.create_default_context(cafile=authority)
        if files:
            self.context.load_cert_chain(*files)

    def description(self):
        """A voice under SRTP: nothing of it is to be a reason to refuse."""
        key = base64.b64encode(secrets.token_bytes(30)).decode()
        return (f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\nm=audio 20000 RTP/SAVP 8\r\n"
                f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\na=rtpmap:8 PCMA/8000\r\n")

    def invite(self, calling, called, domain, ticket):
        """A request as an edge sends it."""
        body, mark = self.description(), secrets.token_hex(12)
        more = f"{TICKET}: {ticket}\r\n" if ticket else ""
        return (f"INVITE sip:{called}@{domain};user=phone SIP/2.0\r\nVia: SIP/2.0/TLS {self.host};branch=z9hG4bK{mark}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{calling}@{self.domain}>;tag={mark[:8]}\r\nTo: <sip:{called}@{domain}>\r\nCall-ID: {mark}\r\nCSeq: 1 INVITE\r\n"
                f"Contact: <sip:{self.host}:{OUTSIDE};transport=tls>\r\n{more}Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    def call(self, edge, domain, calling, called, ticket):
        """(status, reason or alert, seconds): the final answer of the edge; status 0: it did not even let us speak."""
        began = time.monotonic()
        try:
            with socket.create_connection((edge, OUTSIDE), STEP_SECONDS, (self.host, 0)) as plain, \
                    self.context.wrap_socket(plain, server_hostname=domain) as sock:
                sock.sendall(self.invite(calling, called, domain, ticket))
                status, reason = self.final(sock)
        except ssl.SSLError as error:
            status, reason = 0, error.reason or str(error)
        except ConnectionError as error:
            status, reason = 0, str(error)
        return status, reason, time.monotonic() - began

    @staticmethod
    def final(sock):
        """The final answer."""
        got = b""
        while len(got) < REPLY_OCTETS_MAX:
            octets = sock.recv(4096)
            if not octets:
                return 0, "the connection was closed"
            got += octets
            for status, reason in re.findall(rb"(?m)^SIP/2\.0 (\d{3}) ([^\r\n]*)\r\n(?=[\s\S]*\r\n\r\n)", got):
                if int(status) >= 200:
                    return int(status), reason.decode()
        raise Failure("the edge answers without end")


def refused(story, stranger, number, ticket, counter, text):
    """One attempt that must fail, for that reason, without a ring. What to say of it."""
    b, tell = story.b, story.tell
    before, rang = story.counters(b), len(b.rang(number))
    status, reason, seconds = stranger.call(b.edge.known, b.domain, "+4930999999", number, ticket)
    grown, rings = story.grown(b, before), len(b.rang(number)) - rang
    tell.check(status == 403 and grown.get(counter) == 1 and "edge.tickets_good" not in grown and not rings,
               f"{text}: {status} {reason} after {1000 * seconds:.0f} ms, no phone rings; {counter} counts it")
    return f"{status} after {1000 * seconds:.0f} ms, {rings} rings"


def spam(story):
    """Without a ticket; and without a certificate."""
    offices, tell = story.offices, story.tell
    host = f"{story.world.network}.9.9"
    key, certificate = (os.path.join(offices.directory, f"spam.example.{kind}") for kind in ("key", "pem"))
    new_key(["-subj", "/CN=spam.example", "-addext", "subjectAltName=DNS:spam.example", "-addext", "basicConstraints=critical,CA:false",
             "-CA", offices.ca, "-CAkey", os.path.join(offices.directory, "ca.key")], key, certificate)
    number = story.numbers[0]
    nobody = Stranger(host, "spam.example", None, offices.ca)
    rang = len(story.b.rang(number))
    status, alert, seconds = nobody.call(story.b.edge.known, story.b.domain, "+4930999999", number, None)
    tell.check(status == 0 and len(story.b.rang(number)) == rang,
               f"somebody without a certificate does not get to say a word: {alert.lower().replace('_', ' ')}, after {1000 * seconds:.0f} ms")
    spammer = Stranger(host, "spam.example", (certificate, key), offices.ca)
    tell.figure("a spammer without a ticket",
                refused(story, spammer, number, None, "edge.ticket_missing", "a spammer with a good certificate for spam.example, but no ticket"))


def steal(story):
    """A's ticket in the hands of company C, which has a certificate for c.example."""
    a, b, c, tell = story.a, story.b, story.c, story.tell
    number = story.numbers[0]
    server = a.server()
    route = next(r for r in story.world.ctl(server["control"], "show", "routes")["routes"] if r["number"] == number)
    verdict = story.world.ctl(b.server()["control"], "ticket", "verify", route["ticket"], "--number", number, "--domain", a.domain)
    tell.check(verdict["good"], f"A's ticket for {number} is good, in A's hands")
    thief = Stranger(c.edge.real, c.domain, (c.certificate, c.key), story.offices.ca)
    came_of_it = refused(story, thief, number, route["ticket"], "edge.ticket_domain", f"company C calls with A's ticket and its own certificate for {c.domain}")
    thief.domain = a.domain
    refused(story, thief, number, route["ticket"], "edge.ticket_domain", f"and as somebody of {a.domain}, which is not what its certificate says")
    tell.figure("a stolen ticket", came_of_it)


STEPS = (
    Step("spammer", "a spammer without a ticket is turned away", ("phones",), spam),
    Step("stolen", "a stolen ticket is turned away", ("phones",), steal),
)
