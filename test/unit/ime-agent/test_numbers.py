#!/usr/bin/env python3
"""ime-agent and a VAP server over real sockets: numbers are published, routes learned and kept over kill -9, operators obeyed, call records taken
over HTTPS, and SIGHUP changes who takes part while the agent runs.

    test_numbers.py IME-AGENT IMECTL VAP_TESTD
"""
import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

AGENT, IMECTL, SERVER = sys.argv[1:4]
PATIENCE = 60
CONF = """[agent]
domain = a.example
data = {directory}/data
control = {directory}/socket
[pbx-side]
udp = 127.0.0.1:{udp}
[pbx pbx]
host = {host}
country = {country}
[records]
listen = 127.0.0.1:{https}
certificate = {directory}/cert.pem
key = {directory}/key.pem
token-file = {directory}/token
[service main]
domain = a.example
vservice-id = 0000000000000007
server = 127.0.0.1:{port}
user = pbx
password = secret word
plain = yes
external-address = 192.0.2.1:5061
[enrolled all]
pattern = {patterns}
{more}
"""


class Lines:
    """The lines of a pipe, with patience."""

    def __init__(self, pipe):
        self.queue, self.seen = queue.Queue(), []
        threading.Thread(target=self.read, args=[pipe], daemon=True).start()

    def read(self, pipe):
        for line in pipe:
            self.queue.put(line.rstrip("\n"))

    def until(self, pattern):
        """The match of the first line from now on that has the pattern."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line with {pattern}; there were: {self.seen}") from None
            self.seen.append(line)
            found = re.search(pattern, line)
            if found:
                return found


def free_port():
    """One that nobody has at this moment, neither for UDP nor for TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
            except OSError:
                pass


class Server:
    def __init__(self):
        self.process = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = Lines(self.process.stdout)
        self.port = self.lines.until(r"^port (\d+)").group(1)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.lines.until("^done$")

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


class Agent:
    def __init__(self, directory, port):
        self.directory, self.process = directory, None
        ours = free_port()
        self.values = {"directory": directory, "port": port, "udp": ours, "https": ours, "host": "127.0.0.9", "country": "49",
                       "patterns": "+4930201, +4930202", "more": ""}

    def write(self, **changes):
        self.values.update(changes)
        path = os.path.join(self.directory, "agent.conf")
        with open(path, "w") as f:
            f.write(CONF.format(**self.values))
        os.chmod(path, 0o600)
        return path

    def start(self):
        self.process = subprocess.Popen([AGENT, "--config", self.write()], stderr=subprocess.PIPE, text=True)
        self.log = Lines(self.process.stderr)
        self.log.until("service=control")

    def reload(self, expected, **changes):
        self.write(**changes)
        self.process.send_signal(signal.SIGHUP)
        self.log.until(expected)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        assert self.process.returncode == (-number if number == signal.SIGKILL else 0), self.process.returncode

    def run(self, *words, **more):
        return subprocess.run([IMECTL, "--socket", os.path.join(self.directory, "socket"), *words], capture_output=True, text=True,
                              timeout=PATIENCE, **more)

    def ask_all(self, *words):
        """The result, or None when the agent refuses."""
        done = self.run("--json", *words)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def ask(self, *words):
        return self.ask_all("agent", *words)


def learn(server, number, expected="ok"):
    server.tell(f"notify {number}")
    server.lines.until(f"^notified {expected} {re.escape(number)}$")


def test_publishes_and_learns(agent, server):
    agent.start()
    server.lines.until("^vservice 7 a.example 2 sip:agent@a.example:5061;maddr=192.0.2.1;transport=tcp$")
    server.lines.until("^subscribed$")
    agent.log.until("PublicationRunCompleted.*2 numbers, 0 failed")
    learn(server, "+4989111")
    assert agent.ask("route", "show", "+4989111")["routes"][0]["domain"] == "b.example"
    assert agent.ask("number", "test", "089111")["way"].startswith("direct, to b.example")
    assert agent.ask("service", "show")["servers"][0]["state"] == "online"
    report = agent.ask("publish", "report")
    assert report["published"] == 2 and report["last_run_failed"] == 0, report


def test_survives_kill(agent, server):
    for command, state in (("disable", "disabled"), ("enable", "good")):
        assert agent.ask("route", command, "+4989111")
        agent.end(signal.SIGKILL)
        agent.start()
        server.lines.until("^subscribed$")
        assert agent.ask("route", "show", "+4989111")["routes"][0]["state"] == state
    learn(server, "+4989112")
    assert agent.ask("route", "delete", "+4989111")
    agent.end(signal.SIGKILL)
    agent.start()
    server.lines.until("^subscribed$")
    assert [r["number"] for r in agent.ask("route", "list")["routes"]] == ["+4989112"]
    assert agent.ask("route", "show", "+4989111") is None


def post(agent, body, token="a token of some length", path="/records"):
    """Status and answer."""
    context = ssl.create_default_context(cafile=os.path.join(agent.directory, "cert.pem"))
    request = urllib.request.Request(f"https://127.0.0.1:{agent.values['https']}{path}", data=body.encode(),
                                     headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_takes_records(agent, server):
    record = {"direction": "sent", "calling": "+4930201", "called": "089777", "start": int(time.time()) - 60, "stop": int(time.time())}
    assert post(agent, json.dumps([record, {**record, "called": "+4989778"}])) == (200, {"kept": 2})
    server.lines.until(r"^vcr sent \+4930201 \+4989777 ")
    server.lines.until(r"^vcr sent \+4930201 \+4989778 ")
    status, answer = post(agent, json.dumps({**record, "called": "112"}))
    assert status == 400 and answer["error"].startswith("record 1: called"), answer
    assert post(agent, json.dumps(record), token="a token of some length!")[0] == 401
    assert post(agent, json.dumps(record), path="/")[0] == 404
    server.tell("slow 2")  # it holds what comes first
    assert post(agent, json.dumps({**record, "called": "+4989779"}))[0] == 200
    agent.end(signal.SIGKILL)
    server.tell("fast")
    agent.start()
    server.lines.until(r"^vcr sent \+4930201 \+4989779 ")


def make_files(directory, days=2):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=agent",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", os.path.join(directory, "key.pem"), "-out",
                    os.path.join(directory, "cert.pem")], check=True, capture_output=True)
    path = os.path.join(directory, "token")
    with open(path, "w") as f:
        f.write("a token of some length\n")
    for name in ("key.pem", "token"):
        os.chmod(os.path.join(directory, name), 0o600)


def test_reloads(agent, server):
    agent.reload(" reloaded ", patterns="+4930202, +4930203", country="1", more="[trust bad]\ntrusted = no\ndomain = b.example")
    server.lines.until(r"^number \+4930203$")
    assert agent.ask("number", "test", "2125550100")["result"] == "+12125550100"
    assert agent.ask("number", "test", "+4989112")["way"] == "PSTN: the trust groups block the number or b.example"
    learn(server, "+4989113", "forbidden")
    assert "RejectedRoutes" in [a["alarm"] for a in agent.ask_all("show", "alarms")["alarms"]]
    agent.reload(r"reload.refused.*host of \[pbx pbx\]", host="127.0.0.10")
    agent.reload(r"reload.refused.*\+X", host="127.0.0.9", patterns="+X")
    agent.reload(" reloaded ", patterns="+4930203", country="49", more="")
    assert agent.ask("number", "test", "089113")["result"] == "+4989113"
    learn(server, "+4989113")


def test_provisions(agent, server):
    """What imectl adds holds, is published, and is still there after a kill; the file is never written, and goes first."""
    before = open(os.path.join(agent.directory, "agent.conf")).read()
    patterns = os.path.join(agent.directory, "patterns")
    with open(patterns, "w") as f:
        f.write("# Hamburg\n+494010\n+49401X1 wide\nnonsense\n+4930203\n")
    done = agent.run("agent", "enrolled", "load", patterns, "--group", "hamburg")
    assert done.returncode == 1 and "Added:     2" in done.stdout, done
    assert re.search(r"^ +4  nonsense +a pattern is", done.stdout, re.M) and "the group all of agent.conf" in done.stdout, done
    server.lines.until(r"^number \+494010$")
    assert agent.ask("trust", "block", "b.example")["added"] == 1
    learn(server, "+4989114", "forbidden")
    agent.end(signal.SIGKILL)
    agent.start()
    server.lines.until(r"^vservice 7 a.example 12 ")
    server.lines.until("^subscribed$")
    learn(server, "+4989114", "forbidden")
    assert agent.ask("trust", "list")["entries"][0]["source"] == "imectl"
    assert open(os.path.join(agent.directory, "agent.conf")).read() == before
    done = agent.run("agent", "enrolled", "remove", "+4930203")
    assert done.returncode == 1 and "take it out there" in done.stdout, done
    assert agent.ask("trust", "remove", "b.example")["removed"] == 1
    learn(server, "+4989114")
    agent.write(patterns="+4930203, +494010", more="[excluded x]\nnumber = +494011")
    done = agent.run("agent", "reload")
    assert done.returncode == 0 and "[excluded x] number: +494011 is new\n" in done.stdout and "pattern: +494010 is new\n" in done.stdout, done
    states = {e["entry"]: e["state"] for e in agent.ask("provision", "list")["entries"]}
    assert states == {"+494010": "it holds; agent.conf has it, too", "+49401X1": "it holds"}, states
    assert agent.run("agent", "reload").stdout == "nothing is different\n"
    agent.write(patterns="+4930203, +X")
    done = agent.run("agent", "reload")
    assert done.returncode == 1 and "+X" in done.stderr and "nothing has changed" in done.stderr, done
    agent.write(patterns="+4930203", more="", host="127.0.0.10")
    done = agent.run("agent", "reload")
    assert done.returncode == 1 and "cannot be changed while it runs" in done.stderr, done
    agent.write(host="127.0.0.9")
    assert agent.ask("reload")
    assert agent.ask("enrolled", "remove", "--group", "hamburg")["removed"] == 1
    assert agent.ask("enrolled", "remove", "--group", "wide")["removed"] == 1
    assert [p["pattern"] for p in agent.ask("enrolled", "list")["patterns"]] == ["+4930203"]


def test_alarms(agent, _server):
    """A certificate that ends in two days rings until it is renewed."""
    def ringing():
        return {a["alarm"]: a for a in agent.ask_all("show", "alarms", "--ringing")["alarms"]}
    alarm = ringing()["CertificateExpiring"]
    assert alarm["state"] == "rings" and alarm["subject"].endswith("cert.pem") and "agent reload" in alarm["remedy"], alarm
    text = agent.run("show", "alarms").stdout
    assert "CertificateExpiring (warning), rings, " in text and "\n  What to do: Renew" in text, text
    assert "CertificateExpiring" in [w["name"] for w in agent.ask_all("show", "status")["warnings"]]
    make_files(agent.directory, days=60)
    assert agent.ask("reload")
    deadline = time.monotonic() + PATIENCE
    while "CertificateExpiring" in ringing() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "CertificateExpiring" not in ringing()
    assert [a["state"] for a in agent.ask_all("show", "alarms")["alarms"] if a["alarm"] == "CertificateExpiring"] == ["over"]
    record = {"direction": "sent", "called": "+4989780", "start": int(time.time()) - 60, "stop": int(time.time())}
    assert post(agent, json.dumps(record)) == (200, {"kept": 1})  # the new certificate is shown
    with open(os.path.join(agent.directory, "key.pem"), "w") as f:
        f.write("no key\n")
    done = agent.run("agent", "reload")
    assert done.returncode == 1 and "the log says more" in done.stderr, done
    assert post(agent, json.dumps(record))[0] == 200  # what held goes on
    assert agent.run("agent", "causes").stdout.count("\n  ") == 17


def test_wants_tickets(agent, _server):
    """Whoever can be called directly, with no edge before it, has to look at tickets itself."""
    for more, status in (("", 3), ("edge = 127.0.0.8:5061\n", 0), ("[ticket]\npassword = ten-or-more\n", 0)):
        path = agent.write(more="[ime-side]\ntcp = 127.0.0.1:15050\n" + more)
        done = subprocess.run([AGENT, "--config", path, "--check"], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == status, done.stderr
        assert (status == 0) == ("nobody would look at their tickets" not in done.stderr), done.stderr
    agent.write(more="")


def main():
    """TAP. Each test needs the ones before."""
    tests = [test_publishes_and_learns, test_survives_kill, test_takes_records, test_reloads, test_provisions, test_alarms, test_wants_tickets]
    with tempfile.TemporaryDirectory(prefix="ime-agent-") as directory:
        make_files(directory)
        server = Server()
        agent = Agent(directory, server.port)
        print(f"1..{len(tests)}")
        number = 0
        try:
            for number, test in enumerate(tests, 1):
                test(agent, server)
                print(f"ok {number} - {test.__name__}", flush=True)
            agent.end()
        except (AssertionError, OSError, KeyError, TypeError, subprocess.SubprocessError) as error:
            text = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
            print(f"not ok {number} - {tests[number - 1].__name__}\n# {text}\nBail out! the tests need one another", flush=True)
            return 1
        finally:
            if agent.process and agent.process.poll() is None:
                agent.end(signal.SIGKILL)
            server.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
