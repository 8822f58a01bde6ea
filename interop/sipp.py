"""Scenarios for sipp, made of steps: what a caller or a callee sends and expects, in order. And sipp itself, as one process for one call.

A scenario is a list of steps; each is XML for sipp. `caller` and `callee` below know the two ends of a dialog: what they write into requests
and responses. sipp fills in what stands in brackets.
"""
import os
import re
import subprocess
from xml.sax.saxutils import quoteattr

from peers import listens, wait_for

SECONDS = 90  # the longest that a call may take
AUDIO = ["m=audio 40000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20"]
VIDEO = ["m=video 40002 RTP/AVP 97", "b=AS:512", "a=rtpmap:97 H264/90000", "a=fmtp:97 profile-level-id=42801f;packetization-mode=1"]


def sdp(*media, version=1, direction="sendrecv"):
    """A session description, by its media."""
    lines = ["v=0", f"o=lab 53655765 {version} IN IP4 [local_ip]", "s=-", "c=IN IP4 [local_ip]", "t=0 0", *media, f"a={direction}"]
    return "\n".join(lines)


def check(header, regexp):
    """The message must have this; header "" is its body."""
    where = f'search_in="hdr" header={quoteattr(header + ":")}' if header else 'search_in="body"'
    return f'<ereg regexp={quoteattr(regexp)} {where} check_it="true" assign_to="checked"/>'


def keep(header, variable):
    """Keeps a header's value for later messages."""
    return f'<ereg regexp=".*" search_in="hdr" header={quoteattr(header + ":")} check_it="true" assign_to="{variable}"/>'


def expect(what, *actions, optional=False):
    """A request by its method, or a response by its status. What is optional may also not come."""
    kind = f'response="{what}"' if isinstance(what, int) else f'request="{what}"'
    return f'<recv {kind} rrs="true"{" optional=" + quoteattr("true") if optional else ""}><action>{"".join(actions)}</action></recv>'


def pause(milliseconds):
    """Is silent for so long."""
    return f'<pause milliseconds="{milliseconds}"/>'


def kind_of(body):
    """The Content-Type of what is sent here."""
    for start, kind in (("v=0", "application/sdp"), ("Signal=", "application/dtmf-relay"), ("SIP/2.0", "message/sipfrag;version=2.0"),
                        ("<?xml", "application/pidf+xml")):
        if body.startswith(start):
            return kind
    return "text/plain"


def message(first, fields, body="", again=True):
    """Sends a message; over UDP it is sent again until it is answered."""
    lines = [first, *fields]
    if body:
        lines.append("Content-Type: " + kind_of(body))
    lines += ["Content-Length: [len]", "", body]
    return f'<send{" retrans=" + quoteattr("500") if again else ""}><![CDATA[\n\n' + "\n".join(lines) + "\n\n]]></send>"


class Caller:
    """The end that says INVITE first."""
    CONTACT = "Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>"

    def __init__(self, calling, called, transport):
        self.calling, self.called, self.transport = calling, called, transport
        self.more = ["Supported: replaces, 100rel", "P-Early-Media: supported"]  # what the INVITE has beside the usual
        self.seen = []  # what the callee checks in it

    def first(self, method, *fields, body=""):
        """A request outside of any dialog."""
        return message(f"{method} sip:{self.called}@[remote_ip]:[remote_port] SIP/2.0",
                       [*self.fields(method, 1, tag=""), "X-Lab: kept as it is", *fields], body)

    def invite(self, body=sdp(*AUDIO)):
        """Begins a call."""
        return self.first("INVITE", *self.more, body=body)

    def fields(self, method, cseq, tag="[peer_tag_param]"):
        """The headers that every request has."""
        return ["Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
                f'From: "Alice" <sip:{self.calling}@[local_ip]>;tag=caller[call_number]',
                f"To: <sip:{self.called}@[remote_ip]>{tag}", "Call-ID: [call_id]", f"CSeq: {cseq} {method}", self.CONTACT,
                "Max-Forwards: 70"]

    def request(self, method, cseq, body="", fields=()):
        """Within the dialog."""
        return message(f"{method} [next_url] SIP/2.0", ["[routes]", *self.fields(method, cseq), *fields], body, again=method != "ACK")

    def cancel(self):
        """Of the first INVITE."""
        return message(f"CANCEL sip:{self.called}@[remote_ip]:[remote_port] SIP/2.0",
                       ["[last_Via:]", *self.fields("CANCEL", 1, tag="")[1:]])

    def give_up(self):
        """ACK of a final response that ends the call."""
        return message(f"ACK sip:{self.called}@[remote_ip]:[remote_port] SIP/2.0", ["[last_Via:]", *self.fields("ACK", 1)[1:]], again=False)

    def answered(self, *actions, ack=True):
        """From ringing to the conversation."""
        return [expect(100, optional=True), expect(180), expect(200, check("", "m=audio 40000 RTP/AVP 8 0 101"), *actions)] + \
            ([self.request("ACK", 1)] if ack else [])

    def reinvite(self, cseq, body, *actions, fields=()):
        """An INVITE within the dialog, with its answer."""
        return [self.request("INVITE", cseq, body, fields), expect(100, optional=True), expect(200, *actions), self.request("ACK", cseq)]

    def hang_up(self, cseq=2):
        """Ends the call."""
        return [self.request("BYE", cseq), expect(200)]

    @staticmethod
    def hears(method, *actions, body=""):
        """A request from the other end; it is answered."""
        return [expect(method, *actions), response(200, body=body)]


def response(status, reason="OK", tag=False, body="", fields=(), again=False):
    """To the request that came last; tag: it is the first in its dialog."""
    return message(f"SIP/2.0 {status} {reason}",
                   ["[last_Via:]", "[last_Record-Route:]", "[last_From:]", "[last_To:]" + (";tag=callee[call_number]" if tag else ""),
                    "[last_Call-ID:]", "[last_CSeq:]", "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", *fields],
                   body, again=again)


class Callee:
    """The end that takes the call."""

    @staticmethod
    def takes(*actions):
        """Takes an INVITE of anybody."""
        return [expect("INVITE", keep("From", "theirs"), keep("To", "ours"), keep("Via", "via"), keep("CSeq", "cseq"), *actions)]

    @classmethod
    def called(cls, *actions):
        """Takes an INVITE of Caller, and checks that nothing got lost on the way."""
        return cls.takes(check("X-Lab", "kept as it is"), check("From", "Alice"), check("", "a=fmtp:101 0-16"), *actions)

    @classmethod
    def challenges(cls, status, reason, header, user, password):
        """Takes the INVITE only with the right password, otherwise it answers 403."""
        challenge = f'{header}: Digest realm="carrier.lab",nonce="8a4ba1c4e9b2a0d1",qop="auth",opaque="5ccc069c",algorithm=MD5'
        verify = f'<verifyauth assign_to="good" username={quoteattr(user)} password={quoteattr(password)}/>'
        return [expect("INVITE"), response(status, reason, tag=True, fields=[challenge], again=True), expect("ACK"),
                *cls.called(verify), '<nop next="1" test="good"/>', response(403, "Forbidden", tag=True, again=True), expect("ACK"),
                '<label id="1"/>']

    @staticmethod
    def rings():
        """Says so."""
        return [response(180, "Ringing", tag=True)]

    @staticmethod
    def answers(*fields):
        """Picks up."""
        return [response(200, tag=True, body=sdp(*AUDIO), fields=fields, again=True), expect("ACK")]

    @staticmethod
    def late(status, reason, body="", again=True):
        """An answer to the INVITE after something else has come."""
        return message(f"SIP/2.0 {status} {reason}",
                       ["Via:[$via]", "From:[$theirs]", "To:[$ours];tag=callee[call_number]", "[last_Call-ID:]", "CSeq:[$cseq]",
                        "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>"], body, again)

    @staticmethod
    def request(method, cseq, body="", fields=()):
        """Within the dialog."""
        return message(f"{method} [next_url] SIP/2.0",
                       ["Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]", "[routes]", "From:[$ours];tag=callee[call_number]",
                        "To:[$theirs]", "Call-ID: [call_id]", f"CSeq: {cseq} {method}",
                        "Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>", "Max-Forwards: 70", *fields], body)

    @staticmethod
    def reinvited(body, *actions, fields=()):
        """Takes an INVITE within the dialog."""
        return [expect("INVITE", *actions), response(200, body=body, fields=fields, again=True), expect("ACK")]

    @staticmethod
    def hears(method, *actions, status=200, body="", fields=(), tag=False):
        """A request from the other end; it is answered. tag: it is the first of its dialog, or has none."""
        return [expect(method, *actions), response(status, body=body, fields=fields, tag=tag)]


class Sipp:
    """One process, which plays one scenario at an address."""

    def __init__(self, home, role, steps, transport, address, remote=None, seconds=SECONDS, calls=1, rate=1):
        """remote: where it calls; None: it is called. seconds: how long it may take. calls: how often it is played, rate times per second."""
        self.log = os.path.join(home, role)
        self.role, self.address, self.transport = role, address, transport
        names = sorted(set(re.findall(r'assign_to="(\w+)"', "".join(steps))))
        with open(self.log + ".xml", "w") as out:
            out.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{role}">\n' + "\n".join(steps) +
                      (f'\n<Reference variables="{",".join(names)}"/>' if names else "") + "\n</scenario>\n")
        host, port = address
        argv = ["sipp", "-sf", self.log + ".xml", "-i", host, "-p", str(port), "-t", "t1" if transport == "tcp" else "u1", "-m", str(calls),
                "-r", str(rate), "-nostdin", "-timeout", str(seconds), "-timeout_error", "-recv_timeout", str(seconds * 1000),
                "-trace_err", "-error_file", self.log + ".err", "-trace_msg", "-message_file", self.log + ".msg"]
        if remote:
            argv.append(f"{remote[0]}:{remote[1]}")
        self.seconds = seconds
        with open(self.log + ".out", "w") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if not remote:
            wait_for(lambda: listens(transport, address) or self.process.poll() is not None, f"{role} does not listen")

    def join(self):
        """Waits for its end; what went wrong, or None."""
        try:
            status = self.process.wait(self.seconds + 10)
        except subprocess.TimeoutExpired:
            self.end()
            status = None
        if status == 0:
            return None
        errors = ""
        for path in (self.log + ".err", self.log + ".out"):
            if not errors and os.path.exists(path):
                with open(path, errors="replace") as f:
                    errors = f.read()[-1500:]
        return f"{self.role} ended with {status}: {errors.strip()}\n(its messages: {self.log}.msg)"

    def end(self):
        """Ends it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def play(home, transport, caller, caller_address, callee, callee_address, agent_address, **more):
    """One call through an agent at agent_address, which both ends know: the problems of the two ends. more: as of Sipp."""
    os.makedirs(home, exist_ok=True)
    ends = []
    try:
        ends.append(Sipp(home, "callee", callee, transport, callee_address, **more))
        ends.append(Sipp(home, "caller", caller, transport, caller_address, agent_address, **more))
        caller_problem = ends[1].join()
        if caller_problem:
            ends[0].end()
        return [p for p in (caller_problem, ends[0].join() if not caller_problem else None) if p]
    finally:
        for end in ends:
            end.end()
