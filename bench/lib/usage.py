"""What processes use, as the kernel counts it."""
import glob
import os
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")


def processes_of_session(session):
    """The pids of a program and of all that it has started."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session:
            found.append(int(path.split("/")[2]))
    return found


def cpu_seconds(pid):
    """What a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def proportional_octets(pid):
    """The memory of a process; what it shares counts in part."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:"))


def percentile(values, percent):
    """Of sorted values."""
    return values[min(len(values) - 1, len(values) * percent // 100)]


def kamailio_version():
    """As it says."""
    return subprocess.run(["kamailio", "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
