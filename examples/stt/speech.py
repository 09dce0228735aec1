"""Recordings to transcribe: English sentences, spoken by espeak-ng into WAV files of 22 kHz. One thread at a time."""

import ctypes
import io
import itertools
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader

SENTENCES = Path(__file__).with_name("sentences.txt").read_text("utf-8").splitlines()
VOICE = b"en-us+f5"
WORDS_A_MINUTE = 150
PAUSE_S = 0.4

# of espeak-ng's speak_lib.h
SYNCHRONOUS, RATE_PARAMETER, CHARACTERS, UTF8 = 2, 1, 1, 1
HEAR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Spoken:
    """A recording, and what is said in it."""

    filename: str
    words: str
    audio: bytes


def recordings(count: int, sentences: int) -> Iterator[Spoken]:
    """So many recordings, of so many sentences each."""
    lines = itertools.cycle(SENTENCES)
    for number in range(1, count + 1):
        words = list(itertools.islice(lines, sentences))
        yield Spoken(f"recording-{number}.wav", " ".join(words), _wav(words))


def corrupt() -> Spoken:
    """An upload that says that it is a recording, and is none."""
    return Spoken("corrupt.wav", "", b"\x00This was a recording once." * 2000)


def _wav(sentences: list[str]) -> bytes:
    rate = _library()[1]
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        for sentence in sentences:
            file.writeframes(_samples(sentence) + bytes(2 * int(PAUSE_S * rate)))
    return content.getvalue()


def _samples(text: str) -> bytes:
    library, _ = _library()
    heard = bytearray()

    def hear(samples: Any, count: int, _events: object) -> int:
        if samples and count:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    listener = HEAR(hear)  # kept here: the library keeps no reference
    library.espeak_SetSynthCallback(listener)
    spoken = text.encode()
    if library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken) + 1), 0, CHARACTERS, 0, UTF8, None, None):
        raise RuntimeError(f"espeak-ng did not say {text!r}")
    return bytes(heard)


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """The library out of its package, and the samples a second that it makes."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    if rate <= 0 or library.espeak_SetVoiceByName(VOICE):
        raise RuntimeError("espeak-ng does not start: its data is missing or of another version")
    library.espeak_SetParameter(RATE_PARAMETER, WORDS_A_MINUTE, 0)
    return library, rate
