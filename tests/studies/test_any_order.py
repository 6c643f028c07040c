"""Every reader: the same folder gives the same studies, in whatever order the disk lists its files."""

import csv
import json
import os
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from mrg_llm.packing import Recipe, pack
from mrg_llm.studies import READERS, StudySet, open_studies
from mrg_llm.studies.phantom import write_phantoms
from tests.images.made import dicom
from tests.studies.mimic_tree import cases, rows_of, write_films, write_reports, write_table

XML = (
    '<eCitation><uId id="CXR{n}"/><AbstractText Label="FINDINGS">{report}</AbstractText>'
    '<parentImage id="CXR{n}_1_IM-000{n}-3001"/><parentImage id="CXR{n}_1_IM-000{n}-4001"/></eCitation>'
)


def r2gen(root, studies):
    rows = {"train": [], "val": [], "test": []}
    for n, study in enumerate(studies):
        id_ = f"CXR{n}_IM-000{n}"
        for number, view in enumerate(study.views):
            copied(view.path, root / "images" / id_ / f"{number}.png")
        split = ("train", "val", "test")[n % 3]
        rows[split].append({"id": id_, "report": study.report, "split": split,
                            "image_path": [f"{id_}/{number}.png" for number in range(len(study.views))]})  # fmt: skip
    (root / "annotation.json").write_text(json.dumps(rows))


def open_i(root, studies):
    (root / "ecgen-radiology").mkdir()
    for n, study in enumerate(studies):
        (root / "ecgen-radiology" / f"{n}.xml").write_text(XML.format(n=n, report=study.report))
        for view, name in zip(study.views, ("3001", "4001"), strict=True):
            copied(view.path, root / "NLMCXR_png" / f"CXR{n}_1_IM-000{n}-{name}.png")


def kaggle(root, studies):
    reports, films = [("uid", "findings")], [("uid", "filename", "projection")]
    for n, study in enumerate(studies):
        reports.append((n, study.report))
        for view in study.views:
            name = f"{n}_{view.projection}.dcm.png"
            copied(view.path, root / "images_normalized" / name)
            films.append((n, name, view.projection))
    written(root / "indiana_reports.csv", reports)
    written(root / "indiana_projections.csv", films)


def image_folder(root, studies):
    """A Hugging Face image folder: metadata.csv beside the films of each split."""
    for part in ("train", "test", "validation"):
        rows = [("id", "images", "projection", "findings")]
        for study in studies[:2]:
            for view in study.views:
                name = f"{study.id}-{view.projection}.png"
                copied(view.path, root / part / name)
                rows.append((f"{part}-{study.id}", name, view.projection, study.report))
        written(root / part / "metadata.csv", rows)


def shards(root, studies):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for n, study in enumerate(studies):
        (root / "films").mkdir(exist_ok=True)
        copied(study.views[0].path, root / "films" / f"{n}.png")
        row = {"id": [study.id], "images": [[f"films/{n}.png"]], "findings": [study.report]}
        parquet.write_table(pyarrow.table(row), root / f"train-0000{n}-of-00004.parquet")


def phantom(root, studies):
    shutil.copytree(studies[0].views[0].path.parents[2], root, dirs_exist_ok=True)


def mimic(root, studies):
    found = cases([study.report for study in studies])
    home = root / "physionet.org" / "files"
    write_films(home / "mimic-cxr-jpg" / "2.1.0" / "files", found, studies[0].views[0].path.parents[2])
    write_films(home / "mimic-cxr" / "2.0.0" / "files", found, studies[0].views[0].path.parents[2], ".dcm")
    write_reports(home / "mimic-cxr" / "2.0.0" / "mimic-cxr-reports" / "files", found)
    for name, rows in rows_of(found).items():
        write_table(home / "mimic-cxr-jpg" / "2.1.0", name, rows)
        write_table(home / "mimic-cxr-jpg" / "2.0.0", name, rows[:5])


def hospital(root, studies):
    for n, study in enumerate(studies):
        for view, position in zip(study.views, ("PA", "LL"), strict=True):
            pixels = np.asarray(Image.open(view.path)).astype(np.uint16) << 4
            path = root / f"{n % 2}" / f"{n}-{position}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(dicom(pixels, StudyInstanceUID=f"1.2.{n}", ViewPosition=position, PatientID=f"{n % 2}"))


def packed(root, studies):
    source = StudySet("made:here", tuple(studies))
    pack(root, source, Recipe.of(source, 32, "squash", 3))


LAYOUTS = {
    "R2Gen": ("iu-xray", r2gen), "Open-i": ("iu-xray", open_i), "Kaggle": ("iu-xray", kaggle),
    "image folder": ("table", image_folder), "Parquet shards": ("table", shards), "phantoms": ("phantom", phantom),
    "PhysioNet": ("mimic-cxr", mimic), "hospital": ("dicom", hospital), "pack": ("pack", packed),
}  # fmt: skip


def copied(film, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(film).save(path)


def written(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


class Listing(list):
    """What os.scandir gives: an iterator that can be closed."""

    def __enter__(self):
        return iter(self)

    def __exit__(self, *_):
        pass


@pytest.fixture
def disk_in_order(monkeypatch):
    """A function of a seed: from then on folders are listed in an order of that seed's."""
    listdir, scandir = os.listdir, os.scandir

    def shuffled(entries, seed, name):
        entries = sorted(entries, key=name)
        random.Random(seed).shuffle(entries)
        return Listing(entries)

    def use(seed):
        monkeypatch.setattr(os, "listdir", lambda *a: list(shuffled(listdir(*a), seed, str)))
        monkeypatch.setattr(os, "scandir", lambda *a: shuffled(scandir(*a), seed, lambda entry: entry.name))

    return use


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    write_phantoms(root, 4, seed=5, side_px=32)
    return open_studies(f"phantom:{root}").studies


def test_every_kind_is_here():
    assert {kind for kind, _ in LAYOUTS.values()} == set(READERS)


def test_the_disk_is_shuffled(disk_in_order, tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02}.txt").touch()
    listed = set()
    for seed in range(3):
        disk_in_order(seed)
        listed |= {tuple(path.name for path in found) for found in (tmp_path.iterdir(), tmp_path.glob("*.txt"),
                                                                  tmp_path.rglob("*.txt"))}  # fmt: skip
    assert len(listed) == 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", [{}, {"sections": "findings+impression", "split_by": "seed"}])
def test_reading_again_gives_the_same(layout, options, studies, tmp_path, disk_in_order):
    kind, make = LAYOUTS[layout]
    make(tmp_path, studies)
    first = open_studies(f"{kind}:{tmp_path}", **options)
    assert len(first) >= 4
    for seed in range(6):
        disk_in_order(seed)
        again = open_studies(f"{kind}:{tmp_path}", **options)
        assert again == first and again.fingerprint == first.fingerprint
