"""What was said in a WAV recording. The work is for the CPU: about a third of the time that it took to say it."""

import io
import math
import wave
from array import array
from collections.abc import Callable
from functools import cache
from operator import mul

from pocketsphinx import Decoder

RATE = 16_000
"""Samples a second that the model was made for."""
RATES = range(8_000, 192_001)
CHUNK_S = 0.5
"""How much is listened to between two words of progress."""
ZERO_CROSSINGS = 8
"""Of the low-pass filter, on either side: more is sharper, and slower."""


class BadRecording(ValueError):
    """It is none that can be listened to."""


def transcribe(audio: bytes, tell: Callable[[float], object]) -> str:
    """The words in a WAV file, in lower case; `tell` hears how far it is, from 0 to 1. Raises BadRecording."""
    samples = resampled(*_read(audio))
    chunk = int(CHUNK_S * RATE)
    decoder = _decoder()
    decoder.start_utt()
    try:
        for start in range(0, len(samples), chunk):
            decoder.process_raw(samples[start : start + chunk].tobytes())
            tell(min(1.0, (start + chunk) / len(samples)))
    finally:
        decoder.end_utt()
    heard = decoder.hyp()
    return heard.hypstr if heard else ""


def resampled(samples: "array[int]", rate: int) -> "array[int]":
    """The same sound at RATE samples a second: a windowed sinc, one set of weights for each position between two samples."""
    if rate == RATE:
        return samples
    shared = math.gcd(rate, RATE)
    steps, step = RATE // shared, rate // shared
    cutoff = min(1.0, RATE / rate)  # what is too high for the new rate would come back as noise
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    weights = [[_weight(k - n / steps, cutoff, reach) for k in range(1 - reach, reach + 1)] for n in range(steps)]
    silence = array("h", bytes(2 * reach))
    padded = silence + samples + silence
    converted = array("h")
    for n in range(len(samples) * steps // step):
        at, between = divmod(n * step, steps)
        value = round(sum(map(mul, weights[between], padded[at + 1 : at + 1 + 2 * reach])))
        converted.append(max(-32768, min(32767, value)))
    return converted


def _weight(distance: float, cutoff: float, reach: int) -> float:
    angle = math.pi * cutoff * distance
    sinc = math.sin(angle) / angle if angle else 1.0
    return cutoff * sinc * (0.5 + 0.5 * math.cos(math.pi * distance / reach))


def _read(audio: bytes) -> tuple["array[int]", int]:
    try:
        with wave.open(io.BytesIO(audio)) as file:
            form, frames = file.getparams(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise BadRecording(f"this is no WAV file: {str(error) or 'it ends too early'}") from error
    if form.nchannels != 1 or form.sampwidth != 2 or form.framerate not in RATES:
        raise BadRecording(
            f"a recording must be mono, 16 bits, {RATES.start} to {RATES[-1]} Hz, "
            f"not {form.nchannels} channels, {8 * form.sampwidth} bits, {form.framerate} Hz"
        )
    if len(frames) != 2 * form.nframes or not frames:
        raise BadRecording(f"this recording is cut off: {len(frames)} of {2 * form.nframes} bytes are there")
    samples = array("h", frames)
    return samples, form.framerate


@cache
def _decoder() -> Decoder:
    """The model, loaded once in a process."""
    return Decoder(samprate=RATE, loglevel="FATAL", fwdflat=False)
