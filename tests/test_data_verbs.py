"""`mrg data init, import, fetch, info` and --split-by, from the command line."""

import json

import pytest

from mrg_llm.studies import open_studies
from tests.studies.test_fetching import UNPACKS, open_i_server, server  # noqa: F401
from tests.test_bad_input import mrg, preset, refused  # noqa: F401  (fixtures)


@pytest.fixture
def table(tmp_path):
    """Forty studies of noise without a split column, five patients with two each."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    lines = ["id,images,findings,impression,patient"]
    for n in range(40):
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        patient = n if n < 35 else n - 35
        lines.append(f"s{n},{n}.png,The heart is normal {n}. No XXXX.,Clear {n}.,p{patient}")
    path = tmp_path / "studies.csv"
    path.write_text("\n".join(lines))
    return path


def test_an_example_is_written_and_read(mrg, tmp_path):  # noqa: F811
    code, out, _ = mrg("data", "init", "--out", tmp_path / "my" / "studies.csv")
    assert code == 0 and f"mrg data info table:{tmp_path / 'my' / 'studies.csv'}" in out
    code, out, _ = mrg("data", "info", f"table:{tmp_path / 'my' / 'studies.csv'}")
    assert code == 0 and "3  studies" in out and "can be trained on" in out
    code, out, _ = mrg("data", "check", f"table:{tmp_path / 'my' / 'studies.csv'}")
    assert code == 0 and "5  different films" in out
    refused(mrg("data", "init", "--out", tmp_path / "my" / "studies.csv"), "there already")


def test_an_annotation_is_imported(mrg, tmp_path, table):  # noqa: F811
    rows = {"train": [{"id": "a", "report": "Clear.", "image_path": ["0.png", "absent.png"]}]}
    (tmp_path / "annotation.json").write_text(json.dumps(rows))
    arguments = ("data", "import", tmp_path / "annotation.json", "--images", tmp_path, "--out", tmp_path / "a.jsonl")
    code, out, _ = mrg(*arguments)
    assert code == 0 and "R2Gen" in out and "film missing: 1 (absent.png)" in out and "1    in train" in out
    code, out, _ = mrg("data", "info", f"table:{tmp_path / 'a.jsonl'}")
    assert code == 0 and "1  studies in train" in out
    (tmp_path / "annotation.json").write_text("[]")
    refused(mrg(*arguments), "annotation.json", "no annotation file we know")


def test_fetching_says_licence_and_size_first(mrg, tmp_path):  # noqa: F811
    code, out, _ = mrg(
        "data", "fetch", "iu-xray", "--out", tmp_path / "iu", "--dry-run", "--from", "http://127.0.0.1:9"
    )
    assert code == 0 and "CC BY-NC-ND 4.0" in out and "1,360,000,000 bytes" in out and "are free" in out
    assert not (tmp_path / "iu").exists()
    refused(
        mrg("data", "fetch", "iu-xray", "--out", tmp_path / "iu", "--from", "http://127.0.0.1:9"), "cannot be reached"
    )
    refused(mrg("data", "fetch", "mimic-cxr", "--out", tmp_path / "iu"), "mimic-cxr", "PhysioNet")


@UNPACKS
def test_fetching_ends_in_something_to_read(mrg, tmp_path, open_i_server):  # noqa: F811
    arguments = ("data", "fetch", "iu-xray", "--out", tmp_path / "iu", "--from", open_i_server.url)
    code, out, err = mrg(*arguments)
    assert code == 0 and "NLMCXR_png/: 3 files; SHA-256" in out and f"mrg data info iu-xray:{tmp_path / 'iu'}" in out
    assert "fetching NLMCXR_png.tgz" in err and "unpacking NLMCXR_png.tgz" in err
    code, out, _ = mrg("data", "info", f"iu-xray:{tmp_path / 'iu'}")
    assert code == 0 and "3  studies" in out
    code, out, _ = mrg(*arguments)
    assert code == 0 and "NLMCXR_png/ is there already" in out


def test_splits_are_dealt_and_a_run_remembers_how(mrg, tmp_path, table, preset):  # noqa: F811
    refused(mrg("data", "info", f"table:{table}", "--split-by", "chance"), "seed:NUMBER")
    code, out, err = mrg("data", "info", f"table:{table}", "--split-by", "seed:1")
    counts = {line.split("studies in ")[1]: int(line.split()[0]) for line in out.splitlines() if "studies in " in line}
    assert code == 0 and sum(counts.values()) == 40 and set(counts) == {"train", "val", "test"}

    run = tmp_path / "run"
    arguments = ("train", "--data", f"table:{table}", "--preset", preset, "--out", run)
    refused(mrg(*arguments), "training split")
    sections = ("--set", "data.sections=impression", "--set", "data.deidentified=drop-sentence")
    code, _, err = mrg(*arguments, "--split-by", "seed:1", *sections)
    assert code == 0, err
    data = json.loads((run / "data.json").read_text())
    assert data["split_by"] == "seed:1" and {name: data[name] for name in counts} == counts

    for split in ("val", "test"):
        code, _, err = mrg("generate", "--model", run, "--data", f"table:{table}", "--split", split,
                           "--out", tmp_path / "out.jsonl")  # fmt: skip
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert code == 0 and len(rows) == counts[split] and "split dealt by patient with seed 1" in err
        assert all(row["sections"] == ["impression"] and row["reference"].startswith("Clear ") for row in rows)
        assert {row["split_by"] for row in rows} == {"seed:1"}

    code, _, err = mrg("score", tmp_path / "out.jsonl", "--data", f"table:{table}", "--no-nearest", "--no-meteor",
                       "--draws", "10", "--out", tmp_path / "scores.json")  # fmt: skip
    assert code == 0 and "split dealt by patient with seed 1" in err
    assert json.loads((tmp_path / "scores.json").read_text())["baselines"]
    refused(mrg(*arguments, "--split-by", "seed:2", *sections, "--resume"), "other studies, reports or splits")


def test_data_of_another_place_keep_their_own_splits(tmp_path, table):
    from mrg_llm.runs import reading

    trained = open_studies(f"table:{table}", split_by="seed:1")
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "data.json").write_text(
        json.dumps({"source": f"table:{table}", "split_by": "seed:1", "sha256": trained.fingerprint})
    )
    copy, other = tmp_path / "copy.csv", tmp_path / "other.csv"
    copy.write_text(table.read_text())
    other.write_text(table.read_text().replace("normal 3.", "normal."))
    assert reading(tmp_path, f"table:{copy}")["split_by"] == "seed:1"
    assert reading(tmp_path, f"table:{other}")["split_by"] is None
    same = f"table:{table.parent}/../{table.parent.name}/{table.name}"
    assert reading(tmp_path, same) == {"split_by": "seed:1", "sections": "findings"}
    assert reading(tmp_path, same, "seed:2")["split_by"] == "seed:2"
    assert reading(tmp_path / "no-run", same) == {"split_by": None, "sections": "findings"}


def test_a_check_writes_its_page_and_its_rows_and_ends_with_2_where_training_would_be_wrong(mrg, tmp_path, table):  # noqa: F811
    page, rows, sound = tmp_path / "page.html", tmp_path / "rows.json", tmp_path / "sound" / "studies.csv"
    mrg("data", "init", "--out", sound)
    code, out, err = mrg("data", "check", f"table:{sound}", "--html", page, "--json", rows, "--workers", 1)
    assert code == 0 and "5  different films" in out and "treat it like the data" in err
    assert json.loads(rows.read_text())["ok"] is True and "<!DOCTYPE html>" in page.read_text()
    refused(mrg("data", "check", f"table:{sound}", "--html", tmp_path / "absent" / "page.html"), "absent", "no folder")

    header, *lines = table.read_text().splitlines()
    lines = [f"{line},{'train' if n else 'test'}" for n, line in enumerate(lines)]  # all noise, and so not to train on
    table.write_text("\n".join([f"{header},split", *lines]))
    result = mrg("data", "check", f"table:{table}", "--html", page, "--json", rows)
    refused(result, "should not be trained on", "majority of films unlike")
    assert json.loads(rows.read_text())["ok"] is False and "should not be trained on" in page.read_text()
    code, out, _ = mrg("data", "info", f"table:{table}")
    assert code == 0 and "unlike" not in out
