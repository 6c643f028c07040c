"""Anyone's files are read; bad ones are refused by line and key, without a word of their text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.errors import DataError, InputError, ResourceError
from mrg_llm.scoring.formats import read_outputs
from mrg_llm.scoring.outputs import Output, outputs, write_predictions

ROWS = [
    {"id": "b", "prediction": "clear", "reference": "lungs clear", "split": "test", "views": 2, "ended": True},
    {"id": "a", "prediction": "", "reference": "heart", "views": ["x.png"], "prior": True},
]


def test_own_format_comes_back_sorted_by_id(tmp_path) -> None:
    read = read_outputs(write_predictions(tmp_path / "p.jsonl", ROWS))
    assert read.ids == ("a", "b")
    assert read.rows[1] == Output("b", "clear", "lungs clear", "test", 2, True)
    assert read.rows[0] == Output("a", "", "heart", views=1, prior=True)


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_survives(tmp_path_factory, texts) -> None:
    path = tmp_path_factory.mktemp("any") / "p.jsonl"
    texts = [t.encode(errors="ignore").decode() for t in texts]
    write_predictions(path, [{"id": f"{i}", "prediction": t, "reference": t} for i, t in enumerate(texts)])
    assert read_outputs(path).predictions == tuple(texts)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", 'study_id,report,ground_truth\n7,"clear, dry",heart\n'),
        ("p.tsv", "id\tpred\tref\n7\tclear, dry\theart\n"),
        ("p.json", '{"7": {"model_prediction": "clear, dry", "section_findings": "heart"}}'),
        ("p.json", '[{"uid": 7, "generated": "clear, dry", "gt": "heart"}]'),
        ("p.jsonl", '\ufeff{"id": 7, "hypothesis": "clear, dry", "target": "heart", "extra": null}\n\n'),
    ],
)
def test_other_peoples_formats(tmp_path, name, content) -> None:
    (tmp_path / name).write_text(content)
    assert read_outputs(tmp_path / name).rows == (Output("7", "clear, dry", "heart"),)


def test_two_files_of_lines(tmp_path) -> None:
    (tmp_path / "res.csv").write_text("a , b\n\nc\n")
    (tmp_path / "gts.csv").write_text("A\nB\nC\n")
    read = read_outputs(tmp_path / "res.csv", tmp_path / "gts.csv")
    assert read.predictions == ("a , b", "", "c")
    assert read.references == ("A", "B", "C")
    (tmp_path / "gts.csv").write_text("A\nB\n")
    with pytest.raises(DataError, match=r"3 lines and .* has 2"):
        read_outputs(tmp_path / "res.csv", tmp_path / "gts.csv")


def test_two_files_by_id(tmp_path) -> None:
    (tmp_path / "res.json").write_text('{"x": ["one"], "y": ["two"]}')
    (tmp_path / "refs.json").write_text('{"y": ["zwei"], "x": ["eins"], "z": ["drei"]}')
    (tmp_path / "refs.csv").write_text("id,report\nx,eins\ny,zwei\n")
    for name in ("refs.json", "refs.csv"):
        assert read_outputs(tmp_path / "res.json", tmp_path / name).references == ("eins", "zwei")
    assert read_outputs(tmp_path / "res.json", {"x": "1", "y": "2"}).references == ("1", "2")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.jsonl", '{"id": "a", "prediction": "x"}\n{oops\n', "line 2: not JSON"),
        ("p.jsonl", '{"id": "a"}\n', 'line 1: there is no "prediction"'),
        ("p.jsonl", '{"prediction": "secret"}\n', 'line 1: there is no "id"'),
        ("p.jsonl", '{"id": "a", "prediction": null}\n', '"prediction" must be a text, not NoneType'),
        ("p.jsonl", '{"id": true, "prediction": "secret"}\n', '"id" must be a text'),
        ("p.jsonl", '{"id": "", "prediction": "secret"}\n', '"id" is empty'),
        ("p.jsonl", '{"id": "a", "prediction": "secret", "reference": 3}\n', '"reference" must be a text'),
        ("p.jsonl", "[1]\n", "expected an object"),
        ("p.jsonl", '{"id": "a", "prediction": "secret"}\n' * 2, "more than once .a."),
        ("p.jsonl", "", "holds no report"),
        ("p.json", "{", "not JSON"),
        ("p.json", '{"a": "x", "a": "y"}', "key a comes more than once"),
        ("p.json", "3", "expected a list"),
        ("p.csv", "id,prediction\na\n", "line 2: the row and the header differ"),
        ("p.csv", 'id,prediction\na,"x"y\n', "not CSV"),
        ("p.pdf", "x", "not from '.pdf'"),
    ],
)
def test_bad_files(tmp_path, name, content, said) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said) as caught:
        read_outputs(tmp_path / name)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".txt"])
@given(content=st.binary(max_size=60) | st.text(alphabet='{}[]":,id\n\tprediction0e-', max_size=80).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_nothing_but_data_errors_comes_out(tmp_path_factory, suffix, content) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"p{suffix}"
    path.write_bytes(content)
    try:
        read_outputs(path)
    except DataError as error:
        assert str(path) in str(error) or path.name in str(error)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"id": ' + "9" * 5000 + "}"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_deep_and_long_json(tmp_path, suffix, content) -> None:
    (tmp_path / f"p{suffix}").write_text(content)
    with pytest.raises(DataError, match="not JSON"):
        read_outputs(tmp_path / f"p{suffix}")


def test_files_that_cannot_be_read_or_written(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_outputs(tmp_path / "none.jsonl")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_outputs(tmp_path / "p.txt")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_predictions(tmp_path / "none" / "p.jsonl", ROWS)
    with pytest.raises(DataError, match="prediction"):
        write_predictions(tmp_path / "p.jsonl", [{"id": "a"}])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.txt"]  # nothing half written


def test_missing_references_and_studies_are_named() -> None:
    some = outputs("x", [Output("a", "t", "r"), Output("b", "t")])
    with pytest.raises(InputError, match=r"1 of 2 studies have no reference \(b\)"):
        _ = some.references
    assert some.with_references({"a": "not this", "b": "r2"}).references == ("r", "r2")
    with pytest.raises(InputError, match=r"x lacks 1 of the 2 studies .*\(c\)"):
        some.matching(("a", "c"))


def test_json_lines_are_json(tmp_path) -> None:
    path = write_predictions(tmp_path / "p.jsonl", ROWS)
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS


def test_half_characters_do_not_stop_a_run(tmp_path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "a", "prediction": "x \\ud800"}')
    assert read_outputs(tmp_path / "p.jsonl").predictions == ("x ?",)
    assert read_outputs(write_predictions(tmp_path / "q.jsonl", [{"id": "a", "prediction": "\ud800"}])).predictions == (
        "?",
    )
