#!/usr/bin/env python3
"""The DNS client (io/dns.h), and the way from SIP URIs to addresses over it, against a DNS server of our own.

usage: test_dns.py DNS_END
"""
import socket
import struct
import subprocess
import sys
import tempfile

import dns_server
from dns_server import A, NO_SUCH_NAME, RESPONSE, SERVER_FAILED, SOA, TRUNCATED, name

DNS_END = sys.argv[1]
failures = 0


def check(what, condition, detail=""):
    global failures
    print(f"{'ok' if condition else 'FAILED'}: {what} {'' if condition else detail}")
    failures += not condition


ZONE = """
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
"""
MANY = [f"192.0.2.{i}" for i in range(1, 61)]


class Server(dns_server.Server):
    """With names that stand for what can go wrong."""

    def replies(self, question):
        records = self.records(question)
        if question.name == "silent.test":
            return []
        if question.name == "broken.test":
            return [question.reply(RESPONSE | SERVER_FAILED)]
        if question.name == "large.test" and not question.over_tcp:
            return [question.reply(RESPONSE | TRUNCATED)]  # come by TCP
        if question.name == "circle.test":
            header = struct.pack("!6H", question.number, RESPONSE, 1, 1, 0, 0)
            circle = b"\xc0" + bytes([12 + len(question.octets)]) + struct.pack("!HHIH", A, 1, 60, 4) + bytes(4)
            return [header + question.octets + circle]
        if question.name == "spoofed.test":  # somebody guesses, and the server answers after him
            evil = question.reply(records=[["spoofed.test", "60", "A", "192.0.2.66"]], number=question.number ^ 1)
            return [evil, question.reply(records=records)]
        if question.name == "soa.test" or question.name.startswith("gone"):
            soa = name("ns.test") + name("root.test") + struct.pack("!5I", 1, 2, 3, 4, 17)
            authority = name("test") + struct.pack("!HHIH", SOA, 1, 1000, len(soa)) + soa
            missing = NO_SUCH_NAME if question.name.startswith("gone") else 0
            return [question.reply(RESPONSE | missing, authority=authority)]
        return [question.reply(records=records)]


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
    server = Server(ZONE)
    server.zone += [["many.test", "60", "A", address] for address in MANY] + [["large.test", "60", "A", "192.0.2.77"]]
    expect(server.text, {
        "a:four.test": "ok ttl=50 192.0.2.1 192.0.2.2",
        "a:FOUR.test": "ok ttl=50 192.0.2.1 192.0.2.2",
        "aaaa:six.test": "ok ttl=100 2001:db8::1",
        "a:alias.test": "ok ttl=20 192.0.2.1 192.0.2.2",
        "srv:_sip._tcp.srv.test": "ok ttl=60 10/20/5060/four.test 20/0/5061/six.test",
        "srv:none.test": "ok ttl=60 0/0/0/",
        "naptr:naptr.test": "ok ttl=70 10/20/s/SIP+D2T/_sip._tcp.srv.test 30/20/s/SIP+D2U/_sip._udp.srv.test 40/20/u/E2U+SIP/",
        "srv:odd.test": "ok ttl=60 0/0/2/good.test",
        "a:many.test": "ok ttl=60 " + " ".join(MANY[:32]),
        "a:large.test": "ok ttl=60 192.0.2.77",
        "a:six.test": "ok ttl=30",
        "a:soa.test": "ok ttl=17",
        "a:gone.test": "not_found ttl=17",
        "a:spoofed.test": "ok ttl=30",
        "a:silent.test": "timeout ttl=0",
        "-a:four.test": "canceled",
        "-a:silent.test": "canceled",
        "a:not a name": "range",
        "a:a..b": "range",
        "a:localhost": "ok ttl=60 127.0.0.1",
    })
    expect(server.text, {"a:circle.test": "syntax ttl=0"})  # alone: for some versions of c-ares it is what the whole socket is good for
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
    follows_resolv_conf(server)
    return 1 if failures else 0


def follows_resolv_conf(first):
    """The system's servers change while we run: new questions go to the new ones, and so do those that the old ones have not answered."""
    dns_server.Server("four.test 60 A 192.0.2.8\nsilent.test 60 A 192.0.2.9", "127.0.0.2", first.port)
    with tempfile.NamedTemporaryFile("w", prefix="resolv-") as f:
        f.write("# the first one\nnameserver 127.0.0.1\n")
        f.flush()
        answers, _ = ask(f"@{f.name}:{first.port}", "a:four.test", "=127.0.0.2", "a:four.test", "a:silent.test", "=127.0.0.1",
                         "a:four.test", "-a:silent.test", "a:silent.test", "a:FOUR.test", "~127.0.0.2", "a:four.test")
        with open(f.name, "w", encoding="utf-8") as again:
            again.write("nameserver 127.0.0.1\n")
        first.asked.clear()
        late, _ = ask(f"@{f.name}:{first.port}", "a:silent.test", "~127.0.0.2")
    check("the file is read again", answers[0] == "ok ttl=50 192.0.2.1 192.0.2.2" and
          answers[2:4] == ["ok ttl=60 192.0.2.8", "ok ttl=60 192.0.2.9"], answers)
    check("what the old server has not answered is asked of the new one", answers[5:] == [
        "ok ttl=60 192.0.2.8", "canceled", "ok ttl=60 192.0.2.9", "ok ttl=60 192.0.2.8", "", "ok ttl=60 192.0.2.8"], answers)
    check("and noticed while nothing else is asked", late[0] == "ok ttl=60 192.0.2.9" and ("silent.test", A, False) in first.asked, late)


if __name__ == "__main__":
    sys.exit(main())
