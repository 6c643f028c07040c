"""Films a second, ready for the model: from files as a user would read them, from files through our sandbox, and from a
pack through the training's own batch maker; and the films a second that training takes.

    python benchmarks/reading.py [--iu PATH] [--films 200] [--rounds 5] [--side-px 168] [--kinds NAME ...] [--train]
                                  [--out reading.json]

Kinds of films: 256 px JPEG (of IU X-ray where --iu names it, else phantoms), 2048 px JPEG, and 2048 px DICOM of 16 bits
without compression (drawn phantoms, a few, read again and again: files come out of the page cache for all alike).

    pillow      Pillow (for DICOM pydicom and a min-max window), area-averaged to the side, one by one
    sandbox     what training reads from files: decoded in a process of its own, then squared
    pack        SplitData.make on a pack of 256 px squares, averaged to the side
    pack-side   the same on a pack of exactly the model's side
    augmented   pack-side with the training's augmentation, which files would need as well

They take turns, so that a busy machine slows all. Seconds are the processor's, of the sandbox's own process too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from common import options_of, result, shuffled, spent, summary, times, write
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from mrg_llm.films import read_view
from mrg_llm.packing import Recipe, pack
from mrg_llm.settings import Settings, load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.studies.study import Study, StudySet, View

PACKED_PX, LARGE_PX, DRAWN = 256, 2048, 6
BATCH = 16
SHORTEST_S = 0.5  # of a measurement: a way that is quicker reads all films again
KINDS = ("jpeg-256", "jpeg-2048", "dicom-2048")

Way = Callable[[], int]  # reads all films once; returns how many


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--iu", type=Path, help="IU X-ray, as iu-xray: reads it")
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--side-px", type=int, default=168)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--train", action="store_true", help="measure training steps as well")
    options = parser.parse_args()
    sections, notes = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for kind, studies in kinds(Path(folder), options.iu, options.films, options.kinds).items():
            sections[kind] = section(ways_of(Path(folder) / kind, studies, options.side_px), options.rounds)
            show(kind, sections[kind])
        if options.train:
            rates = training(studies_of_phantoms(Path(folder) / "train", 48, 256), options.side_px)
            notes = [f"a training step of {stage} takes {rate:.1f} films a second" for stage, rate in rates.items()]
    found = result("reading", unit="processor milliseconds", per="film", side_px=options.side_px, sections=sections,
                   notes=notes)  # fmt: skip
    write(options.out, found)


# -- films -------------------------------------------------------------------------------------------------------------


def kinds(folder: Path, iu: Path | None, films: int, asked: Sequence[str]) -> dict[str, StudySet]:
    """Kind -> studies of one view, `films` of them, an eighth of the large ones."""
    found: dict[str, list[Path]] = {}
    if "jpeg-256" in asked and iu:
        found["jpeg-256"] = [view.path for study in open_studies(f"iu-xray:{iu}") for view in study.views][:films]
    elif "jpeg-256" in asked:
        found["jpeg-256"] = [saved(path, ".jpe") for path in phantoms(folder / "small", 20, 256)]
    if set(asked) - {"jpeg-256"}:
        large = phantoms(folder / "large", DRAWN // 2, LARGE_PX)
        found |= {kind: [saved(path, f".{kind[:3]}") for path in large] for kind in asked if kind != "jpeg-256"}
    return {
        kind: StudySet(
            kind,
            tuple(
                Study(f"s{n}", "train", (View(paths[n % len(paths)]),), "The lungs are clear.")
                for n in range(films if kind == "jpeg-256" else max(films // 8, BATCH))
            ),
        )
        for kind, paths in found.items()
    }


def phantoms(folder: Path, count: int, side_px: int) -> list[Path]:
    return [view.path for study in studies_of_phantoms(folder, count, side_px) for view in study.views]


def studies_of_phantoms(folder: Path, count: int, side_px: int) -> StudySet:
    write_phantoms(folder, count, seed=0, side_px=side_px, splits=(1.0, 0.0, 0.0))
    return open_studies(f"phantom:{folder}")


def saved(path: Path, suffix: str) -> Path:
    """The same film as JPEG (.jpe), or as DICOM of 16 bits (.dic)."""
    other, picture = path.with_suffix(suffix), Image.open(path)
    if suffix != ".dic":
        picture.save(other, "JPEG", quality=95)
        return other
    rng = np.random.default_rng(0)
    pixels = (np.asarray(picture).astype(np.uint16) << 8) + rng.integers(0, 256, picture.size[::-1], dtype=np.uint16)
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(other, enforce_file_format=True)
    return other


# -- ways to read them -------------------------------------------------------------------------------------------------


def ways_of(folder: Path, studies: StudySet, side_px: int) -> dict[str, Way]:
    def files(read: Callable[[View], np.ndarray]) -> Way:
        return lambda: sum(len(read(view)) == side_px for study in studies for view in study.views)

    def batches(packed_px: int, augmented: bool = False) -> Way:
        home = folder / str(packed_px)
        pack(home, studies, Recipe.of(studies, packed_px, "squash"))
        data = split_data(open_studies(f"pack:{home}"), settings_at(side_px), augmented)
        steps = data.steps_per_epoch(BATCH)
        return lambda: sum(int(batch.views.sum()) for batch in data.batches(BATCH, 0, steps))

    return {
        "pillow": files(lambda view: with_pillow(view.path, side_px)),
        "sandbox": files(lambda view: read_view(view, side_px, "squash")),
        "pack": batches(PACKED_PX),
        "pack-side": batches(side_px),
        "augmented": batches(side_px, augmented=True),
    }


def with_pillow(path: Path, side_px: int) -> np.ndarray:
    """What a user would write."""
    if path.suffix == ".dic":
        pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
        pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1) * 255
        picture = Image.fromarray(pixels.astype(np.uint8))
    else:
        picture = Image.open(path).convert("L")
    return np.asarray(picture.resize((side_px, side_px), Image.Resampling.BOX))


def settings_at(side_px: int) -> Settings:
    return load_settings("iu-xray", [f"model.vision.side_px={side_px}", "data.remember_gib=0"])


def split_data(studies: StudySet, settings: Settings, augmented: bool):
    from mrg_llm.model.sources import load_tokenizer
    from mrg_llm.training.data import SplitData

    return SplitData(studies.split("train"), load_tokenizer(settings.model.language.source), settings, augmented)


def section(ways: dict[str, Way], rounds: int) -> dict[str, Any]:
    """Milliseconds of the processor a film, of each way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):  # a first round warms up
        for name in shuffled(ways, number):
            begun, films = spent(), 0
            while not films or spent() - begun < SHORTEST_S:
                films += ways[name]()
            if number >= 0:
                found[name].append(1000 * (spent() - begun) / films)
    ratios = {f"{name} / pillow": times(values, found["pillow"]) for name, values in found.items() if name != "pillow"}
    return {"systems": {name: summary(values) for name, values in found.items()}, "ratios": ratios}


def show(kind: str, part: dict[str, Any]) -> None:
    for name, system in part["systems"].items():
        print(f"{kind:>11} {name:>10} {system['median']:9.3f} ms a film", flush=True)


# -- what training takes -----------------------------------------------------------------------------------------------


def training(studies: StudySet, side_px: int) -> dict[str, float]:
    """Stage -> films a second of its optimizer steps, with nothing remembered: every film goes through the encoder."""
    import torch

    from mrg_llm.model.modeling import MRGModel
    from mrg_llm.training.data import TextBank
    from mrg_llm.training.plan import measured_step
    from mrg_llm.training.precision import prepare_model

    settings = settings_at(side_px)
    settings = settings.model_copy(update={"train": settings.train.model_copy(update={"accumulate": 1})})
    model = MRGModel.build(settings.model, torch.bfloat16)
    prepare_model(model, bf16=True)
    data = split_data(studies, settings, augmented=True)
    bank = TextBank.build(data.studies, model.language, settings.model.alignment.text_layers)
    views = sum(len(study.views) for study in data.studies) / len(data)
    return {
        name: getattr(settings, name).batch * views / measured_step(name, model, settings, data, bank)
        for name in ("align_global", "generate")
    }


if __name__ == "__main__":
    main()
