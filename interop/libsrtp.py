"""libsrtp2 by way of Debian's python3-pylibsrtp, in a process of its own: that module is of /usr/bin/python3 only, which need not be the python3 of the
test. Run as a program it reads commands line by line and answers each with a line: `key SUITE OUT IN`, then `protect`, `unprotect`, `protect_rtcp`
and `unprotect_rtcp`, each with a packet as hexadecimal digits."""
import base64
import os
import subprocess
import sys

PYTHON = "/usr/bin/python3"
PROFILES = {"AES_CM_128_HMAC_SHA1_80": "SRTP_PROFILE_AES128_CM_SHA1_80", "AES_CM_128_HMAC_SHA1_32": "SRTP_PROFILE_AES128_CM_SHA1_32",
            "AEAD_AES_128_GCM": "SRTP_PROFILE_AEAD_AES_128_GCM", "AEAD_AES_256_GCM": "SRTP_PROFILE_AEAD_AES_256_GCM"}
MASTER_OCTETS = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}


def new_key(suite):
    """A master key and salt as a=crypto has it."""
    return base64.b64encode(os.urandom(MASTER_OCTETS[suite])).decode()


class Refused(ValueError):
    """libsrtp2's own words."""


class Libsrtp:
    """Both directions of one stream."""

    def __init__(self):
        self.child = subprocess.Popen([PYTHON, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """One command: the answer."""
        self.child.stdin.write(" ".join(words) + "\n")
        self.child.stdin.flush()
        verdict, _, text = self.child.stdout.readline().strip().partition(" ")
        if verdict != "ok":
            raise Refused(text or "it has ended")
        return text

    def keys(self, suite, out, into):
        """What it protects with, and what it unprotects with; as a=crypto has them."""
        self.ask("key", suite, out, into)

    def __getattr__(self, name):
        """protect() and so on."""
        def process(packet):
            assert packet, f"nothing has come to {name}"
            return bytes.fromhex(self.ask(name, packet.hex()))
        return process

    def end(self):
        """Of the process."""
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()


def main():
    """Inside the child."""
    import pylibsrtp  # pylint: disable=import-outside-toplevel

    def session(suite, key, kind):
        return pylibsrtp.Session(pylibsrtp.Policy(base64.b64decode(key), kind, srtp_profile=getattr(pylibsrtp.Policy, PROFILES[suite])))
    out = into = None
    for line in sys.stdin:
        command, *words = line.split()
        try:
            result = ""
            if command == "key":
                out = session(words[0], words[1], pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
                into = session(words[0], words[2], pylibsrtp.Policy.SSRC_ANY_INBOUND)
            else:
                result = getattr(into if command.startswith("un") else out, command)(bytes.fromhex(words[0])).hex()
            print("ok", result, flush=True)
        except pylibsrtp.Error as error:
            print("refused", error, flush=True)


if __name__ == "__main__":
    main()
