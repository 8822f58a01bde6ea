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
