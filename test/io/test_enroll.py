#!/usr/bin/env python3
"""ime-enroll as a process: HTTPS, tokens over the control socket, renewal, reload, and kill -9 in the middle of issuing.

usage: test_enroll.py IME_ENROLL IMECTL
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

IME_ENROLL, IMECTL = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
ADDRESS = "127.0.0.1"
PATIENCE = 60


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True, timeout=PATIENCE).stdout


def multipart(fields):
    boundary = "----test-boundary"
    body = b""
    for name, value in fields.items():
        value = value if isinstance(value, bytes) else value.encode()
        body += f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n".encode() + value + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


class Server:
    """A fresh ime-enroll in a folder of its own."""

    running = []

    def __init__(self, **ring):
        self.folder = tempfile.mkdtemp(prefix="ime-enroll-")
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            self.port = probe.getsockname()[1]
        self.config = os.path.join(self.folder, "enroll.conf")
        self.control = os.path.join(self.folder, "control")
        self.ca = os.path.join(self.folder, "ca.pem")
        self.process = None
        self.write_config(**ring)
        self.start()

    def write_config(self, **ring):
        with open(self.config, "w", encoding="ascii") as out:
            out.write(f"[enroll]\nlisten = {ADDRESS}:{self.port}\nname = {ADDRESS}\ndata = {self.folder}/data\ncontrol = {self.control}\n"
                      f"ca-file = {self.ca}\noverlay = ime.example\nfailures = 1000\n[ring]\nbootstrap = 127.1.1.1:6084\n")
            out.writelines(f"{key.replace('_', '-')} = {value}\n" for key, value in ring.items())

    def start(self):
        self.process = subprocess.Popen([IME_ENROLL, "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        Server.running.append(self)
        self.wait_line("listening service=control")

    def wait_line(self, part):
        """The next line of the log with this part."""
        for line in self.process.stderr:
            if part in line:
                return line
        raise AssertionError(f"ime-enroll ended before it logged: {part}")

    def kill(self):
        Server.running.remove(self)
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stderr.close()

    def end(self):
        Server.running.remove(self)
        self.process.send_signal(signal.SIGTERM)
        with self.process.stderr:
            log = self.process.stderr.read()
        status = self.process.wait(PATIENCE)
        shutil.rmtree(self.folder)
        assert status == 0, log
        assert "Sanitizer" not in log, log

    def ctl(self, *words):
        done = subprocess.run([IMECTL, "--socket", self.control, "--json", *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    def token(self, server_id, *more):
        return self.ctl("enroll", "token", "add", "--server-id", server_id, *more)["token"]

    def request(self, method, path, body=None, content_type=None, certificate=None, known=None):
        """(status, content type, body); certificate: (certificate file, key file)."""
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection(ADDRESS, self.port, timeout=PATIENCE, context=context)
        try:
            headers = {"Content-Type": content_type} if content_type else {}
            connection.request(method, path, body, {**headers, "If-None-Match": known} if known else headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read()
        finally:
            connection.close()

    def enroll(self, server_id, token, csr, path="/enroll", certificate=None):
        fields = {"username": server_id, "nodeids": "1", "csr": csr}
        if token:
            fields["password"] = token
        content_type, body = multipart(fields)
        return self.request("POST", path, body, content_type, certificate)


class Identity:
    """A key, a request for it, and where the certificate goes."""

    def __init__(self, folder, name):
        self.key = os.path.join(folder, f"{name}.key")
        self.pem = os.path.join(folder, f"{name}.pem")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self.csr = openssl("req", "-new", "-key", self.key, "-subj", f"/CN={name}", "-outform", "DER")

    def keep(self, der):
        with open(self.pem, "wb") as out:
            out.write(openssl("x509", "-inform", "DER", data=der))


def names_of(der):
    return openssl("x509", "-inform", "DER", "-noout", "-ext", "subjectAltName", data=der).decode()


def test_enroll_and_renew():
    server = Server()
    one = Identity(server.folder, "one")
    token = server.token("ime1.a.example", "--name", "127.1.1.1", "--name", "ime1.a.example")
    status, content_type, der = server.enroll("ime1.a.example", token, one.csr)
    assert (status, content_type) == (200, "application/pkix-cert"), (status, der)
    one.keep(der)
    openssl("verify", "-CAfile", server.ca, "-purpose", "sslserver", one.pem)
    names = names_of(der)
    for part in ("URI:reload://0110", "@ime.example/", "email:ime1.a.example@ime.example", "IP Address:127.1.1.1", "DNS:ime1.a.example"):
        assert part in names, names
    assert server.enroll("ime1.a.example", token, one.csr)[2] == der
    # Renewal: shown by TLS, with a new key.
    two = Identity(server.folder, "two")
    for path in ("/enroll", "/renew"):
        status, _, renewed = server.enroll("ime1.a.example", None, two.csr, path, (one.pem, one.key))
        assert status == 200, renewed
        assert names_of(renewed) == names
    assert server.enroll("ime1.a.example", None, two.csr)[::2] == (403, b"failed_authentication")
    rows = server.ctl("enroll", "certificate", "list")["certificates"]
    assert len(rows) == 2 and rows[0]["node_ids"] == rows[1]["node_ids"], rows
    server.end()


def test_refusals():
    server = Server()
    one = Identity(server.folder, "one")
    token = server.token("ime1.a.example")
    assert server.enroll("ime2.a.example", token, one.csr)[::2] == (403, b"failed_authentication")
    assert server.enroll("ime1.a.example", token[:-1] + ("0" if token[-1] != "0" else "1"), one.csr)[::2] == (403, b"failed_authentication")
    assert server.enroll("ime1.a.example", token, b"no request")[::2] == (403, b"bad_CSR")
    assert server.request("POST", "/enroll", b"x", "text/plain")[0] == 400
    try:
        assert server.request("POST", "/enroll", b"x" * 300000, "text/plain")[0] == 413
    except (ssl.SSLError, ConnectionError):
        pass  # it hangs up in the middle
    assert server.request("GET", "/enroll")[0] == 405
    assert server.request("GET", "/nothing")[0] == 404
    status, kind, document = server.request("GET", "/.well-known/reload-config")
    assert (status, kind) == (200, "application/p2p-overlay+xml") and b'instance-name="ime.example"' in document
    # TLS refuses what another authority has signed, before any form is read.
    openssl("req", "-new", "-x509", "-key", one.key, "-subj", "/CN=ime1.a.example", "-days", "1", "-out", one.pem)
    try:
        answer = server.enroll("ime1.a.example", None, one.csr, certificate=(one.pem, one.key))
        raise AssertionError(f"a self-signed certificate was taken: {answer}")
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        pass
    for private in ("data/enroll.db", "control"):
        assert os.stat(os.path.join(server.folder, private)).st_mode & 0o077 == 0, private
    with open(os.path.join(server.folder, "data/enroll.db"), "rb") as database:
        assert token.split("-")[1].encode() not in database.read()
    server.end()


def test_reload():
    server = Server(quota=100)

    def sequence():
        return server.ctl("show", "status")["configuration_sequence"]
    assert sequence() == 1
    server.process.send_signal(signal.SIGHUP)
    server.wait_line("reloaded")
    assert sequence() == 1
    server.write_config(quota=200, message_of_the_day="maintenance tonight")
    server.process.send_signal(signal.SIGHUP)
    server.wait_line("configuration.published")
    assert sequence() == 2
    assert server.request("GET", "/.well-known/reload-config", known='"2"')[::2] == (304, b"")
    assert server.request("GET", "/.well-known/reload-config", known='"1"')[0] == 200
    assert b"maintenance tonight" in server.request("GET", "/.well-known/reload-config")[2]
    server.write_config(quota=0)
    server.process.send_signal(signal.SIGHUP)
    assert "quota" in server.wait_line("reload.refused")
    check = subprocess.run([IME_ENROLL, "--config", server.config, "--check"], capture_output=True, text=True, timeout=PATIENCE,
                           check=False)
    assert check.returncode == 3 and "enroll.conf:11" in check.stderr, check.stderr
    assert sequence() == 2
    server.end()


def test_two_processes_cannot_share_a_folder():
    server = Server()
    second = subprocess.run([IME_ENROLL, "--config", server.config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=PATIENCE, check=False)
    assert second.returncode == 1 and "another ime-enroll" in second.stderr, second.stderr
    server.end()


def hammer(server, jobs, given):
    """Enrolls until the server dies; notes what was acknowledged."""
    for name, (token, identity) in jobs.items():
        if name in given:
            continue
        try:
            status, _, der = server.enroll(name, token, identity.csr)
        except (OSError, http.client.HTTPException):
            return
        assert status == 200, der
        given[name] = der


def test_killed_while_issuing():
    """Whatever was acknowledged is there after kill -9: the same certificate for the same key, no Node-ID twice."""
    chance = random.Random(7)
    server = Server()
    identities = [Identity(server.folder, f"k{i}") for i in range(4)]
    given = {}
    jobs = {}
    for number in range(8):
        for i in range(4):
            name = f"ime{number}-{i}.example"
            jobs[name] = (server.token(name), identities[i])
        threads = [threading.Thread(target=hammer, args=(server, dict(list(jobs.items())[-4:][i:] + list(jobs.items())[-4:][:i]), given))
                   for i in range(2)]
        before = len(given)
        for thread in threads:
            thread.start()
        if chance.random() < 0.8:
            # Not a time but a place: as soon as so many have been acknowledged.
            target = before + chance.randrange(0, 3)
            while len(given) < target and any(t.is_alive() for t in threads):
                threads[0].join(0.001)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
    for name, der in given.items():
        token, identity = jobs[name]
        assert server.enroll(name, token, identity.csr)[::2] == (200, der), name
    for name, (token, identity) in jobs.items():
        status, _, der = server.enroll(name, token, identity.csr)
        assert status == 200
        given[name] = der
    rows = server.ctl("enroll", "certificate", "list")["certificates"]
    assert len(rows) == len(jobs) and len({row["node_ids"][0] for row in rows}) == len(jobs)
    server.end()


def main():
    tests = [(name, fn) for name, fn in sorted(globals().items()) if name.startswith("test_")]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, fn) in enumerate(tests, 1):
        try:
            fn()
            print(f"ok {number} - {name}", flush=True)
        except (AssertionError, subprocess.SubprocessError, OSError) as error:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()), flush=True)
            for server in list(Server.running):
                server.kill()
                shutil.rmtree(server.folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
