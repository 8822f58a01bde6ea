#!/usr/bin/env python3
"""The program ime-wire: input, output, options and exit status. Prints TAP. usage: test_ime_wire.py PROGRAM CORPUS-FOLDER"""
import json
import os
import subprocess
import sys

PROGRAM, CORPUS = sys.argv[1:3]

# A Ping with a 2-octet padding to the resource "abc", written down by hand from RFC 6940 6.3.
PING = ("d2454c4f 00000001 0016 0a 64 c0000000 00000050 1122334455667788 00000fa0 0000 0006 0000"
        "0204 03616263"
        "0017 00000004 00027061 00000000"
        "0000 0403 01 0006 04 04 68617368 0007 7369676e696e67")


def run(arguments, text):
    return subprocess.run([PROGRAM] + arguments, input=text, capture_output=True, text=True, timeout=60)


def corpus(name):
    """The samples as hexadecimal; "text" is a ticket in base64, for the fuzzer only."""
    folder = os.path.join(CORPUS, name)
    return [open(os.path.join(folder, f), "rb").read().hex() for f in sorted(os.listdir(folder)) if f != "text"]


def decodes_in_the_words_of_the_standard():
    done = run(["reload"], PING + "\n")
    assert done.returncode == 0 and done.stderr == "", done
    for line in ["  transaction_id: 0x1122334455667788", "    - type: resource (2)", "  message_code: ping_req (23)",
                 "    padding: 7061", "      hash: sha256 (4)", "      identity_type: cert_hash (1)"]:
        assert line in done.stdout.split("\n"), (line, done.stdout)


def json_is_one_object_per_line():
    done = run(["reload", "--json"], f"# a comment\n\n{PING}\n   \n{PING} # and another\n")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [o["line"] for o in objects] == [3, 5], done
    header, contents = objects[0]["ForwardingHeader"], objects[0]["MessageContents"]
    assert header["configuration_sequence"] == 22 and header["ttl"] == 100
    assert header["destination_list"] == [{"type": 2, "type_name": "resource", "resource_id": "616263"}]
    assert (contents["message_code"], contents["message_code_name"]) == (23, "ping_req")
    assert contents["message_body"] == {"padding": "7061"}
    assert objects[0]["SecurityBlock"]["signature"]["signature_value"] == "7369676e696e67"


def certificates_are_explained():
    with open(os.path.join(CORPUS, "reload", "store_req_with_certificate"), "rb") as f:
        done = run(["reload", "--json"], f.read().hex())
    security = json.loads(done.stdout)["SecurityBlock"]
    (certificate,) = security["certificates"]
    assert certificate["type_name"] == "X.509" and certificate["user"] == "server1@a.example"
    assert certificate["node_ids"] == [{"node_id": "5a" * 16, "overlay": "ring.example"}]
    assert certificate["not_before_text"] == "2023-11-14T22:13:20Z"
    assert certificate["sha256"] == security["signature"]["identity"]["certificate_hash"]


def samples_round_trip():
    for name in ("reload", "framed", "ticket"):
        lines = corpus(name)
        assert lines
        done = run([name, "--roundtrip"], "\n".join(lines) + "\n")
        assert done.returncode == 0 and done.stdout.split() == lines, done.stderr
        done = run([name, "--roundtrip", "--json"], "\n".join(lines))
        assert [json.loads(line)["hex"] for line in done.stdout.splitlines()] == lines


def samples_print_both_ways():
    for name in ("reload", "framed", "ticket"):
        lines = corpus(name)
        done = run([name], "\n".join(lines))
        assert done.returncode == 0 and done.stdout.count("line: ") == len(lines)
        done = run(["--json", name], "\n".join(lines))
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == len(lines)


def errors_name_line_octet_and_rule():
    bad = PING.replace("0a 64", "0b 64")
    text = f"{PING}\n\n{bad}\n{PING[:-2]}\nzz\nd\n"
    done = run(["reload"], text)
    assert done.returncode == 1
    assert done.stdout.count("ForwardingHeader") == 1
    assert done.stderr.splitlines() == [
        "line 3, octet 10: version, RFC 6940 6.3.2",
        "line 4, octet 16: length differs from the octets received, RFC 6940 6.3.2",
        "line 5, octet 0: not a hexadecimal digit",
        "line 6, octet 0: half an octet at the end of the line",
    ], done.stderr
    done = run(["reload", "--json"], text)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and done.stderr == ""
    assert [(o["line"], o.get("error"), o.get("octet")) for o in objects] == [
        (1, None, None), (3, "unsupported", 10), (4, "truncated", 16), (5, "syntax", 0), (6, "syntax", 0)]
    assert objects[1]["rule"] == "version, RFC 6940 6.3.2"


def frames_before_an_error_are_shown():
    ping = PING.replace(" ", "")
    good = f"80 00000007 {len(ping) // 2:06x} {ping}"
    done = run(["framed", "--json"], f"{good} 81 00000007 00000001 82\n")
    (shown,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [f["type_name"] for f in shown["frames"]] == ["data", "ack"]
    assert (shown["error"], shown["octet"]) == ("syntax", 8 + len(ping) // 2 + 9)
    done = run(["framed"], f"81 00000007 00000001 {good[:-2]}\n")
    assert done.returncode == 1 and "ack_sequence: 7" in done.stdout
    assert done.stderr == f"line 1, octet {9 + 8 + len(ping) // 2 - 1}: end inside a FramedMessage, RFC 6940 6.6.2\n"
    inside = good.replace("d2454c4f", "d2454c4e")
    done = run(["framed"], inside)
    assert done.stderr == "line 1, octet 8: relo_token, RFC 6940 6.3.2\n", done.stderr


def kinds_can_be_named():
    fetch = ("d2454c4f 00000001 0016 0a 64 c0000000 0000005a 1122334455667788 00000fa0 0000 0000 0000"
             "0009 00000017 00 0014 f0000777 0000000000000001 0006 0004 00026b31 00000000"
             "0000 0000 03 0000 0000")
    octets = bytes.fromhex(fetch)
    fetch = fetch.replace("0000005a", f"{len(octets):08x}")
    unknown = json.loads(run(["reload", "--json"], fetch).stdout)
    known = json.loads(run(["reload", "--json", "--kind=0xf0000777:dictionary"], fetch).stdout)
    assert unknown["MessageContents"]["message_body"]["specifiers"][0]["model_specifier"] == "000400026b31"
    assert known["MessageContents"]["message_body"]["specifiers"][0]["keys"] == ["k1"]


def run_sip(arguments, octets):
    return subprocess.run([PROGRAM, "sip"] + arguments, input=octets, capture_output=True, timeout=60)


OPTIONS = (b"OPTIONS sip:+4930123@b.example;user=phone SIP/2.0\r\nv: SIP/2.0/UDP a.example:5070;branch=z9,\r\n"
           b" SIP/2.0/TLS c.example\r\nFrom: \"A\" <sip:a@a.example>;tag=1\r\nTo: <tel:+1-23>\r\nCall-ID: c\r\n"
           b"CSeq: 1 OPTIONS\r\nSupported: 100rel, timer\r\nX-Odd: \xff\r\nContent-Length: 2\r\n\r\nab, and more")


def sip_messages_come_as_they_are():
    done = run_sip(["--json"], OPTIONS)
    shown = json.loads(done.stdout)
    assert done.returncode == 0 and not done.stderr, done
    assert shown["method"] == "OPTIONS" and shown["uri"]["number"] == "+4930123" and "line" not in shown
    via, source, to, _, _, supported, odd, _ = shown["fields"]
    assert via["header"] == "Via" and [v["host"] for v in via["values"]] == ["a.example", "c.example"]
    assert via["values"][0]["port"] == 5070 and via["values"][0]["params"] == [{"name": "branch", "value": "z9"}]
    assert source["values"][0]["display"] == '"A"' and to["values"][0]["uri"]["user"] == "+1-23"
    assert supported["values"] == ["100rel", "timer"] and odd["value_hex"] == "ff"
    assert (shown["body_octets"], shown["body"]) == (2, "6162")
    done = run_sip([], OPTIONS)
    assert done.returncode == 0 and b'\nmethod: "OPTIONS"\n' in done.stdout
    done = run_sip(["--roundtrip"], OPTIONS)
    assert bytes.fromhex(done.stdout.decode()) == OPTIONS[:-len(", and more")]


def sip_refusals_name_octet_rule_and_answer():
    bad = OPTIONS.replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 BYE")
    done = run_sip([], b"\r\n" + bad)
    at = bad.index(b"BYE") + 2
    assert done.returncode == 1, done
    assert done.stderr.decode() == f"octet {at}: method in CSeq is another, RFC 3261 8.1.1.5\n", done
    assert b"answer: Bad Request (400)" in done.stdout
    shown = json.loads(run_sip(["--json"], b"\r\n" + bad).stdout)
    assert (shown["error"], shown["octet"], shown["answer"]) == ("syntax", at, 400)
    bad = OPTIONS.replace(b"X-Odd: \xff", b"Contact: sip:a?b=c")
    shown = json.loads(run_sip(["--json"], bad).stdout)
    assert (shown["octet"], shown["rule"]) == (bad.index(b"?"), "URI with headers outside of brackets, RFC 3261 20.10")
    done = run_sip([], b"")
    assert done.returncode == 1 and done.stderr == b"octet 0: start line, RFC 3261 7\n"


def usage_is_status_2():
    for arguments in ([], ["nonsense"], ["reload", "--nonsense"], ["reload", "--kind=1:tree"], ["reload", "framed"]):
        done = run(arguments, "")
        assert done.returncode == 2 and done.stderr and not done.stdout, arguments
    done = run(["--help"], "")
    assert done.returncode == 0 and "--roundtrip" in done.stdout
    assert run(["reload"], "").returncode == 0


CASES = [decodes_in_the_words_of_the_standard, json_is_one_object_per_line, certificates_are_explained,
         samples_round_trip, samples_print_both_ways,
         errors_name_line_octet_and_rule, frames_before_an_error_are_shown, kinds_can_be_named,
         sip_messages_come_as_they_are, sip_refusals_name_octet_rule_and_answer, usage_is_status_2]
print(f"1..{len(CASES)}")
bad_cases = 0
for number, case in enumerate(CASES, 1):
    try:
        case()
        print(f"ok {number} - {case.__name__}")
    except (AssertionError, ValueError, KeyError) as problem:
        bad_cases += 1
        print(f"not ok {number} - {case.__name__}\n# {type(problem).__name__}: {problem}")
sys.exit(bad_cases > 0)
