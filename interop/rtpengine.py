"""rtpengine as a process of a lab, which turns SRTP into RTP and back between an edge and an end of the test's own. It is told what to do by dictionaries
in bencoding over UDP."""
import os
import socket

from peers import listens, wait_for

NG = 2223
RTP_PORTS = 30000, 30199
SECONDS = 60
OCTETS = 65536
SUITES = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_32",
          "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32")


def encode(value):
    """As octets."""
    if isinstance(value, dict):
        return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    octets = value.encode()
    return b"%d:%s" % (len(octets), octets)


def decode(octets, at=0):
    """(value, where it ends)"""
    kind = octets[at:at + 1]
    if kind == b"i":
        end = octets.index(b"e", at)
        return int(octets[at + 1:end]), end + 1
    if kind in (b"d", b"l"):
        items, at = [], at + 1
        while octets[at:at + 1] != b"e":
            item, at = decode(octets, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), at + 1
    colon = octets.index(b":", at)
    end = colon + 1 + int(octets[at:colon])
    return octets[colon + 1:end].decode(), end


class Rtpengine:
    """One at an address of its own. A call at a time."""

    def __init__(self, lab, name, address):
        self.address = address
        lab.spawn(name, ["rtpengine", "--table=-1", f"--interface={address}", f"--listen-ng={address}:{NG}", "--foreground", "--log-stderr", "--log-level=6",
                         f"--port-min={RTP_PORTS[0]}", f"--port-max={RTP_PORTS[1]}", "--num-threads=2"])
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(SECONDS)
        wait_for(lambda: listens("udp", (address, NG)) or not lab.alive(name), lambda: lab.log_tail(name))
        self.call_id = ""

    def ask(self, command, **more):
        """One command: its answer."""
        cookie = os.urandom(4).hex()
        words = {key.replace("_", "-"): value for key, value in more.items()}
        self.socket.sendto(cookie.encode() + b" " + encode({"command": command, "call-id": self.call_id, **words}), (self.address, NG))
        octets = self.socket.recv(OCTETS)
        assert octets.startswith(cookie.encode() + b" "), octets
        answer, _ = decode(octets, octets.index(b" ") + 1)
        assert answer["result"] == "ok", answer
        return answer

    def offer(self, description, protocol, *suites):
        """A new call: what is to be offered to the other end. suites: those that SRTP may have; none: all that it
        knows."""
        self.call_id = os.urandom(8).hex()
        return self.ask("offer", from_tag="one", sdp=description, ICE="remove", transport_protocol=protocol, replace=["origin"],
                        SDES=[f"no-{suite}" for suite in SUITES if suites and suite not in suites])["sdp"]

    def answer(self, description):
        """The other end's answer: what the first one is told."""
        return self.ask("answer", from_tag="one", to_tag="two", sdp=description, ICE="remove", replace=["origin"])["sdp"]

    def delete(self):
        """The end of the call."""
        self.ask("delete", from_tag="one")
