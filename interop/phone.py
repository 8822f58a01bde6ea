"""baresip as a phone that a test dials on: its commands and events go as JSON in netstrings over a TCP connection."""
import collections
import json
import os
import socket
import time

from peers import SIP, wait_for

MODULES = "/usr/lib/baresip/modules"
CONFIG = """module_path {modules}
sip_listen {address}:{port}
net_interface {media}
module g711.so
module aubridge.so
{sound}audio_player aubridge,nothing
audio_alert aubridge,nothing
rtp_ports {rtp}-{rtp_end}
jitter_buffer_delay 0-1
module_app account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control}
"""
QUIET = "audio_source aubridge,nothing\n"
SPEAKS = """module aufile.so
audio_source aufile,{file}
module sndfile.so
snd_path {home}
"""
CONTROL = 4444
PATIENCE = 60


class Phone:
    """One baresip at an address of its own, as a process of a lab."""

    def __init__(self, lab, name, address, account, more="call_max_calls 2\n", contacts="", sound=None, media=None):
        """account: a line of its file of accounts. more: lines of its configuration. contacts: of its file of contacts. sound: a WAV file
        (8 kHz, 16 bit, mono) that it plays to others, while it writes down what it hears; None: it is quiet.
        media: the address that it gives for media. It sends from whatever the machine takes: here 127.0.0.1."""
        self.name, self.lab, self.address = name, lab, address
        self.home = home = lab.home(name)
        first_rtp, last_rtp = lab.rtp_ports()
        for file, text in (("config", CONFIG.format(modules=MODULES, address=address, port=SIP, control=CONTROL, rtp=first_rtp, rtp_end=last_rtp, media=media or address,
                                                    sound=SPEAKS.format(file=sound, home=home) if sound else QUIET) + more),
                           ("accounts", account + "\n"), ("contacts", contacts)):
            with open(os.path.join(home, file), "w") as out:
                out.write(text)
        self.events = collections.deque()
        self.octets = b""
        self.socket = None
        lab.spawn(name, ["baresip", "-4", "-s", "-f", home])
        wait_for(self.connect, lambda: f"{name} does not start: {lab.log_tail(name)}")

    def connect(self):
        """True when it listens."""
        try:
            self.socket = socket.create_connection((self.address, CONTROL), timeout=1)
        except OSError:
            return False
        return True

    def read(self, deadline):
        """Waits for octets and takes what is whole."""
        self.socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            octets = self.socket.recv(65536)
        except TimeoutError:
            return
        assert octets, f"{self.name} has ended: {self.lab.log_tail(self.name)}"
        self.octets += octets
        while b":" in self.octets:
            length, rest = self.octets.split(b":", 1)
            if len(rest) <= int(length):
                break
            self.events.append(json.loads(rest[:int(length)]))
            self.octets = rest[int(length) + 1:]

    def command(self, command, params=""):
        """Does as if a key were pressed."""
        text = json.dumps({"command": command, "params": params, "token": "lab"}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))

    def expect(self, kind, seconds=PATIENCE):
        """The next event of this kind; those before it are dropped."""
        deadline = time.monotonic() + seconds
        seen = []
        while time.monotonic() < deadline:
            while self.events:
                event = self.events.popleft()
                if event.get("type") == kind:
                    return event
                seen.append(event.get("type") or event.get("data"))
            self.read(deadline)
        raise AssertionError(f"{self.name} saw no {kind}, but {seen}\n{self.lab.log_tail(self.name)}")
