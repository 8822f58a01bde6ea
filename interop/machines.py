"""Machines for a test that installs and administrates as people do: each has a network, a host name, processes and a root file system of its own. What is written there
is gone with it; of this machine nothing is changed. It takes root, namespaces and overlayfs.

A machine is a process that does nothing, in namespaces of its own, at the root of an overlay above this machine's root; all others of it end with that one. systemd is
not there: `systemctl` is a script that reads units and starts what they say, as the user that they say.
"""
import os
import signal
import subprocess
import time

SECONDS = 90
# Words: a folder, the source tree (which may be another file system), a host name.
SETUP = """set -e
mount --make-rprivate /
cd "$1"
mount -t tmpfs tmpfs root
mkdir root/upper root/work root/all
mount -t overlay overlay -o lowerdir=/,upperdir=$1/root/upper,workdir=$1/root/work root/all
cd root/all
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p ".$2"
mount --bind "$2" ".$2"
mkdir -p run/machine/bin run/machine/log
mount --bind "$1/bin" run/machine/bin
mount --bind "$1/log" run/machine/log
hostname "$3"
rm -f etc/resolv.conf etc/hosts
printf '127.0.0.1 localhost\\n' >etc/hosts
ip link set dev lo up
echo 1 >proc/sys/net/ipv4/ip_nonlocal_bind
# A shell that waits: somebody has to bury the processes that have ended. Whoever comes before it is at this root would be at that of the machine below.
exec chroot . sh -c 'touch /run/machine/log/ready; sleep infinity & wait'
"""
# enable --now, disable --now, start, restart, reload, stop of units that are there; daemon-reload.
SYSTEMCTL = r"""#!/bin/sh
set -eu
command=$1
shift
[ "${1-}" != --now ] || shift
of_unit() { sed -n "s/^$1=//p" "$unit" | tail -n 1; }
start() {
    if [ "$(of_unit Type)" = oneshot ]; then
        eval "$(of_unit ExecStart)"
        return
    fi
    user=$(of_unit User)
    [ -z "$(of_unit StateDirectory)" ] || install -d -m "$(of_unit StateDirectoryMode)" -o "$user" -g "$user" "/var/lib/$(of_unit StateDirectory)"
    [ -z "$(of_unit RuntimeDirectory)" ] || install -d -o "$user" -g "$user" "/run/$(of_unit RuntimeDirectory)"
    eval "$(sed -n 's/^Environment=//p' "$unit" | tr -d \')"
    umask "$(of_unit UMask | sed 's/^$/0022/')"
    {
        eval "exec setsid setpriv --reuid=$user --regid=$user --init-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- $(of_unit ExecStart)"
    } >>"/run/machine/log/$1" 2>&1 </dev/null &
    echo $! >"/run/machine/$1.pid"
    # Who types is never as fast as the next line of a script.
    case $1 in
    ime-*) for _ in $(seq 200); do [ -S "/run/ime/${1#ime-}.sock" ] || ! kill -0 $! 2>/dev/null || sleep 0.05; done ;;
    esac
}
stop() {
    if [ "$(of_unit Type)" = oneshot ]; then
        eval "$(of_unit ExecStop)"
        return
    fi
    pid=$(cat "/run/machine/$1.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    rm -f "/run/ime/${1#ime-}.sock"
}
for name; do
    for folder in /etc /usr/local/lib /usr/lib; do
        [ ! -f "$folder/systemd/system/$name.service" ] || unit=$folder/systemd/system/$name.service
    done
    case $command in
    enable | start | restart) stop "$name"; start "$name" ;;
    reload) kill -HUP "$(cat "/run/machine/$name.pid")" ;;
    disable | stop) stop "$name" ;;
    esac
done
"""


class MachineError(Exception):
    """What this machine does not allow, or what a command said."""


def script(path, text):
    """A program."""
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, 0o755)


class Machine:
    """One of them; end() ends it."""

    def __init__(self, folder, tree, name):
        """folder: for its log files (log/) and programs that take the place of others (bin/)."""
        self.folder, self.name, self.tree = folder, name, tree
        for part in ("root", "bin", "log"):
            os.makedirs(os.path.join(folder, part))
        script(os.path.join(folder, "bin", "systemctl"), SYSTEMCTL)
        with open(os.path.join(folder, "log", "machine"), "wb") as log:
            self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "sh", folder, tree, name],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + SECONDS
        while not os.path.exists(os.path.join(folder, "log", "ready")):
            if self.holder.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise MachineError(f"{name}: {self.log('machine').strip() or 'no namespaces'}")
            time.sleep(0.01)
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children") as children:
            self.pid = int(children.read())

    def words(self):
        """What comes before a command of its own."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--ipc", "--pid", f"--root=/proc/{self.pid}/root", f"--wd=/proc/{self.pid}/root" + self.tree]

    def run(self, text, seconds=SECONDS):
        """Lines for a shell, as root: exit status, and what was printed, of both kinds."""
        environment = {"PATH": "/run/machine/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/srv", "LANG": "C.UTF-8"}
        done = subprocess.run([*self.words(), "sh", "-euc", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=seconds, check=False, env=environment)
        return done.returncode, done.stdout

    def do(self, text, seconds=SECONDS):
        """Likewise, and it has to succeed: what was printed."""
        status, said = self.run(text, seconds)
        if status != 0:
            raise MachineError(f"{self.name}: {text}\n{said}")
        return said

    def start(self, words, log):
        """A program that goes on."""
        with open(os.path.join(self.folder, "log", log), "ab") as out:
            return subprocess.Popen([*self.words(), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    @staticmethod
    def interrupt(started):
        """Says SIGINT to a program of words(), which is a child of nsenter."""
        with open(f"/proc/{started.pid}/task/{started.pid}/children") as children:
            for pid in children.read().split():
                os.kill(int(pid), signal.SIGINT)

    def path(self, path):
        """One of its files, as seen from here."""
        return f"/proc/{self.pid}/root{path}"

    def write(self, path, text, mode=0o644):
        """A file of its own; mode None: that of before."""
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as out:
            out.write(text)
        if mode is not None:
            os.chmod(self.path(path), mode)

    def log(self, name, characters=3000):
        """The end of what a program wrote."""
        try:
            with open(os.path.join(self.folder, "log", name), errors="replace") as log:
                return log.read()[-characters:]
        except FileNotFoundError:
            return ""

    def link(self, interface, other, other_interface):
        """An interface here and one at another machine, connected."""
        words = ["ip", "link", "add", "name", interface, "netns", str(self.pid), "type", "veth", "peer", "name", other_interface, "netns", str(other.pid)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise MachineError(f"{interface}: {done.stderr.strip()}")

    def give(self, interface, other, name):
        """An interface to another machine, where it has another name."""
        words = ["nsenter", f"--target={self.pid}", "--net", "ip", "link", "set", "dev", interface, "name", name, "netns", str(other.pid)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise MachineError(f"{interface}: {done.stderr.strip()}")

    def end(self):
        """With all of its processes."""
        if self.holder.poll() is None:
            self.holder.send_signal(signal.SIGKILL)
            self.holder.wait(SECONDS)
