"""Anyone's table of studies: CSV, JSONL, Parquet and Hugging Face folders give the same studies, in any order."""

import csv
import io
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.images import read_film
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from tests.conftest import REPOSITORY

COLUMNS = ("id", "images", "projection", "findings", "impression", "indication", "split", "patient", "labels")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, 4, seed=2, side_px=32)
    return root


@pytest.fixture
def studies(phantoms, tmp_path):
    """Four phantom studies as rows of plain values, and their films beside the table."""
    (tmp_path / "images").symlink_to(phantoms / "images")
    return [
        {
            "id": study.id,
            "images": [str(view.path.relative_to(phantoms)) for view in study.views],
            "projection": [view.projection for view in study.views],
            "findings": study.report,
            "impression": "No acute disease." if number else None,
            "indication": "Cough; fever, \"acute\"" if number == 1 else None,
            "split": ("train", "val", "test", "train")[number],
            "patient": f"p{number // 2}" if number != 3 else "p7",
            "labels": {"Edema": 1, "Pneumonia": 0, "Fracture": None} if number == 2 else None,
        }
        for number, study in enumerate(open_studies(f"phantom:{phantoms}"))
    ]  # fmt: skip


def csv_text(rows, separator=",", columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        labels = ";".join(f"{k}={'' if v is None else v}" for k, v in (row.get("labels") or {}).items())
        flat = {k: ";".join(v) if isinstance(v, list) else v for k, v in row.items()}
        writer.writerow(flat | ({"labels": labels} if "labels" in columns else {}))
    return text.getvalue()


def jsonl_text(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def opened(path, text=None, **how):
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return open_studies(f"table:{path}", **how)


def contents(studies):
    return [replace(study, views=tuple(replace(v, path=v.path.name) for v in study.views)) for study in studies]


# -- one schema, every format ------------------------------------------------------------------------------------------


def test_csv_and_jsonl_hold_the_same_studies(studies, tmp_path):
    of_jsonl = opened(tmp_path / "a.jsonl", jsonl_text(studies))
    assert [s.id for s in of_jsonl] == [row["id"] for row in studies] and of_jsonl.notes == ()
    first, second, third, _ = of_jsonl.studies
    assert (first.impression, second.indication) == (None, 'Cough; fever, "acute"')
    assert [v.projection for v in first.views] == ["frontal", "lateral"]
    assert (third.labels, third.patient) == ({"Edema": 1, "Pneumonia": 0, "Fracture": None}, "p1")
    assert first.report == studies[0]["findings"] and first.labels is None and first.truth is None
    for name, separator in (("b.csv", ","), ("c.csv", ";"), ("d.tsv", "\t")):
        assert opened(tmp_path / name, csv_text(studies, separator)).studies == of_jsonl.studies
    assert opened(tmp_path / "E.CSV", csv_text(studies)).studies == of_jsonl.studies
    assert opened(tmp_path / "bom.csv", "\ufeff" + csv_text(studies)).studies == of_jsonl.studies
    assert read_film(first.views[0].path).pixels.shape == (32, 32)


def test_parquet_holds_the_same_studies(studies, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{**row, "labels": row["labels"] and json.dumps(row["labels"])} for row in studies]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert opened(tmp_path / "a.parquet").studies == opened(tmp_path / "a.jsonl", jsonl_text(studies)).studies


def test_columns_go_by_other_names_and_may_be_numbered(studies, tmp_path):
    text = "Study ID,Image-1,image 2,View_Position_1,view_position_2,REPORT,age\n"
    text += "".join(f'{r["id"]},{r["images"][0]},{r["images"][1]},PA,LL,"{r["findings"]}",70\n' for r in studies[:2])
    text += f"lone,,{studies[2]['images'][1]},,lateral,,\n"
    found = opened(tmp_path / "a.csv", text)
    assert [[v.projection for v in s.views] for s in found] == [
        ["frontal", "lateral"],
        ["frontal", "lateral"],
        ["lateral"],
    ]
    assert found.studies[0].report == studies[0]["findings"] and found.studies[2].report is None
    rules = {note.rule: note.ids for note in found.notes}
    assert (
        rules["column not used"] == ("age",)
        and len(rules["no split column, so in no split (--split-by seed deals)"]) == 3
    )


def test_a_row_may_be_one_film(studies, tmp_path):
    rows = [{**row, "images": image, "projection": projection} for row in studies
            for image, projection in zip(row["images"], row["projection"], strict=True)]  # fmt: skip
    whole = opened(tmp_path / "whole.jsonl", jsonl_text(studies))
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        found = opened(tmp_path / "films.jsonl", jsonl_text(rows))
        assert sorted(found, key=lambda s: s.id) == sorted(whole, key=lambda s: s.id)
    rows[0]["findings"] = "Something else."
    with pytest.raises(DataError, match=rf"films\.jsonl, line \d, have the id {rows[0]['id']} but differ in findings"):
        opened(tmp_path / "films.jsonl", jsonl_text(rows))


def test_what_is_missing_is_noted(studies, tmp_path):
    studies[0]["images"][1] = "images/gone.png"
    studies[1].update(images=[], projection=None)
    studies[2]["projection"] = ["oblique", "lateral"]
    found = opened(tmp_path / "a.jsonl", jsonl_text(studies))
    rules = {note.rule: note.ids for note in found.notes}
    assert rules == {
        "projection of another name, taken as unknown": (studies[2]["id"],),
        "image file missing, study kept with its other views": (studies[0]["id"],),
        "no image file, study left out": (studies[1]["id"],),
    }
    assert [v.projection for v in found.studies[1].views] == [None, "lateral"]


def test_labels_in_their_forms(studies, tmp_path):
    forms = (
        "Edema=1;Fracture=",
        '{"Edema": 1, "Fracture": null}',
        {"Edema": 1.0, "Fracture": None},
        ["Edema"],
        3,
        [0, 1],
    )
    rows = [{"id": f"a{n}", "images": studies[0]["images"], "labels": form} for n, form in enumerate(forms)]
    found = opened(tmp_path / "a.jsonl", jsonl_text(rows))
    both = {"Edema": 1, "Fracture": None}
    assert [s.labels for s in found] == [both, both, both, {"Edema": 1}, None, None]
    assert found.notes[0].rule == "labels are numbers without names, not used" and found.notes[0].ids == ("a4", "a5")


# -- Hugging Face folders ----------------------------------------------------------------------------------------------


def hugging_face(studies, tmp_path):
    datasets = pytest.importorskip("datasets")
    films = [[str(tmp_path / image) for image in row["images"]] for row in studies]
    rows = [
        {"study_id": r["id"], "images": paths, "findings": r["findings"]}
        for r, paths in zip(studies, films, strict=True)
    ]
    features = datasets.Features({"study_id": datasets.Value("string"), "images": datasets.List(datasets.Image()),
                                  "findings": datasets.Value("string")})  # fmt: skip
    return datasets.DatasetDict({
        "train": datasets.Dataset.from_list(rows[:3], features=features),
        "validation": datasets.Dataset.from_list(rows[3:], features=features),
    })  # fmt: skip


def assert_as_written(found, studies, root):
    assert [(s.id, s.split, s.report) for s in found] == [
        (row["id"], "train" if n < 3 else "val", row["findings"]) for n, row in enumerate(studies)
    ]
    for row, study in zip(studies, found, strict=True):
        for image, view in zip(row["images"], study.views, strict=True):
            assert view.path.read_bytes() == (root / image).read_bytes()
    return {view.path: view.path.read_bytes() for study in found for view in study.views}


def test_saved_to_disk(studies, tmp_path):
    hugging_face(studies, tmp_path).save_to_disk(tmp_path / "hub")
    found = opened(tmp_path / "hub")
    assert_as_written(found, studies, tmp_path)
    assert open_studies(f"table:{tmp_path / 'hub'}").fingerprint == found.fingerprint
    hugging_face(studies, tmp_path)["train"].save_to_disk(tmp_path / "one")
    assert [s.split for s in opened(tmp_path / "one")] == [None] * 3


def test_parquet_shards_with_the_images_inside(studies, tmp_path):
    data = hugging_face(studies, tmp_path)
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for name, part in data.items():
        embedded = part.with_format("arrow").map(with_bytes, batched=True)
        embedded.to_parquet(tmp_path / "hub" / "data" / f"{name}-00000-of-00001.parquet")
    found = opened(tmp_path / "hub")
    written = assert_as_written(found, studies, tmp_path)
    assert {path.parent for path in written} == {tmp_path / "hub.films"}
    before = {path: path.stat().st_mtime_ns for path in written}
    assert opened(tmp_path / "hub").studies == found.studies
    assert {path: path.stat().st_mtime_ns for path in written} == before  # written once
    assert sorted((tmp_path / "hub.films").iterdir()) == sorted(written)


def with_bytes(batch):
    import pyarrow as pa

    rows = batch.to_pylist()
    for row in rows:
        row["images"] = [{"bytes": Path(image["path"]).read_bytes(), "path": None} for image in row["images"]]
    return pa.Table.from_pylist(rows, schema=batch.schema)


def test_images_that_cannot_be_written_beside_the_table(studies, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    content = (tmp_path / studies[0]["images"][0]).read_bytes()
    parquet.write_table(pa.Table.from_pylist([{"image": content, "text": "Clear."}]), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.films").write_text("in the way")
    with pytest.raises(ResourceError, match=r"a\.parquet\.films"):
        opened(tmp_path / "a.parquet")
    (tmp_path / "a.parquet.films").unlink()
    assert [(s.id, s.report) for s in opened(tmp_path / "a.parquet")] == [("row-000001", "Clear.")]


def test_an_image_folder(studies, tmp_path):
    for split, rows in (("train", studies[:3]), ("validation", studies[3:])):
        folder = tmp_path / "hub" / split
        folder.mkdir(parents=True)
        lines = ["file_name,text"]
        for number, row in enumerate(rows):
            (folder / f"{number}.png").write_bytes((tmp_path / row["images"][0]).read_bytes())
            lines.append(f'{number}.png,"{row["findings"]}"')
        (folder / "metadata.csv").write_text("\n".join(lines))
    found = opened(tmp_path / "hub")
    assert [(s.id, s.split) for s in found] == [
        ("train/0", "train"), ("train/1", "train"), ("train/2", "train"), ("validation/0", "val"),
    ]  # fmt: skip


# -- determinism -------------------------------------------------------------------------------------------------------


@given(order=st.permutations(range(4)), seed=st.integers(0, 99), form=st.sampled_from(["csv", "jsonl"]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_depends_on_no_order(studies, tmp_path, order, seed, form):
    write = csv_text if form == "csv" else jsonl_text
    plain = opened(tmp_path / f"plain.{form}", write(studies), split_by=f"seed:{seed}")
    shuffled = opened(tmp_path / f"mixed.{form}", write([studies[i] for i in order]), split_by=f"seed:{seed}")
    assert [s.id for s in shuffled] == [studies[i]["id"] for i in order]
    assert sorted(shuffled, key=lambda s: s.id) == sorted(plain, key=lambda s: s.id)
    assert opened(tmp_path / f"mixed.{form}", split_by=f"seed:{seed}").fingerprint == shuffled.fingerprint
    homes = {(s.patient, s.split) for s in plain}
    assert len(homes) == 3  # p0, p1, p7: the two studies of p0 are together


def test_half_a_character_does_no_harm(studies, tmp_path):
    line = json.dumps(studies[0] | {"id": "a\ud800", "findings": "Clear \udfff lungs."})
    found = opened(tmp_path / "a.jsonl", line)
    assert (found.studies[0].id, found.studies[0].report) == ("a?", "Clear ? lungs.") and found.fingerprint


# -- the manual --------------------------------------------------------------------------------------------------------


def test_the_manuals_examples(studies, tmp_path):
    """docs/data.md: the CSV and the JSONL are the same study, and the hospital's export is read as it says."""
    manual = (REPOSITORY / "docs" / "data.md").read_text()
    head, row = re.search(r"^    (id,images,.*)\n    (a1,.*)$", manual, re.MULTILINE).groups()
    line = " ".join(re.search(r'^    (\{"id": "a1".*)\n +(.*\}\})$', manual, re.MULTILINE).groups())
    for name in ("front", "side"):
        (tmp_path / "a1").mkdir(exist_ok=True)
        (tmp_path / "a1" / f"{name}.dcm").write_bytes((tmp_path / studies[0]["images"][0]).read_bytes())
    of_csv = opened(tmp_path / "a.csv", f"{head}\n{row}\n").studies[0]
    assert of_csv.labels == {"Cardiomegaly": 0} and of_csv.impression == "No acute disease."
    assert replace(of_csv, impression=None) == opened(tmp_path / "a.jsonl", line).studies[0]

    columns = re.search(r"columns `(Accession;[^`]*)`", manual)[1]
    rows = [f"e1;{image};{view};Clear.;70" for image, view in zip(studies[0]["images"], ("LL", "PA"), strict=True)]
    found = opened(tmp_path / "export.csv", "\n".join([columns, *rows]))
    assert [v.projection for v in found.studies[0].views] == ["frontal", "lateral"]
    assert (found.studies[0].id, found.studies[0].report) == ("e1", "Clear.")
    assert {note.rule for note in found.notes} == {
        "several rows a study, taken as its views", "column not used",
        "no split column, so in no split (--split-by seed deals)",
    }  # fmt: skip


# -- bad input ---------------------------------------------------------------------------------------------------------

GOOD = {"id": "a1", "images": ["images/a.png"], "findings": "Clear."}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"a\.csv is empty"),
        ("id,images,findings\n", "holds no study"),
        ("id,images,finding\na1,x.png,Clear.\n", "has a column 'finding'; was 'findings' meant"),
        ("nr,images,findings\na1,x.png,Clear.\n", "no column 'id'.*nearest of its columns is 'nr'"),
        ("id,imgs,findings\na1,x.png,Clear.\n", "'imgs'; was 'images' meant|no column 'images'.*'imgs'"),
        ("id,report,caption,image\na1,x,y,x.png\n", "'report' and 'caption', which both mean findings"),
        ("id,images,findings\na1,x.png\n", "line 2, has fewer cells"),
        ("id,images,id\na1,x.png,a1\n", "the column 'id' more than once"),
        ("id,images,findings\na1,x.png,Clear, and more.\n", "line 2, has more cells.*quotes"),
        ("id,images,findings\n ,x.png,Clear.\n", "line 2, has an empty id"),
        ("id,images,split\na1,x.png,trian\n", "line 2, study a1, has a split that is none of train, val, test"),
        ("id,images,projection\na1,x.png,PA;LL\n", "study a1, names 1 images but 2 projections"),
        ("id,images,labels\na1,x.png,Edema\n", "study a1, has labels that are not"),
        ("id,images,labels\na1,x.png,Edema=2\n", "study a1, has labels that are not"),
        ("id,images,findings\na1,x.png,Clear.\n", "none of the 1 studies"),
        (b"id,images\na1,\xff\xfe.png\n", r"cannot be read as CSV \(UnicodeDecodeError\); save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_csv_is_one_sentence(tmp_path, text, words):
    (tmp_path / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path / "a.csv")
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1, is not JSON"),
        ("[]", "line 1, must be an object"),
        ("[" * 100_000, "line 1, is not JSON"),
        (json.dumps({**GOOD, "findings": 3}), "study a1, must have a text as its findings"),
        (json.dumps({**GOOD, "images": [[]]}), "study a1, must give images as a text or a list"),
        (json.dumps({**GOOD, "images": 7}), "study a1, must give images as a text or a list"),
        (json.dumps({**GOOD, "images": ["a\0b"]}), "study a1, must give its images as paths"),
        (json.dumps({**GOOD, "id": ["a"]}), "must have a text as its id"),
        (json.dumps({**GOOD, "split": 1}), "study a1, must have a text as its split"),
        (json.dumps({**GOOD, "labels": [["Edema"]]}), "study a1, has labels"),
        (json.dumps({**GOOD, "labels": 0.5}), "study a1, has labels"),
        (json.dumps({**GOOD, "labels": {"Edema": "1"}}), "study a1, has labels"),
    ],
)
def test_a_bad_line_is_one_sentence(tmp_path, line, words):
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path / "a.jsonl", line)
    assert "\n" not in str(caught.value) and "Clear" not in str(caught.value)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(DataError, match="is not a file or folder"):
        opened(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"a\.json is not a table.*mrg data import"):
        opened(tmp_path / "a.json", "{}")
    with pytest.raises(DataError, match="no Hugging Face data set"):
        opened(tmp_path)


def test_broken_parquet_and_hugging_face_folders(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        opened(tmp_path / "a.parquet", "PAR1 it is not")
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist([GOOD]), tmp_path / "b.parquet", compression="none", use_dictionary=False)
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content.replace(b"Clear.", b"Cl\xff\xfer."))
    with pytest.raises(DataError, match=r"cannot be read as Parquet \(UnicodeDecodeError\)"):
        opened(tmp_path / "b.parquet")
    pytest.importorskip("datasets")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(DataError, match="cannot be read by datasets"):
        opened(tmp_path / "hub")


def test_a_library_that_is_not_there_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'mrg-llm\[parquet\]'"):
        opened(tmp_path / "a.parquet", "PAR1")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"pip install 'mrg-llm\[datasets\]'"):
        opened(tmp_path / "hub")


@given(text=st.text(max_size=200))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused_in_our_words(tmp_path, text):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "x.png")
    for name, content in (("a.csv", "id,images,findings\na1,x.png," + text), ("a.jsonl", text)):
        (tmp_path / name).write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            open_studies(f"table:{tmp_path / name}")
        except DataError as error:
            assert "Traceback" not in str(error)
