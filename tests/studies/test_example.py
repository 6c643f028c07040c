"""The example table is read as it is, says every column, and writes over nothing."""

import pytest

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.films import film_of
from mrg_llm.studies import open_studies
from mrg_llm.studies.check import check
from mrg_llm.studies.columns import COLUMNS
from mrg_llm.studies.example import write_example


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_it_can_be_read_checked_and_shows_everything(tmp_path, name):
    write_example(tmp_path / "new" / name)
    studies = open_studies(f"table:{tmp_path / 'new' / name}")
    assert [s.split for s in studies] == ["train", "val", "test"] and studies.notes == ()
    assert [len(s.views) for s in studies] == [2, 1, 2] and studies.studies[2].report is None
    first = studies.studies[0]
    assert all((first.report, first.impression, first.indication, first.comparison, first.patient, first.labels))
    assert check(studies, film_of).ok
    readme = (tmp_path / "new" / "README.md").read_text()
    assert all(f"| `{column.name}`" in readme and column.about in readme for column in COLUMNS)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(["README.md", "films", name])


def test_both_kinds_hold_the_same(tmp_path):
    for kind in ("csv", "jsonl"):
        write_example(tmp_path / kind / f"a.{kind}")
    assert len({open_studies(f"table:{tmp_path / kind / f'a.{kind}'}").fingerprint for kind in ("csv", "jsonl")}) == 1


@pytest.mark.parametrize("taken", ["mine.csv", "README.md", "films"])
def test_nothing_is_written_over(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(DataError, match=f"{taken} is there already"):
        write_example(tmp_path / "mine.csv")
    assert [p.name for p in tmp_path.iterdir()] == [taken]


def test_other_kinds_and_places(tmp_path):
    with pytest.raises(DataError, match=r"must end in \.csv or \.jsonl"):
        write_example(tmp_path / "mine.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises((DataError, ResourceError), match="cannot be written"):
        write_example(tmp_path / "file" / "mine.csv")
