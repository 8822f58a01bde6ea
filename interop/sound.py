"""Tones for phones to play, and whether one was heard."""
import array
import math
import wave

RATE = 8000
SECONDS = 20
VOLUME = 8000
HEARD_SECONDS = 0.4  # of a call, at least
PURE = 0.5  # this part of what was heard is the tone


def write_tone(path, hertz):
    """A file that a phone can play."""
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array.array("h", (int(VOLUME * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE * SECONDS))).tobytes())


def read(path):
    """The samples of a file."""
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE), path
        return array.array("h", file.readframes(file.getnframes()))


def part(samples, hertz):
    """How much of the power of some sound is a tone: 0 to 1 (Goertzel)."""
    power = sum(s * s for s in samples)
    if not power:
        return 0
    factor = 2 * math.cos(2 * math.pi * hertz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + factor * one - two, one
    return 2 * (one * one + two * two - factor * one * two) / (power * len(samples))


def heard(samples, hertz):
    """True if the tone fills the best HEARD_SECONDS."""
    size = int(RATE * HEARD_SECONDS)
    return any(part(samples[at:at + size], hertz) > PURE for at in range(0, len(samples) - size + 1, size // 4))


# -- a sweep, whose pitch says which instant of it is heard ------------------------------------------------------------------------

LOW_HERTZ, SWEEP_HERTZ, PERIOD_SECONDS = 500, 2000, 2  # goes up from the first by so much, and begins again
FRAME = 160
QUIET = 300  # of a sample; what does not exceed it is silence


def write_sweep(path, seconds):
    """A file that a phone can play: no two instants within PERIOD_SECONDS sound alike."""
    samples, phase = array.array("h"), 0.0
    for n in range(RATE * seconds):
        hertz = LOW_HERTZ + SWEEP_HERTZ * (n / RATE / PERIOD_SECONDS % 1)
        phase += 2 * math.pi * hertz / RATE
        samples.append(int(VOLUME * math.sin(phase)))
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


def instant(frame):
    """Which second of the sweep's period is in the middle of a frame: by its zero crossings. None: nothing is heard, or two instants at once."""
    if max(map(abs, frame)) < QUIET:
        return None
    crossings = [n + frame[n] / (frame[n] - frame[n + 1]) for n in range(len(frame) - 1) if (frame[n] < 0) != (frame[n + 1] < 0)]
    if len(crossings) < 4:
        return None
    first, last, halves = crossings[0], crossings[-1], len(crossings) - 1
    middle = crossings[len(crossings) // 2]
    if abs((middle - first) / (len(crossings) // 2) - (last - first) / halves) > 0.25 * (last - first) / halves:
        return None
    hertz = halves * RATE / (2 * (last - first))
    at = (hertz - LOW_HERTZ) / SWEEP_HERTZ * PERIOD_SECONDS + (FRAME / 2 - (first + last) / 2) / RATE
    return at if 0 <= at < PERIOD_SECONDS else None


def gaps(samples):
    """Where something of the sweep is missing, or nothing is heard, in what a phone has heard: [(second, milliseconds)], those of a frame or more. A period's
    end and what is left over there count for nothing."""
    found, before = [], None  # (frame, instant) of the last good one
    for number in range(len(samples) // FRAME):
        at = instant(samples[number * FRAME:(number + 1) * FRAME])
        if at is None or not 0.1 < at < PERIOD_SECONDS - 0.1:
            continue
        if before is not None:
            heard = (number - before[0]) * FRAME / RATE
            missing = (at - before[1] - heard + PERIOD_SECONDS / 2) % PERIOD_SECONDS - PERIOD_SECONDS / 2
            quiet = sum(max(map(abs, samples[n * FRAME:(n + 1) * FRAME])) < QUIET for n in range(before[0] + 1, number)) * FRAME / RATE
            gap = max(0, missing) + quiet
            if gap > FRAME / RATE:
                found.append((number * FRAME / RATE, round(gap * 1000)))
        before = (number, at)
    return found
