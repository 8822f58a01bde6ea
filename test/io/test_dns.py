#!/usr/bin/env python3
"""The DNS client (io/dns.h), and the way from SIP URIs to addresses over it, against a DNS server of our own.

usage: test_dns.py DNS_END
"""
import socket
import struct
import subprocess
import sys
import threading

A, CNAME, SOA, AAAA, SRV, NAPTR = 1, 5, 6, 28, 33, 35
DNS_END = sys.argv[1]
failures = 0


def check(what, condition, detail=""):
    global failures
    print(f"{'ok' if condition else 'FAILED'}: {what} {'' if condition else detail}")
    failures += not condition


# ---- the server ----

def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def string(text):
    return bytes([len(text)]) + text.encode()


def data(kind, words):
    if kind == A:
        return socket.inet_pton(socket.AF_INET, words[0])
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, words[0])
    if kind == CNAME:
        return name(words[0])
    if kind == SRV:
        return struct.pack("!3H", *map(int, words[:3])) + name(words[3])
    order, preference, flags, service, replacement = words
    return struct.pack("!2H", int(order), int(preference)) + string(flags) + string(service) + string("") + name(replacement)


KINDS = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "SRV": SRV, "NAPTR": NAPTR}

ZONE = [line.split() for line in """
    four.test           100 A     192.0.2.1
    four.test            50 A     192.0.2.2
    six.test            100 AAAA  2001:db8::1
    alias.test           20 CNAME second.test
    second.test          90 CNAME four.test
    _sip._tcp.srv.test   60 SRV   10 20 5060 four.test
    _sip._tcp.srv.test   60 SRV   20 0 5061 six.test
    none.test            60 SRV   0 0 0 .
    naptr.test           70 NAPTR 10 20 s SIP+D2T _sip._tcp.srv.test
    naptr.test           70 NAPTR 30 20 S sip+d2u _sip._udp.srv.test
    naptr.test           70 NAPTR 40 20 u E2U+sip .
    _sip._udp.srv.test   60 SRV   10 20 5070 alias.test
    odd.test             60 SRV   0 0 1 spa/ce.test
    odd.test             60 SRV   0 0 2 good.test
""".splitlines() if line.strip()]
ZONE += [["many.test", "60", "A", f"192.0.2.{i}"] for i in range(1, 61)]


def answers_of(owner, kind):
    """Records in their order, aliases first."""
    found, ends = [], False
    while not ends:
        ends = True
        for record in ZONE:
            if record[0] == owner and KINDS[record[2]] == kind:
                found.append(record)
            elif record[0] == owner and record[2] == "CNAME":
                found.append(record)
                owner, ends = record[3], False
                break
    return found


class Server:
    def __init__(self, address="127.0.0.1"):
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        while True:  # the same port for both
            self.udp.bind((address, 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp.bind((address, self.port))
                break
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.listen()
        self.text = f"{address}:{self.port}"
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            for reply in self.replies(query, False):
                self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            with peer:
                length = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))[0]
                for reply in self.replies(peer.recv(length, socket.MSG_WAITALL), True):
                    peer.sendall(struct.pack("!H", len(reply)) + reply)
                peer.recv(1)  # the other side closes

    def replies(self, query, over_tcp):
        number = struct.unpack("!H", query[:2])[0]
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        owner, kind = ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        self.asked.append((owner, kind, over_tcp))
        records = answers_of(owner, kind)
        flags, authority = 0x8180, b""
        if owner == "silent.test":
            return []
        if owner == "broken.test":
            flags |= 2  # SERVFAIL
        if owner == "large.test" and not over_tcp:
            return [struct.pack("!6H", number, flags | 0x200, 1, 0, 0, 0) + question]  # truncated: come by TCP
        if owner == "large.test":
            records = [["large.test", "60", "A", "192.0.2.77"]]
        if owner == "circle.test":
            circle = b"\xc0" + bytes([12 + len(question)]) + struct.pack("!HHIH", A, 1, 60, 4) + bytes(4)
            return [struct.pack("!6H", number, flags, 1, 1, 0, 0) + question + circle]
        if owner == "soa.test" or owner.startswith("gone"):
            if owner.startswith("gone"):
                flags |= 3  # NXDOMAIN
            soa = name("ns.test") + name("root.test") + struct.pack("!5I", 1, 2, 3, 4, 17)
            authority = name("test") + struct.pack("!HHIH", SOA, 1, 1000, len(soa)) + soa
        answers = b""
        for record in records:
            rdata = data(KINDS[record[2]], record[3:])
            owner_name = b"\xc0\x0c" if record[0] == owner else name(record[0])
            answers += owner_name + struct.pack("!HHIH", KINDS[record[2]], 1, int(record[1]), len(rdata)) + rdata
        reply = struct.pack("!6H", number, flags, 1, len(records), 1 if authority else 0, 0) + question + answers + authority
        if owner == "spoofed.test":  # somebody guesses, and the server answers after him
            evil = struct.pack("!6H", number ^ 1, flags, 1, 1, 0, 0) + question + b"\xc0\x0c" + struct.pack(
                "!HHIH4s", A, 1, 60, 4, b"evil")
            return [evil, reply]
        return [reply]


def ask(server, *questions):
    result = subprocess.run([DNS_END, server, *questions], capture_output=True, text=True, timeout=60, check=False)
    lines = result.stdout.splitlines()
    if result.returncode or len(lines) != len(questions) + 1:
        check("dns_end runs", False, f"{result.returncode} {result.stdout} {result.stderr}")
        return [""] * len(questions), 0
    return lines[:-1], int(lines[-1])


def expect(server, table):
    answers, _ = ask(server, *table)
    for (question, expected), answer in zip(table.items(), answers):
        check(question, answer == expected, f"gave {answer!r} and not {expected!r}")


def main():
    server = Server()
    expect(server.text, {
        "a:four.test": "ok ttl=50 192.0.2.1 192.0.2.2",
        "a:FOUR.test": "ok ttl=50 192.0.2.1 192.0.2.2",
        "aaaa:six.test": "ok ttl=100 2001:db8::1",
        "a:alias.test": "ok ttl=20 192.0.2.1 192.0.2.2",
        "srv:_sip._tcp.srv.test": "ok ttl=60 10/20/5060/four.test 20/0/5061/six.test",
        "srv:none.test": "ok ttl=60 0/0/0/",
        "naptr:naptr.test": "ok ttl=70 10/20/s/SIP+D2T/_sip._tcp.srv.test 30/20/s/SIP+D2U/_sip._udp.srv.test 40/20/u/E2U+SIP/",
        "srv:odd.test": "ok ttl=60 0/0/2/good.test",
        "a:many.test": "ok ttl=60 " + " ".join(f"192.0.2.{i}" for i in range(1, 33)),
        "a:large.test": "ok ttl=60 192.0.2.77",
        "a:six.test": "ok ttl=30",
        "a:soa.test": "ok ttl=17",
        "a:gone.test": "not_found ttl=17",
        "a:circle.test": "syntax ttl=0",
        "a:spoofed.test": "ok ttl=30",
        "a:silent.test": "timeout ttl=0",
        "-a:four.test": "canceled",
        "-a:silent.test": "canceled",
        "a:not a name": "range",
        "a:a..b": "range",
        "a:localhost": "ok ttl=60 127.0.0.1",
    })
    check("a truncated answer was asked for by TCP", ("large.test", A, True) in server.asked)
    check("the hosts file needs no server", not [a for a in server.asked if a[0] == "localhost"])

    answers, took = ask(server.text, "a:broken.test")
    check("a server that fails is no answer", answers[0] in ("io ttl=0", "timeout ttl=0"), answers)
    answers, took = ask(server.text, "a:silent.test")
    check("a silent server costs as long as it may", answers == ["timeout ttl=0"] and took >= 500, f"{answers} {took}")

    # Where the addresses of a name begin is drawn: as sets.
    answers, _ = ask(server.text, "sip:naptr.test", "sip:srv.test;transport=tcp", "sip:four.test", "sip:gone2.test",
                     "sip:user@127.0.0.1:5099")
    hops = [answer.split(", ") for answer in answers]
    check("NAPTR, SRV, CNAME and A", sorted(hops[0][:2]) == ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"] and
          hops[0][2:-2] in ([], ["TCP [2001:db8::1]:5061"]) and
          sorted(hops[0][-2:]) == ["UDP 192.0.2.1:5070", "UDP 192.0.2.2:5070"], hops[0])
    check("SRV for a transport", sorted(hops[1][:2]) == ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"], hops[1])
    check("nothing but addresses", sorted(hops[2]) == ["UDP 192.0.2.1:5060", "UDP 192.0.2.2:5060"], hops[2])
    check("no such name", hops[3] == [""], hops[3])
    check("an address", hops[4] == ["UDP 127.0.0.1:5099"], hops[4])

    # One server is dead: nobody listens there, or nobody answers.
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    silent = f"127.0.0.1:{dead.getsockname()[1]}"
    answers, _ = ask(f"{silent},{server.text}", "a:four.test")
    check("the second server answers for a silent first", answers == ["ok ttl=50 192.0.2.1 192.0.2.2"], answers)
    dead.close()
    answers, _ = ask(f"{silent},{server.text}", "a:four.test")
    check("the second server answers for a dead first", answers == ["ok ttl=50 192.0.2.1 192.0.2.2"], answers)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
