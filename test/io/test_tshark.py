#!/usr/bin/env python3
"""What Wireshark makes of a ring of eight servers: a capture of ime-sim, read with tshark. The dissector was written by others from the
standard alone; so was none of our code.

    test_tshark.py IME_SIM
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

PATIENCE = 240
RUNS = {  # scenario → what its servers must have said; between them they bring every kind of message that servers send
    "calm": {"join_req", "join_ans", "update_req", "update_ans", "attach_req", "attach_ans", "route_query_req", "route_query_ans", "store_req",
             "store_ans", "fetch_req", "fetch_ans", "ping_req", "ping_ans"},
    "waves": {"leave_req", "leave_ans"},
    "proofs": {"app_attach_req", "app_attach_ans", "error"},
    "ban": {"config_update_req", "config_update_ans"},
}

# What version 4.0 of the dissector cannot know or gets wrong; everything else that it notes is taken seriously.
KNOWN_UNKNOWN = {
    "version (uint8): Unknown (0x0a)",  # 1.0, RFC 6940 6.3.2
    "type (MessageExtensionType): Unknown (61441)",  # of the private range, 14.14: coordinates
    "application (uint16): Unknown (61441)",  # of the private range, 14.5: PVP
}
KNOWN_NOTES = {
    "BER: Dissector for OID not implemented. Contact Wireshark developers if you want this supported",  # extensions of certificates
    # TCP, by itself:
    "This frame initiates the connection closing",
    "This frame undergoes the connection closing",
    "Connection reset (RST)",
    "The SYN packet does not contain a SACK PERM option",  # Wireshark 4.4
}
NOTE = 0x400000  # severities from here on: notes, warnings and errors; below are chats ("connection finish")
ERROR_RESPONSE = 0xFFFF
ACK = 129  # FramedMessageType, 6.6.2


class Capture:
    """A run, its own account of it, and the file."""

    def __init__(self, program, scenario, folder):
        self.file = os.path.join(folder, "ring.pcap")
        self.folder = folder
        self.expected = RUNS[scenario]
        options = ["--seed", "3", "--nodes", "8", "--scenario", scenario, "--lookups", "40", "--signatures", "real"]
        done = subprocess.run([program, *options, "--json", "--pcap", self.file], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"ime-sim ended with {done.returncode}: {done.stderr[-2000:]}"
        self.report = json.loads(done.stdout)

    def tshark(self, *arguments):
        """Lines of tshark's output. Its settings are the standard ones, whoever runs this test."""
        environment = {**os.environ, "HOME": self.folder, "XDG_CONFIG_HOME": self.folder, "LC_ALL": "C"}
        command = ["tshark", "-n", "-r", self.file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", env=environment) as running:
            yield from running.stdout
        assert running.returncode == 0, f"tshark ended with {running.returncode}"

    def fields(self, *names, only=None):
        """One tuple of lists of values per packet."""
        arguments = ["-T", "fields", "-E", "separator=/t", "-E", "aggregator=\x1f", "-E", "occurrence=a"]
        for name in names:
            arguments += ["-e", name]
        for line in self.tshark(*arguments, *(["-Y", only] if only else [])):
            yield tuple([v for v in value.split("\x1f") if v] for value in line.rstrip("\n").split("\t"))


class Checks:
    """Of one capture."""

    def __init__(self, capture):
        self.capture = capture

    def check_tcp(self):
        """the packets are good TCP: checksums, sequence, beginnings and ends"""
        bad = list(self.capture.fields("frame.number", "_ws.col.Info", only="tcp.checksum.status == 0 or ip.checksum.status == 0 or tcp.analysis.flags"))
        assert not bad, f"{len(bad)} bad packets: {bad[:3]}"
        packets = sum(1 for _ in self.capture.fields("frame.number", only="tcp.port == 6084"))
        assert packets > 1000, f"only {packets} packets"
        unread = list(self.capture.fields("frame.number", "_ws.col.Info", only="tcp.len > 0 and not reload-framing and not tcp.segment_data"))
        assert not unread, f"{len(unread)} packets with data that is no frame: {unread[:3]}"

    def check_malformed(self):
        """no packet is malformed"""
        bad = list(self.capture.fields("frame.number", "_ws.col.Info", only="_ws.malformed"))
        assert not bad, f"{len(bad)} malformed packets: {bad[:3]}"

    def check_notes(self):
        """there is no note that is not a known shortcoming of the dissector"""
        notes = collections.Counter()
        for _, severities, messages in self.capture.fields("frame.number", "_ws.expert.severity", "_ws.expert.message", only="_ws.expert"):
            assert len(severities) == len(messages), messages
            notes.update(m for s, m in zip(severities, messages) if int(s, 0) >= NOTE and m not in KNOWN_NOTES)
        assert not notes, notes.most_common(5)

    def check_counts(self):
        """it finds as many messages of each kind as ime-sim counted"""
        seen = collections.Counter()
        for codes, types in self.capture.fields("reload.message.code", "reload_framing.type", only="reload-framing"):
            seen.update(int(code, 0) for code in codes)
            seen.update("ack" for t in types if int(t, 0) == ACK)
        names = self.names()
        found = {names[code] if code != "ack" else "ack": count for code, count in seen.items()}
        sent = {kind: counts["messages"] for kind, counts in self.capture.report["messages"].items()
                if kind != "fragment"}  # tshark tells the kind of a message when it is whole again, as ime-sim does of its first fragment
        assert found == sent, f"tshark: {found}; ime-sim: {sent}"

    def names(self):
        """code → what tshark calls it"""
        names = {}
        for line in self.capture.tshark("-O", "reload", "-Y", "reload.message.code"):
            match = re.match(r"\s*message_code \(uint16\): (\d+) \((\w+)\)", line)
            if match:
                names[int(match.group(1))] = match.group(2)
            elif re.match(r"\s*message_code \(uint16\): Error", line):
                names[ERROR_RESPONSE] = "error"
        return names

    def check_names(self):
        """it names every kind of message that occurred, and every value in them"""
        kinds = set(self.capture.report["messages"]) - {"ack", "fragment"}
        assert self.capture.expected <= kinds, f"did not occur: {sorted(self.capture.expected - kinds)}"
        names = set(self.names().values())
        assert kinds <= names, f"not named: {sorted(kinds - names)}"
        unknown = collections.Counter(line.strip() for line in self.capture.tshark("-O", "reload") if re.search(r"unknown|unassigned|invalid", line, re.I))
        assert set(unknown) <= KNOWN_UNKNOWN, unknown.most_common(5)

    def run(self):
        """All of them, each told as (words, error or None)."""
        for check in (self.check_tcp, self.check_malformed, self.check_notes, self.check_counts, self.check_names):
            try:
                check()
                yield check.__doc__, None
            except AssertionError as error:
                yield check.__doc__, error


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("IME_BUILD", "build/dev"), "sim", "ime-sim")
    number = failures = 0
    for scenario in RUNS:
        with tempfile.TemporaryDirectory(prefix="test-tshark-") as folder:
            for words, error in Checks(Capture(program, scenario, folder)).run():
                number += 1
                failures += error is not None
                print(f"{'not ' if error else ''}ok {number} - {scenario}: {words}" + (f"\n# {error}" if error else ""), flush=True)
    print(f"1..{number}")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
