"""A model of ten lines that is as slow as it is told to be, and films to give to it."""

from __future__ import annotations

import io
import time

import numpy as np

from mrg_llm.exports import DraftReport, Sentence, read_identity
from mrg_llm.images import decode
from mrg_llm.serving.engine import Asked, Display, Looked, display

NOTICE = "Draft by software. Research use only, not a medical device."
SENTENCES = ("The heart is normal in size.", "The lungs are clear.", "There is a small left pleural effusion.")


class FakeEngine:
    """latency_s: of a batch. decodes: films are really read, in this process."""

    name, notice, threshold = "fake", NOTICE, 0.5

    def __init__(self, latency_s: float = 0.0, decodes: bool = False):
        self.latency_s, self.decodes, self.batches = latency_s, decodes, []

    def look(self, asked: Asked) -> Looked:
        if self.decodes:
            views = tuple(display(decode(film), None) for film in asked.films)
            return Looked(views, read_identity(list(asked.films)), asked)
        gray = (np.arange(64 * 48, dtype="<u2") % 4096).reshape(64, 48)
        return Looked(tuple(Display("PA", 64, 48, gray, 12) for _ in asked.films), None, asked)

    def write(self, batch, told) -> list[DraftReport]:
        self.batches.append(len(batch))
        for end in range(1, len(SENTENCES) + 1):
            time.sleep(self.latency_s / len(SENTENCES))
            for place in range(len(batch)) if told else ():
                told(place, " ".join(SENTENCES[:end]))
        sentences = tuple(Sentence(text, 0.9 - 0.3 * n, n == 2) for n, text in enumerate(SENTENCES))
        findings = " ".join(SENTENCES)
        return [DraftReport(findings, self.name, NOTICE, sentences=sentences, study=one.identity) for one in batch]

    def maps(self, looked: Looked, draft: DraftReport):
        rows, columns = np.mgrid[0:16, 0:16]
        return [
            [np.uint8(255 * np.exp(-((rows - 4 - 4 * s) ** 2 + (columns - 8) ** 2) / 9)) for _ in looked.views]
            for s in range(len(draft.sentences))
        ]


def png(side: int = 32, value: int = 128) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((side, side), value, np.uint8)).save(file, "PNG")
    return file.getvalue()
