"""A page of doc/ that tells what to do, as steps that can be taken: files to write, commands to type, and what is seen then.

A line "**On NAME:**" (or At, or From) says where what follows is done, until the next one or the next heading. A block whose first line is a comment with a path is that file; a block of sh is
typed there; a block of console has commands after "# " and what they print, where "…" is anything; a block of diff has the changes of such a file. Everything else is for people.
"""
import re

PLACE = re.compile(r"^\*\*(?:On|At|From) (.+?):\*\*")
HEADING = re.compile(r"^#+ (.+)$")
FENCE = re.compile(r"^```(\w*)$")
FILE = re.compile(r"^(?:#|;|//) (/\S+)$")


class Step:
    """One block."""

    def __init__(self, chapter, place, kind, line, text):
        self.chapter, self.place, self.line, self.text = chapter, place, line, text
        named = FILE.match(text.split("\n", 1)[0])
        self.file = named[1] if named else None
        self.kind = "file" if named and kind != "diff" else kind

    def dialogs(self):
        """Of console: (command, lines that are seen)."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("# "):
                found.append((line[2:], []))
            elif line.strip() not in ("", "…"):
                found[-1][1].append(line)
        return found

    def changed(self, there):
        """Of diff: what becomes of the file. Lines that stay and lines that go stand in it beside each other, once."""
        for change in re.split(r"^\.\.\.\n", self.text.split("\n", 1)[1], flags=re.M):
            lines = change.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
            if ("\n" + there).count("\n" + old) != 1:
                raise ValueError(f"{self.file} does not hold these lines once:\n{old}")
            there = there.replace(old, new, 1)
        return there


def steps(path):
    """In their order."""
    found, chapter, place, block, kind, begin = [], "", None, None, "", 0
    with open(path, encoding="utf-8") as document:
        for number, line in enumerate(document.read().splitlines(), 1):
            fence = FENCE.match(line)
            if block is not None:
                if line == "```":
                    found.append(Step(chapter, place, kind, begin, "\n".join(block) + "\n"))
                    block = None
                else:
                    block.append(line)
            elif fence:
                block, kind, begin = [], fence[1], number
            elif HEADING.match(line):
                chapter, place = HEADING.match(line)[1], None
            elif PLACE.match(line):
                place = PLACE.match(line)[1]
    return [step for step in found if step.place and step.kind]


def pattern(line):
    """What a shown line stands for."""
    return r"\s+".join(".*".join(map(re.escape, word.split("…"))) for word in line.split())


def missing(shown, said):
    """The first of the shown lines that was not said, in their order; None: all were."""
    at = 0
    lines = said.splitlines()
    for line in shown:
        wanted = re.compile(r"\s*" + pattern(line) + r"\s*")
        while at < len(lines) and not wanted.fullmatch(lines[at]):
            at += 1
        if at == len(lines):
            return line
        at += 1
    return None
