"""Other projects' annotation files, in their true shapes, become tables that `table:` reads."""

import json

import pytest

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.studies import open_studies
from mrg_llm.studies.annotations import CHEXBERT, MORE
from mrg_llm.studies.importing import import_annotation
from mrg_llm.studies.phantom import write_phantoms


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Films to copy: (frontal, lateral) of six phantom studies."""
    root = tmp_path_factory.mktemp("drawn")
    write_phantoms(root, 6, side_px=32)
    return [
        (path.read_bytes(), path.with_name("lateral.png").read_bytes()) for path in sorted(root.rglob("frontal.png"))
    ]


@pytest.fixture
def put(tmp_path, drawn):
    """Puts a film at a path below images/."""

    def write(path, number=0, view=0):
        (tmp_path / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / path).write_bytes(drawn[number][view])
        return path

    return write


@pytest.fixture
def imported(tmp_path):
    def run(content, **how):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "annotation.json").write_text(text)
        (tmp_path / "images").mkdir(exist_ok=True)
        found = import_annotation(tmp_path / "annotation.json", tmp_path / "images", tmp_path / "t.jsonl", **how)
        return found, open_studies(f"table:{tmp_path / 't.jsonl'}")

    return run


def iu(put, uid, split=None, **more):
    id_ = f"CXR{uid}_IM-000{uid}"
    paths = [put(f"{id_}/{view}.png", uid, view) for view in (0, 1)]
    return {"id": id_, "report": f"Report {uid}.", "image_path": paths, **({"split": split} if split else {}), **more}


def mimic(put, dicom, study, subject, suffix=".jpg", **more):
    path = f"p{str(subject)[:2]}/p{subject}/s{study}/{dicom}"
    put(f"{path}{suffix}", dicom % 6)
    return {"id": f"{dicom:08x}", "study_id": study, "subject_id": subject, "report": f"Report {study}.",
            "image_path": [f"{path}.jpg"], "split": "train", **more}  # fmt: skip


def test_r2gens_iu_xray(put, imported):
    content = {
        "train": [iu(put, 1, "train"), iu(put, 2, "train")],
        "val": [iu(put, 3, "val")],
        "test": [iu(put, 4, "test")],
    }
    found, studies = imported(content)
    assert found.shape == "R2Gen's annotation of IU X-ray (R2GenGPT uses the same)" and found.notes == ()
    assert [(s.id, s.split, s.report, s.patient) for s in studies] == [
        (f"CXR{n}_IM-000{n}", split, f"Report {n}.", str(n))
        for n, split in ((1, "train"), (2, "train"), (3, "val"), (4, "test"))
    ]
    assert [len(s.views) for s in studies] == [2] * 4 and studies.notes == ()
    assert dict(found.counts) == {
        "rows read": 4, "studies written": 4, "  in train": 2, "  in val": 1, "  in test": 1, "films": 8,
    }  # fmt: skip


def test_r2gens_mimic_cxr_row_by_row_and_merged(put, imported):
    rows = [mimic(put, n, 50000001 + n // 2, 10000001 + n // 4) for n in range(6)]
    found, studies = imported({"train": rows, "val": [], "test": []})
    assert found.shape.startswith("R2Gen's annotation of MIMIC-CXR")
    assert [(s.id, len(s.views), s.patient) for s in studies] == [
        (f"{n:08x}", 1, str(10000001 + n // 4)) for n in range(6)
    ]
    found, studies = imported({"train": rows, "val": [], "test": []}, merge=True)
    assert [(s.id, len(s.views), s.report) for s in studies] == [
        (f"s5000000{n}", 2, f"Report 5000000{n}.") for n in (1, 2, 3)
    ]
    assert found.counts["rows read"] == 6 and found.counts["studies written"] == 3
    rows[1]["report"] = "Another."
    with pytest.raises(DataError, match=r"train\[1\] shares its study_id with a row of another findings"):
        imported({"train": rows}, merge=True)


def test_films_in_physionets_tree_and_with_other_suffixes(put, imported, tmp_path):
    row = mimic(put, 1, 50000001, 10000001, suffix=".dcm")
    (tmp_path / "images" / "p10").rename(tmp_path / "images" / "x")
    (tmp_path / "images" / "files").mkdir()
    (tmp_path / "images" / "x").rename(tmp_path / "images" / "files" / "p10")
    found, studies = imported({"train": [row]})
    assert found.counts["films found with another suffix"] == 1
    assert studies.studies[0].views[0].path == tmp_path / "images/files/p10/p10000001/s50000001/1.dcm"


def test_promptmrgs_mimic_cxr(put, imported):
    codes = [1, 0, 2, 3] + [0] * 10 + [1, 0, 0, 2]
    found, studies = imported({"train": [mimic(put, 1, 50000001, 10000001, labels=codes, clip_indices=[3, 4])]})
    assert found.shape == "PromptMRG's annotation of MIMIC-CXR"
    labels = studies.studies[0].labels
    assert list(labels) == [*CHEXBERT, *MORE]
    assert [labels[name] for name in (*CHEXBERT[:4], MORE[0], MORE[3])] == [1, None, 0, -1, 1, 0]


def test_promptmrgs_iu_xray_is_a_list_without_splits(put, imported):
    rows = [iu(put, n, labels=[0] * 13 + [1], clip_indices=[1]) for n in (1, 2)]
    found, studies = imported(rows)
    assert found.shape == "PromptMRG's annotation of IU X-ray"
    assert {s.split for s in studies} == {None} and studies.studies[0].labels["No Finding"] == 1
    assert ["the file has no splits" in note.rule for note in found.notes] == [True]
    found, studies = imported(rows, split="test")
    assert {s.split for s in studies} == {"test"} and found.notes == ()


def test_ids_that_come_twice(put, imported):
    rows = [iu(put, 1), iu(put, 1) | {"report": "Another."}, iu(put, 2) | {"id": "CXR1_IM-0001-2"}, iu(put, 1)]
    found, studies = imported(rows, split="test")
    assert [s.id for s in studies] == ["CXR1_IM-0001", "CXR1_IM-0001-2", "CXR1_IM-0001-2-2", "CXR1_IM-0001-3"]
    assert [note.ids for note in found.notes] == [("CXR1_IM-0001", "CXR1_IM-0001-2")]


def test_what_is_missing_is_named_and_counted(put, imported, tmp_path):
    rows = [iu(put, n, "train") for n in (1, 2, 3)]
    gone = [rows[0]["image_path"][1], *rows[1]["image_path"]]
    for path in gone:
        (tmp_path / "images" / path).unlink()
    rows[2] |= {"report": "  ", "split": "val"}
    found, studies = imported({"train": rows})
    assert {note.rule: note.ids for note in found.notes} == {
        "film missing": tuple(gone),
        "no film found, row left out": ("CXR2_IM-0002",),
        "rows that stand in one split's list and name another; the list counts": ("CXR3_IM-0003",),
        "empty report, row kept without one": ("CXR3_IM-0003",),
    }
    assert [(s.id, len(s.views), s.report) for s in studies] == [
        ("CXR1_IM-0001", 1, "Report 1."), ("CXR3_IM-0003", 2, None),
    ]  # fmt: skip
    assert (tmp_path / "t.missing.txt").read_text().splitlines() == gone
    assert f"note: film missing: 3 ({gone[0]}" in str(found) and "        3  rows read" in str(found)


def test_half_a_character_does_no_harm(put, imported):
    row = iu(put, 1) | {"report": "Clear \ud800."}
    row["image_path"].append("absent\udfff.png")
    found, studies = imported([row], split="test")
    assert studies.studies[0].report == "Clear ?." and len(found.touched["film missing"]) == 1


GOOD = {"id": "a", "report": "Clear.", "image_path": ["a.png"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ({}, "no annotation file we know"),
        ({"train": [{"id": "a"}]}, "no annotation file we know"),
        ("7", "no annotation file we know"),
        ({"train": [GOOD], "tset": []}, "key 'tset'"),
        ({"train": [GOOD], "val": {}}, "a list of studies under 'val'"),
        ({"train": [GOOD, 3]}, r"train\[1\] must be an object"),
        ({"train": [GOOD, {**GOOD, "image_path": ["../../secret"]}]}, r"train\[1\] must have an id"),
        ({"train": [GOOD, {**GOOD, "report": None}]}, r"train\[1\] must have an id"),
        ({"train": [{**GOOD, "labels": [0] * 12}]}, "14 or 18 labels"),
        ({"train": [{**GOOD, "labels": [4] * 14}]}, "14 or 18 labels"),
        ({"train": [GOOD]}, "holds none of the films"),
    ],
)
def test_a_bad_file_is_one_sentence_and_writes_nothing(imported, tmp_path, content, words):
    with pytest.raises(DataError, match=words) as caught:
        imported(content)
    assert "\n" not in str(caught.value) and "Clear" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["annotation.json", "images"]


def test_bad_arguments(put, imported, tmp_path):
    with pytest.raises(DataError, match="--split is dev"):
        imported([iu(put, 1)], split="dev")
    annotation, images = tmp_path / "annotation.json", tmp_path / "images"
    with pytest.raises(DataError, match=r"must end in \.jsonl"):
        import_annotation(annotation, images, tmp_path / "t.csv")
    with pytest.raises(DataError, match="is not a folder"):
        import_annotation(annotation, tmp_path / "absent", tmp_path / "t.jsonl")
    (tmp_path / "file").write_text("")
    (tmp_path / "annotation.json").write_text(json.dumps([iu(put, 1)]))
    with pytest.raises(ResourceError, match="cannot be written"):
        import_annotation(annotation, images, tmp_path / "file" / "t.jsonl")


def test_the_development_copy(shared_data, tmp_path):
    folder = shared_data / "iu_xray"
    found = import_annotation(folder / "annotation.json", folder / "images", tmp_path / "iu.jsonl")
    assert [note.ids for note in found.notes] == [("CXR2084_IM-0715-1001/1.jpg", "CXR3809_IM-1919/1.jpg")]
    ours, theirs = open_studies(f"table:{tmp_path / 'iu.jsonl'}"), open_studies(f"iu-xray:{folder}")
    assert [(s.id, s.split, s.report, s.patient) for s in ours] == [
        (s.id, s.split, s.report, s.patient) for s in theirs
    ]
    assert [v.path for s in ours for v in s.views] == [v.path for s in theirs for v in s.views]
