"""How the story is told: steps, what happens in them, what must have happened, and a table of figures at the end."""
import collections
import sys
import time

Step = collections.namedtuple("Step", "name title needs run")
STEP_SECONDS = 90


class Failure(Exception):
    """A step that did not happen."""


class Teller:
    """Prints what happens as it happens."""

    def __init__(self):
        self.began = time.monotonic()
        self.color = sys.stdout.isatty()
        self.figures = []  # (step, what was shown, what was measured)
        self.step_name = None

    def paint(self, code, text):
        """Colors on a terminal only."""
        return f"\033[{code}m{text}\033[0m" if self.color else text

    def step(self, number, count, step):
        """A heading."""
        self.step_name = step.name
        print("\n" + self.paint("1", f"{number}/{count} {step.name}: {step.title}"), flush=True)

    def say(self, text):
        """One thing that happened."""
        stamp = f"{time.monotonic() - self.began:6.1f} s"
        for line in text.splitlines():
            print(f"{self.paint('2', stamp)}  {line}", flush=True)
            stamp = " " * len(stamp)

    def check(self, good, text):
        """One thing that must have happened."""
        if not good:
            raise Failure(text)
        self.say(f"{self.paint('32', 'ok')}  {text}")

    def figure(self, what, measured):
        """A row of the table at the end."""
        self.figures.append((self.step_name, what, measured))

    def table(self):
        """What was shown, and what was measured."""
        if not self.figures:
            return
        widths = [max(len(row[i]) for row in self.figures) for i in (0, 1)]
        print("\n" + self.paint("1", "What was shown"))
        before = None
        for name, what, measured in self.figures:
            print(f"  {name if name != before else '':{widths[0]}}  {what:{widths[1]}}  {measured}")
            before = name
        sys.stdout.flush()


def wait_for(condition, what, seconds=STEP_SECONDS, pause=0.05):
    """Asks until the condition gives something; control sockets answer questions, they do not call back. what: a text, or a function."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"{what() if callable(what) else what} did not happen within {seconds} s")
        time.sleep(pause)
    return result
