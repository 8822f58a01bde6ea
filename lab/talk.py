"""A phone that calls, in a process of its own: what it notes while the call goes on, and afterwards."""
import json
import signal
import subprocess
import threading

from world import WorldError

END_SECONDS = 90


class Talk:
    """One call, from its beginning; events are the lines of JSON of ime-pstn call."""

    def __init__(self, argv):
        self.events, self.changed = [], threading.Condition()
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.reader = threading.Thread(target=self._read, name="talk", daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.child.wait()
            self.changed.notify_all()

    def noted(self, *kinds):
        """Its events of these kinds so far."""
        with self.changed:
            return [event for event in self.events if event["event"] in kinds]

    def is_up(self):
        """Answered, and not over."""
        return self.child.poll() is None and bool(self.noted("answered")) and not self.noted("ended", "failed")

    def wait(self, kind, seconds=END_SECONDS, count=1):
        """The count-th event of a kind."""
        with self.changed:
            came = self.changed.wait_for(lambda: len([e for e in self.events if e["event"] == kind]) >= count or self.child.poll() is not None, seconds)
        found = self.noted(kind)
        if len(found) < count:
            raise WorldError(f"the caller's phone notes no {kind} " + (f"within {seconds} s" if not came else "before its end") + f": {self.words()}")
        return found[count - 1]

    def words(self):
        """Its events by name, and what it said on standard error."""
        said = self.child.stderr.read().strip() if self.child.poll() is not None else ""
        return ", ".join(event["event"] for event in self.events) + (f" ({said})" if said else "")

    def hang_up(self):
        """The caller does; what was noted of the whole call."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        return self.over()

    def over(self, seconds=END_SECONDS):
        """Waits for the end; what was noted of the whole call."""
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise WorldError("the caller's phone does not end its call") from error
        self.reader.join(seconds)
        last = self.noted("ended", "failed")
        if not last:
            raise WorldError(f"the caller's phone ended without a word about its call: {self.words()}")
        return last[-1]

    def stop(self):
        """Whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
