#!/usr/bin/env python3
"""The program ime-vcr against a VAP server in memory, over TLS and plain TCP. Prints TAP. usage: test_ime_vcr.py IME-VCR VAP-TESTD"""
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM, SERVER = sys.argv[1:3]
PATIENCE = 60  # seconds for anything that happens soon
FOLDER = tempfile.TemporaryDirectory(prefix="ime-vcr-")
VSERVICE = "0000000000000007"
ROUTE = "sip:a@a.example:5060;maddr=192.0.2.2;transport=tcp"


def path(name):
    return os.path.join(FOLDER.name, name)


def write(name, text, mode=0o600):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path(name), mode)
    return path(name)


class Lines:
    """The lines of a pipe, with patience."""

    def __init__(self, pipe):
        self.queue, self.seen = queue.Queue(), []
        threading.Thread(target=self.read, args=[pipe], daemon=True).start()

    def read(self, pipe):
        for line in pipe:
            self.queue.put(line.rstrip("\n"))
        self.queue.put(None)

    def until(self, pattern):
        """The match of the first line from now on that has the pattern."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line with {pattern}; there were: {self.seen}") from None
            if line is None:
                raise AssertionError(f"ended before a line with {pattern}; there were: {self.seen}")
            self.seen.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    def count(self, pattern):
        while not self.queue.empty():
            line = self.queue.get()
            if line is not None:
                self.seen.append(line)
        return sum(1 for line in self.seen if re.search(pattern, line))


class Server:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([SERVER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = Lines(self.process.stdout)
        self.port = self.lines.until(r"^port (\d+)").group(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.lines.until("^done$")


def command(server, *arguments, plain=True):
    return [PROGRAM, arguments[0], "--server", f"127.0.0.1:{server.port}", "--user", "pbx", "--vservice", VSERVICE,
            *(["--plain"] if plain else []), *arguments[1:]]


def environment(**more):
    return {**os.environ, "VAP_PASSWORD": "secret word", "XDG_STATE_HOME": path("state"), **more}


def run(server, *arguments, plain=True, **more):
    return subprocess.run(command(server, *arguments, plain=plain), env=environment(**more), capture_output=True, text=True,
                          timeout=60)


def start(server, *arguments, plain=True, stdin=None):
    return subprocess.Popen(command(server, *arguments, plain=plain), env=environment(), stdin=stdin,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, signal_number=signal.SIGTERM):
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def record(src, dst, second, disposition="ANSWERED"):
    """A line of Master.csv: answered at so many seconds after 2026-01-01, 30 seconds long."""
    def stamp(s):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1767225600 + s))
    answer = stamp(second) if disposition == "ANSWERED" else ""
    return (f'"","{src}","{dst}","c","""X"" <{src}>","SIP/1","SIP/2","Dial","x","{stamp(second)}","{answer}",'
            f'"{stamp(second + 30)}",30,30,"{disposition}","DOCUMENTATION","{second}.1",""\n')


CALLS = ["--format", "asterisk-csv", "--own", "+4930123", "--country", "49", "--utc"]
SERVICE = ["--domain", "a.example", "--route", ROUTE]


def uploads_calls_and_tells_bad_lines():
    text = (record("030123456", "0017325552496", 0) + "this,is,no,call\n" + record("0017325552496", "030123456", 100)
            + record("030123456", "0301", 200, "NO ANSWER") + record("100", "200", 300)
            + record("030123456", "hello", 400) + record("", "+4930123457", 500).replace("\n", "\r\n"))
    with Server() as server:
        done = run(server, "upload", *CALLS, *SERVICE, write("mixed.csv", text))
        assert done.returncode == 0, done
        assert done.stdout == ("7 lines: 3 calls uploaded (1 sent, 2 received), 1 not answered, 1 internal, 0 too short, 2 bad\n"), done
        told = done.stderr.splitlines()
        assert [line.split(":")[-2] for line in told if "mixed.csv" in line and "columns" in line] == ["2"], told
        assert any(line.endswith('mixed.csv:6: the called number cannot be made +E.164: "hello"') for line in told), told
        server.lines.until("unregistered")
        assert server.lines.count(r"^vcr sent \+4930123456 \+17325552496 1767225600000 1767225630000$") == 1
        assert server.lines.count(r"^vcr received \+17325552496 \+4930123456 1767225700000 1767225730000$") == 1
        assert server.lines.count(r"^vcr received - \+4930123457 ") == 1
        # Nothing is left of it for a second run.
        done = run(server, "upload", *CALLS, *SERVICE, path("mixed.csv"), "--json")
        assert json.loads(done.stdout)["uploaded"] == 0 and json.loads(done.stdout)["lines"] == 0, done
        # What is appended is new.
        with open(path("mixed.csv"), "a", encoding="utf-8") as f:
            f.write(record("030123456", "0017325550000", 600))
        done = run(server, "upload", *CALLS, *SERVICE, path("mixed.csv"), "--json")
        assert json.loads(done.stdout)["sent"] == 1, done
        # With --no-state everything is.
        done = run(server, "upload", *CALLS, *SERVICE, path("mixed.csv"), "--json", "--no-state")
        assert json.loads(done.stdout)["uploaded"] == 4, done


def done_by_state(state, text):
    """How many calls a state file knows to be done."""
    if not os.path.exists(state):
        return 0
    with open(state, encoding="utf-8") as f:
        words = [line.split() for line in f]
    offset = next(int(w[1]) for w in words if w[0] == "offset")
    return text[:offset].count("\n") + sum(1 for w in words if w[0] == "done")


def reads_local_times():
    with Server() as server:
        done = run(server, "upload", *CALLS, "--local", *SERVICE, "--no-state",
                   write("local.csv", record("030123456", "+17325550001", 0)), TZ="CET-1CEST")
        assert done.returncode == 0, done
        server.lines.until(r"^vcr sent \S+ \+17325550001 1767222000000 ")


def goes_on_where_it_was_killed():
    """Killed again and again with answers missing in between: nothing acknowledged is repeated, nothing is lost."""
    text = "".join(record("030123456", f"+1732555{i:04}", i) for i in range(400))
    name, state = write("killed.csv", text), path("killed.state")
    arguments = ["upload", *CALLS, *SERVICE, name, "--state", state, "--window", "8"]
    with Server() as server:
        server.tell("slow 2")
        for i in range(10):
            process = start(server, *arguments)
            for _ in range(8):
                server.lines.until("^held")
            deadline = time.monotonic() + PATIENCE
            while done_by_state(state, text) < server.lines.count("^vcr ") and time.monotonic() < deadline:
                time.sleep(0.005)
            process.kill()
            process.communicate()
        server.tell("fast")
        done = run(server, *arguments)
        assert done.returncode == 0, done
        deadline = time.monotonic() + PATIENCE  # the last of all sessions, those of the killed ones included, comes to its end
        while server.lines.count("^unregistered") < 11:
            assert time.monotonic() < deadline, server.lines.seen[-5:]
            time.sleep(0.005)
        numbers = [line.split()[3] for line in server.lines.seen if line.startswith("vcr ")]
        assert sorted(set(numbers)) == [f"+1732555{i:04}" for i in range(400)], len(set(numbers))
        assert len(numbers) == 400, f"{len(numbers) - 400} calls were repeated"


def reads_standard_input_and_freeswitch():
    line = ('"Joe "X" Y","+17325552496","+4930123456","default","2026-01-01 00:00:00","2026-01-01 00:00:05.250",'
            '"2026-01-01 00:01:05","65","60","NORMAL_CLEARING","c60a1f09","","","PCMA","PCMA"\n')
    with Server() as server:
        process = start(server, "upload", "--format", "freeswitch-csv", "--own", "+4930123*", *SERVICE, "-",
                        stdin=subprocess.PIPE)
        server.lines.until("^vservice 7 a.example 0 " + re.escape(ROUTE))
        process.stdin.write(line)
        process.stdin.flush()
        server.lines.until(r"^vcr received \+17325552496 \+4930123456 1767225605250 1767225665000$")
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and "1 calls uploaded" in out, (out, err)


def follows_a_growing_and_rotated_file():
    name = write("follow.csv", record("030123456", "+17325550001", 1))
    with Server() as server:
        process = start(server, "upload", *CALLS, *SERVICE, "--follow", name)
        server.lines.until(r"^vcr sent \S+ \+17325550001 ")
        line = record("030123456", "+17325550002", 2)
        with open(name, "a", encoding="utf-8") as f:
            f.write(line[:40])
            f.flush()
            time.sleep(0.7)  # long enough to be looked at
            f.write(line[40:])
        server.lines.until(r"^vcr sent \S+ \+17325550002 ")
        os.rename(name, path("follow.csv.1"))
        write("follow.csv", record("030123456", "+17325550003", 3))
        server.lines.until(r"^vcr sent \S+ \+17325550003 ")
        code, out, err = finish(process)
        assert code == 0 and "3 calls uploaded" in out and "0 bad" in out, (code, out, err)


def waits_for_answers_under_way():
    """The first signal waits a while for the answer to what was sent; the second one, or its absence, ends it."""
    name = write("late.csv", record("030123456", "+17325550001", 1))
    arguments = ["upload", *CALLS, *SERVICE, "--follow", "--json", name]
    with Server() as server:
        server.tell("slow 1000")
        for signals in (2, 1):
            process = start(server, *arguments)
            server.lines.until("^held")
            if signals == 2:
                process.send_signal(signal.SIGTERM)
            code, out, err = finish(process)
            told = json.loads(out)
            assert code == 0 and told["uploaded"] == 0 and told["not_uploaded"] == 1, (signals, code, out, err)
        process = start(server, *arguments)
        server.lines.until("^held")
        process.send_signal(signal.SIGTERM)
        server.tell("release")
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and json.loads(out)["uploaded"] == 1, (process.returncode, out, err)
        server.tell("fast")
        process = start(server, *arguments)  # what was acknowledged is not uploaded again
        server.lines.until("^vservice")
        with open(name, "a", encoding="utf-8") as f:
            f.write(record("030123456", "+17325550002", 2))
        server.lines.until(r"^vcr sent \S+ \+17325550002 ")
        code, out, err = finish(process)
        assert code == 0 and json.loads(out)["uploaded"] == 1, (code, out, err)
        assert server.lines.count(r"^vcr sent \S+ \+17325550001 ") == 0


def lives_through_lost_connections():
    text = "".join(record("030123456", f"+1732556{i:04}", i) for i in range(50))
    with Server() as server:
        server.tell("slow 1000")
        process = start(server, "upload", *CALLS, *SERVICE, write("lost.csv", text))
        server.lines.until("^held")
        server.tell("fast")
        server.tell("drop")
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and "50 calls uploaded" in out and "connection lost" in err, (out, err)


def needs_a_published_vservice():
    with Server() as server:
        done = run(server, "upload", *CALLS, write("alone.csv", record("030123456", "+17325550001", 1)))
        assert done.returncode == 1 and "publish --stay" in done.stderr, done
        process = start(server, "publish", *SERVICE, "--stay")
        server.lines.until("^vservice")
        done = run(server, "upload", *CALLS, path("alone.csv"))
        assert done.returncode == 0 and "1 calls uploaded" in done.stdout, done
        finish(process)


def publishes_numbers():
    numbers = write("numbers.txt", "# ours\n+49301230-3\n\n +49301234 # one\r\n+49301230\n")
    with Server() as server:
        done = run(server, "publish", *SERVICE, "--numbers", numbers, "--numbers", "+4930500-2", "--blacklist", "evil.example")
        assert done.returncode == 0 and done.stdout == "8 of 8 numbers published\n", done
        server.lines.until("unregistered")
        assert server.lines.count(r"^number ") == 8
        assert server.lines.count(r"^vservice 7 a.example 8 ") == 1
        for wrong in ("+4930123*", "12", "+49301230-", path("absent.txt")):
            done = run(server, "publish", *SERVICE, "--numbers", wrong)
            assert done.returncode == 2 and done.stderr, (wrong, done)


def stays_until_it_is_told():
    with Server() as server:
        process = start(server, "publish", *SERVICE, "--numbers", "+49301230-1", "--stay")
        assert process.stdout.readline() == "2 of 2 numbers published\n"  # it has the answers
        server.tell("drop")
        server.lines.until("^vservice")
        code, out, err = finish(process, signal.SIGINT)
        assert code == 0 and not out and "2 numbers stay in the ring" in err, (code, out, err)
        server.lines.until("unregistered")


def watches():
    with Server() as server:
        process = start(server, "watch", "--json", "--count", "2")
        server.lines.until("^subscribed")
        server.tell("notify +17325552496")
        first = json.loads(process.stdout.readline())
        assert first["number"] == "+17325552496" and first["ticket"] == "QUJD", first
        assert first["routes"] == ["sip:x@b.example:5061;maddr=192.0.2.1;transport=tcp"], first
        server.lines.until("^notified ok .17325552496$")
        server.tell("notify +17325552497")
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        process = start(server, "watch")
        server.lines.until("^subscribed")
        server.tell("notify +17325552496")
        assert re.match(r"\S+Z \+17325552496 +sip:x@", process.stdout.readline())
        assert finish(process)[0] == 0


def wrong_password():
    with Server() as server:
        done = run(server, "watch", VAP_PASSWORD="guess")
        assert done.returncode == 3 and "InvalidCredentials" in done.stderr and "guess" not in done.stderr, done


def password_file_must_be_closed():
    with Server() as server:
        name = write("password", "secret word\n", 0o644)
        done = run(server, "publish", *SERVICE, "--numbers", "+49301230", "--password-file", name, VAP_PASSWORD="guess")
        assert done.returncode == 2 and "chmod 600" in done.stderr, done
        os.chmod(name, 0o600)
        done = run(server, "publish", *SERVICE, "--numbers", "+49301230", "--password-file", name, VAP_PASSWORD="guess")
        assert done.returncode == 0, done


def configuration_file():
    with Server() as server:
        name = write("vcr.conf", f"[connection]\nserver = 127.0.0.1:{server.port}\nuser = pbx\nplain = yes\nvservice = {VSERVICE}\n"
                     f"[service]\ndomain = a.example\nroute = {ROUTE}\nnumbers = +49301230-1\n[calls]\ncountry = 49\n")
        done = subprocess.run([PROGRAM, "publish", "--config", name], env=environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "2 of 2" in done.stdout, done
        done = subprocess.run([PROGRAM, "publish", "--config", name, "--numbers", "+49301235"], env=environment(),
                              capture_output=True, text=True, timeout=60)
        assert "1 of 1" in done.stdout, done
        write("vcr.conf", "[connection]\nservr = x\n[calls]\ncountry = 049\n")
        done = subprocess.run([PROGRAM, "publish", "--config", name], env=environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "vcr.conf:2" in done.stderr, done


def usage():
    for arguments in ([], ["dance"], ["watch", "--nonsense"], ["watch", "--server"], ["watch", "--stay"], ["watch"],
                      ["upload", "x.csv", "y.csv"], ["publish", "--reconnect", "5"], ["watch", "--vservice", "7"]):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, env=environment())
        assert done.returncode == 2 and done.stderr.startswith("ime-vcr: "), (arguments, done)
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--numbers FILE|RANGE" in done.stdout
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("ime-vcr ")


def gives_up():
    class Nobody:
        port = "1"
    done = run(Nobody, "publish", *SERVICE, "--numbers", "+49301230", "--wait", "1")
    assert done.returncode == 1 and "no server was reached" in done.stderr and "0 of 1" in done.stdout, done


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def make_certificates():
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN=Test {ca}", "-keyout", path(f"{ca}.key"), "-out", path(f"{ca}.pem"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
            "-keyout", path("server.key"), "-out", path("server.csr"))
    extensions = write("extensions", "subjectAltName=DNS:ime.a.example,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", path("server.pem"))


def missing_files():
    with Server() as server:
        for arguments in (["upload", "--format", "asterisk-csv", "--no-state"], ["upload", "--format", "freeswitch-csv", "--follow"]):
            done = run(server, *arguments, "--country", "49", "--own", "+4930", path("not-there.csv"))
            assert done.returncode == 1 and "not-there.csv: No such file" in done.stderr, done


def tls_is_verified():
    make_certificates()
    publish = ["publish", *SERVICE, "--numbers", "+49301230", "--wait", "2"]
    with Server("--tls", path("server.pem"), path("server.key")) as server:
        good = run(server, *publish, "--ca", path("ca.pem"), plain=False)
        assert good.returncode == 0, good
        good = run(server, *publish, "--ca", path("ca.pem"), "--tls-name", "ime.a.example", plain=False)
        assert good.returncode == 0, good
        for wrong, advice in ((["--ca", path("other.pem")], "no certificate of --ca"),
                              (["--ca", path("ca.pem"), "--tls-name", "ime.b.example"], "--tls-name")):
            done = run(server, *publish, *wrong, plain=False)
            assert done.returncode == 1 and "0 of 1" in done.stdout and advice in done.stderr, (wrong, done)
        done = run(server, *publish, plain=True)
        assert done.returncode == 1, done
        done = run(server, *publish, "--ca", path("numbers.txt"), plain=False)
        assert done.returncode == 2 or done.returncode == 1, done


def main():
    cases = [uploads_calls_and_tells_bad_lines, reads_local_times, goes_on_where_it_was_killed, reads_standard_input_and_freeswitch,
             follows_a_growing_and_rotated_file, waits_for_answers_under_way, lives_through_lost_connections, needs_a_published_vservice,
             publishes_numbers, stays_until_it_is_told, watches, wrong_password, password_file_must_be_closed,
             configuration_file, usage, gives_up, missing_files, tls_is_verified]
    print(f"1..{len(cases)}", flush=True)
    failed = False
    for number, case in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}", flush=True)
        except Exception as error:  # a test must not end the others
            failed = True
            print(f"not ok {number} - {case.__name__}", flush=True)
            print("\n".join("# " + line for line in repr(error).splitlines()), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
