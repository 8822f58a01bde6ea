#!/usr/bin/env python3
"""ime-agent finds its trunk by NAPTR, SRV and addresses: it says OPTIONS where the DNS leads, over the transport that it names; goes elsewhere when
the records have changed and the old ones have expired, or when nobody is there anymore; and stays while the DNS is away. A PBX that has registered is
called by an agent that was killed and started again.

    test_agent_trunk.py IME-AGENT
"""
import os
import queue
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from dns_server import Server

AGENT = sys.argv[1]
PATIENCE = 40
CONF = """[agent]
domain = a.example
data = {directory}/data
control = {directory}/socket
dns = {dns}
keepalive = 200ms
[pstn-side]
udp = 127.0.0.1:{port}
tcp = 127.0.0.1:{port}
[trunk carrier]
host = carrier.test
transport = dns
country = 49
"""

REGISTERED = """[agent]
domain = a.example
data = {directory}/data
control = {directory}/socket
keepalive = 0
[pbx-side]
udp = 127.0.0.1:{pbx_side}
tcp = 127.0.0.1:{pbx_side}
[pstn-side]
udp = 127.0.0.1:{pstn_side}
[pbx office]
registers = yes
user = office
source = 127.0.0.1
country = 49
[trunk carrier]
host = 127.0.0.1
port = {carrier}
transport = udp
country = 49
"""


class Carrier:
    """Answers OPTIONS with 200, over UDP or TCP."""

    def __init__(self, kind):
        self.heard = queue.Queue()
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.via = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        if kind == socket.SOCK_STREAM:
            self.socket.listen()
        threading.Thread(target=self.serve_udp if kind == socket.SOCK_DGRAM else self.serve_tcp, daemon=True).start()

    def answer(self, request):
        fields = [line for line in request.split("\r\n") if re.match(r"(via|from|call-id|cseq):", line, re.I)]
        to = re.search(r"^To:.*$", request, re.M | re.I).group(0).strip()
        self.heard.put(request)
        return "\r\n".join(["SIP/2.0 200 OK", *fields, to + ";tag=carrier", "Content-Length: 0", "", ""]).encode()

    def serve_udp(self):
        while True:
            try:
                octets, peer = self.socket.recvfrom(65536)
                self.socket.sendto(self.answer(octets.decode()), peer)
            except OSError:  # closed
                return

    def serve_tcp(self):
        peer, _ = self.socket.accept()
        text = ""
        while octets := peer.recv(65536):
            text += octets.decode()
            while "\r\n\r\n" in text:
                request, text = text.split("\r\n\r\n", 1)
                if request.strip():
                    peer.sendall(self.answer(request + "\r\n\r\n"))

    def expect(self, what):
        """An OPTIONS that comes from now on."""
        while not self.heard.empty():
            self.heard.get()
        try:
            request = self.heard.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"nothing came to the {what}") from None
        assert request.startswith("OPTIONS sip:"), request
        assert re.search(rf"^Via: SIP/2.0/{self.via} ", request, re.M), request
        print(f"ok: OPTIONS come to the {what}")

    def close(self):
        self.socket.close()


def free_port():
    """Of UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


class Office:
    """An agent between a PBX that registers and a carrier; the test plays both."""

    def __init__(self, directory):
        self.carrier = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.carrier.bind(("127.0.0.1", 0))
        self.ports = {"pbx_side": free_port(), "pstn_side": free_port(), "carrier": self.carrier.getsockname()[1]}
        self.conf = os.path.join(directory, "registered.conf")
        self.log = os.path.join(directory, "registered.log")
        with open(self.conf, "w") as f:
            f.write(REGISTERED.format(directory=directory, **self.ports))
        os.chmod(self.conf, 0o600)
        self.count = 0
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.agent = subprocess.Popen([AGENT, "--config", self.conf], stderr=log)

    def kill(self):
        self.agent.kill()
        self.agent.wait(PATIENCE)

    def request(self, method, transport, port, user, contact):
        self.count += 1
        return (f"{method} sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{self.count}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{user}@127.0.0.1>;tag={self.count}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: {self.count}\r\n"
                f"CSeq: 1 {method}\r\nContact: <{contact}>\r\nContent-Length: 0\r\n\r\n").encode()

    def until(self, what, send, receive):
        """Sends until something with this at its beginning is received; what comes in between is something else."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                send()
                octets = receive()
                if octets.startswith(what):
                    return octets
            except OSError:  # nothing came, or nobody listens yet
                time.sleep(0.05)
        raise AssertionError(f"{what} did not come")

    def call(self, receive):
        invite = self.request("INVITE", "UDP", self.ports["carrier"], "+49301001234", f"sip:bob@127.0.0.1:{self.ports['carrier']}")
        return self.until(b"INVITE sip:", lambda: self.carrier.sendto(invite, ("127.0.0.1", self.ports["pstn_side"])), receive)

    def by_datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
            pbx.bind(("127.0.0.1", 0))
            pbx.settimeout(0.5)
            port = pbx.getsockname()[1]
            register = self.request("REGISTER", "UDP", port, "office", f"sip:office@127.0.0.1:{port}")
            self.until(b"SIP/2.0 200", lambda: pbx.sendto(register, ("127.0.0.1", self.ports["pbx_side"])), lambda: pbx.recv(65536))
            self.kill()
            self.start()
            invite = self.call(lambda: pbx.recv(65536))
            assert b"127.0.0.1:%d SIP/2.0" % port in invite.split(b"\r\n")[0], invite
            print("ok: a PBX that has registered is called after a crash")
            gone = self.request("REGISTER", "UDP", port, "office", f"sip:office@127.0.0.1:{port}").replace(b"Content-Length", b"Expires: 0\r\nContent-Length")
            self.until(b"SIP/2.0 200", lambda: pbx.sendto(gone, ("127.0.0.1", self.ports["pbx_side"])), lambda: pbx.recv(65536))

    def by_connection(self):
        """The connection has ended with the agent: it connects to the Contact."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.settimeout(0.5)
            port = listener.getsockname()[1]
            register = self.request("REGISTER", "TCP", port, "office", f"sip:office@127.0.0.1:{port};transport=tcp")
            with socket.create_connection(("127.0.0.1", self.ports["pbx_side"]), PATIENCE) as connection:
                connection.sendall(register)
                answer = connection.recv(65536)
                assert answer.startswith(b"SIP/2.0 200"), answer
                self.kill()
                self.start()

            def accepted():
                connection = listener.accept()[0]
                with connection:
                    connection.settimeout(PATIENCE)
                    return connection.recv(65536)
            invite = self.call(accepted)
            assert b"127.0.0.1:%d;transport=tcp SIP/2.0" % port in invite.split(b"\r\n")[0], invite
            print("ok: so is one whose connection has ended with the agent")


def run_registered(directory):
    office = Office(directory)
    try:
        office.by_datagrams()
        office.by_connection()
    except AssertionError as failure:
        print(f"FAILED: {failure}")
        with open(office.log) as log:
            print(log.read())
        return 1
    finally:
        office.kill()
        office.carrier.close()
    return 0


def run(directory):
    first, second, stream = Carrier(socket.SOCK_DGRAM), Carrier(socket.SOCK_DGRAM), Carrier(socket.SOCK_STREAM)
    dns = Server(f"""
        carrier.test 1 NAPTR 10 10 s SIP+D2U _sip._udp.carrier.test
        _sip._udp.carrier.test 1 SRV 10 0 {first.port} proxy.carrier.test
        _sip._udp.carrier.test 1 SRV 20 0 {second.port} proxy.carrier.test
        proxy.carrier.test 1 A 127.0.0.1
    """)
    conf = os.path.join(directory, "agent.conf")
    with open(conf, "w") as f:
        f.write(CONF.format(directory=directory, dns=dns.text, port=free_port()))
    os.chmod(conf, 0o600)
    with open(os.path.join(directory, "log"), "w") as log:
        agent = subprocess.Popen([AGENT, "--config", conf], stderr=log)
    try:
        first.expect("server of the first priority")
        first.close()
        second.expect("next one when nobody listens at the first")
        dns.zone = [words.split() for words in (
            "carrier.test 1 NAPTR 10 10 s SIP+D2T _sip._tcp.carrier.test",
            f"_sip._tcp.carrier.test 1 SRV 10 0 {stream.port} proxy.carrier.test",
            "proxy.carrier.test 1 A 127.0.0.1")]
        stream.expect("server that new records name, over TCP")
        dns.replies = lambda question: []
        asked = len(dns.asked)
        deadline = time.monotonic() + PATIENCE
        while len(dns.asked) < asked + 6:  # it asks again and again, and gets nothing
            assert time.monotonic() < deadline, "it does not ask again"
            time.sleep(0.05)
        stream.expect("same server while the DNS is away")
    except AssertionError as failure:
        print(f"FAILED: {failure}")
        with open(os.path.join(directory, "log")) as log:
            print(log.read())
        return 1
    finally:
        agent.terminate()
        agent.wait(PATIENCE)
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(run(directory) or run_registered(directory))
