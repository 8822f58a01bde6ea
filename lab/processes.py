"""The processes of a world: which there are, whether they run, how they end. Known by pid and command line, so that a later program finds
those that an earlier one has left running, and never takes another process for one of them."""
import os
import select
import subprocess

END_SECONDS = 90  # a machine may be busy; whoever asks is told at once


def write_private(path, text):
    """A file that only its owner reads."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as out:
        out.write(text)


class Processes:
    """By name; start them, ask for them, signal them. Each has a folder of its name in the world's."""

    def __init__(self, directory):
        self.directory = directory
        self.processes = {}  # name -> {"pid", "argv", "log"}; "control" of those that have such a socket
        self.children = {}  # name -> Popen, of those that this process started

    def alive(self, name):
        """True while the process that was started under this name runs (and its pid was not given to another program)."""
        entry = self.processes.get(name)
        if not entry:
            return False
        child = self.children.get(name)
        if child is not None:
            return child.poll() is None  # its pid is not given away before that; and /proc is empty while it begins
        try:
            with open(f"/proc/{entry['pid']}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
            with open(f"/proc/{entry['pid']}/stat") as f:
                zombie = f.read().rsplit(")", 1)[1].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
        return not zombie and [os.fsdecode(a) for a in argv[:-1]] == entry["argv"]

    def start(self, name, argv, log, control=True, before=()):
        """Starts a process of its own session; its output goes to a log file. control: it has such a socket. before: a command that becomes this
        one."""
        with open(log, "ab") as out:
            child = subprocess.Popen([*before, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        self.processes[name] = {"control": os.path.join(self.directory, name, "control")} if control else {}
        self.adopt(name, child, argv, log)
        return child.pid

    def adopt(self, name, child, argv, log):
        """Makes a process one of the world: it ends with it."""
        self.children[name] = child
        self.processes.setdefault(name, {}).update({"pid": child.pid, "argv": argv, "log": log})

    def signal(self, name, number):
        """Signals a process by its pid if it is still ours."""
        if self.alive(name):
            os.kill(self.processes[name]["pid"], number)

    def wait_end(self, name, seconds=END_SECONDS):
        """True when the process ended in time."""
        child = self.children.get(name)
        if child is not None:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True
        try:
            end = os.pidfd_open(self.processes[name]["pid"])  # not our child: nobody but the kernel knows
        except (KeyError, ProcessLookupError):
            return True
        try:
            return not self.alive(name) or bool(select.select([end], [], [], seconds)[0])
        finally:
            os.close(end)

    def memory(self, name):
        """Octets of memory of a process; what it shares with others counts in part (PSS). None if it cannot be told."""
        try:
            with open(f"/proc/{self.processes[name]['pid']}/smaps_rollup") as f:
                return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))
        except (KeyError, OSError):
            return None

    def log_tail(self, name, lines=12):
        """The last lines that a process wrote."""
        try:
            with open(self.processes[name]["log"], errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except (KeyError, FileNotFoundError):
            return ""
