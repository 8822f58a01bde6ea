"""linphone-cli's linphonec as a phone that a test dials on: its commands go to its standard input, what it says comes out of its log. It takes the
network for down on a machine that has no route but the loopback interface's. Its address for media is said to it: by itself it takes the one that leads out of the machine."""
import os
import re
import subprocess

from peers import SIP, SIPS, wait_for

PATIENCE = 60


def merged(*settings):
    """Settings by section, later ones before earlier ones."""
    result = {}
    for some in settings:
        for section, keys in some.items():
            result.setdefault(section, {}).update(keys)
    return result


class Linphone:
    """One linphonec at an address of its own, as a process of a lab."""

    def __init__(self, lab, name, address, user, server, password=None, transport="udp", register=False, sections=None):
        """server: whom its calls go to, and where it registers. sections: further settings of its configuration."""
        self.lab, self.name, self.address = lab, name, address
        self.home = lab.home(name)
        first_rtp, last_rtp = lab.rtp_ports()
        port = SIPS if transport == "tls" else SIP
        settings = merged({
            "sip": {"use_ipv6": 0, "bind_address": address, "contact": f"sip:{user}@{address}", "default_proxy": 0, "guess_hostname": 0,
                    "ping_with_options": 0, "keepalive_period": 0,
                    "media_encryption": "none", "use_info": 0, "use_rfc2833": 1,
                    "sip_port": SIP if transport == "udp" else 0, "sip_tcp_port": SIP if transport == "tcp" else 0,
                    "sip_tls_port": SIPS if transport == "tls" else 0},
            "rtp": {"bind_address": address, "audio_rtp_port": f"{first_rtp}-{last_rtp}", "nortp_timeout": 300},
            "net": {"mtu": 1300, "dns_srv_enabled": 0},
            "misc": {"max_calls": 4}, "video": {"capture": 0, "display": 0, "automatically_initiate": 0, "automatically_accept": 0},
            "proxy_0": {"reg_proxy": f"<sip:{server}:{port};transport={transport}>", "reg_route": f"<sip:{server}:{port};transport={transport};lr>",
                        "reg_identity": f"sip:{user}@{server}", "reg_expires": 300, "reg_sendregister": int(register), "publish": 0,
                        "dial_escape_plus": 0},
            "friend_0": {},
        }, {"auth_info_0": {"username": user, "passwd": password}} if password else {}, sections or {})
        os.makedirs(os.path.join(self.home, ".local", "share", "linphone"), exist_ok=True)
        path = os.path.join(self.home, "linphonerc")
        with open(path, "w") as out:
            for section, keys in settings.items():
                if keys:
                    out.write(f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items()) + "\n")
        self.heard = 0  # what stands before this in its log was expected already
        self.process = lab.spawn(name, ["linphonec", "-c", path, "-d", "5", "-l", os.path.join(self.home, "debug")], stdin=subprocess.PIPE,
                                 cwd=self.home, env={**os.environ, "HOME": self.home})
        wait_for(lambda: "Ready" in self.text() or "linphonec>" in self.text() or not lab.alive(name), lambda: self.story("does not start"))
        assert lab.alive(name), self.story("does not start")

    def text(self):
        """Everything that it has said so far."""
        with open(self.lab.processes[self.name]["log"], errors="replace") as log:
            return log.read()

    def registered(self):
        """Waits until it is; it says so only in its own log."""
        def known():
            with open(os.path.join(self.home, "debug"), errors="replace") as log:
                return "to [LinphoneRegistrationOk]" in log.read()
        wait_for(known, lambda: self.story("does not register"))

    def story(self, what):
        """For people."""
        return f"{self.name} {what}\n{self.text()[self.heard:][-1500:]}"

    def command(self, line):
        """As if typed."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, pattern, seconds=PATIENCE):
        """Waits for these words; the next expectation looks behind them. What they matched."""
        def found():
            return re.search(pattern, self.text()[self.heard:])
        match = wait_for(found, lambda: self.story(f"did not say: {pattern}"), seconds)
        self.heard += match.end()
        return match
