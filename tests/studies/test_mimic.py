"""MIMIC-CXR as PhysioNet serves it, out of phantom studies (mimic_tree.py): every rule, every layout, any order."""

import gzip
import random
import shutil
import zipfile
from dataclasses import replace

import pytest

from mrg_llm.errors import DataError
from mrg_llm.images import read_film
from mrg_llm.studies import open_studies
from mrg_llm.studies.check import describe
from mrg_llm.studies.mimic.tables import when_of
from mrg_llm.studies.phantom import write_phantoms
from tests.studies.mimic_tree import cases, dicom_id, rows_of, write_films, write_reports, write_table

TABLES = ("metadata", "split", "chexpert")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, 4, seed=3, side_px=32)
    return root


@pytest.fixture(scope="module")
def found(phantoms):
    return cases([study.report for study in open_studies(f"phantom:{phantoms}")])


@pytest.fixture(scope="module")
def whole(tmp_path_factory, phantoms, found):
    """The tree in the layout that is written once and only read."""
    root = tmp_path_factory.mktemp("mimic")
    write_films(root / "files", found, phantoms)
    write_reports(root / "mimic-cxr-reports" / "files", found)
    for name, rows in rows_of(found).items():
        write_table(root, name, rows)
    return root


@pytest.fixture
def root(tmp_path, whole):
    """The same with tables that a test may spoil."""
    for name in ("files", "mimic-cxr-reports"):
        (tmp_path / name).symlink_to(whole / name)
    for name in TABLES:
        shutil.copy(whole / f"mimic-cxr-2.0.0-{name}.csv", tmp_path)
    return tmp_path


def opened(root, sections="findings-or-impression", **how):
    return open_studies(f"mimic-cxr:{root}", sections=sections, **how)


def by_name(studies, found):
    known = {study.id: study for study in studies}
    return {name: known.get(f"s{case.number}") for name, case in found.items()}


def contents(studies, root):
    """What does not depend on where the tree lies, nor on how its films are stored."""
    return [
        replace(s, views=tuple(replace(v, path=v.path.with_suffix("").relative_to(root)) for v in s.views))
        for s in studies
    ]


class TestStudies:
    def test_the_usual_one(self, whole, found, phantoms):
        study = by_name(opened(whole), found)["usual"]
        report = next(iter(open_studies(f"phantom:{phantoms}"))).report
        assert (study.id, study.split, study.patient) == ("s50414267", "train", "10000032")
        assert (study.report, study.impression) == (" ".join(report.split()), "No acute disease.")
        assert (study.indication, study.comparison) == ("___ year old with cough", "None.")
        assert [(v.projection, v.path.name) for v in study.views] == [
            ("frontal", f"{dicom_id(found['usual'], 2)}.jpg"), ("lateral", f"{dicom_id(found['usual'], 7)}.jpg"),
        ]  # fmt: skip
        assert read_film(study.views[0].path).pixels.shape == (32, 32)
        assert len(study.labels) == 14
        assert {name: n for name, n in study.labels.items() if n is not None} == {
            "Edema": 1, "Fracture": -1, "No Finding": 0,
        }  # fmt: skip

    def test_frontal_films_come_first_then_lateral_then_the_rest(self, whole, found):
        studies = by_name(opened(whole), found)
        films = [(v.projection, int(v.path.name[:8], 16)) for v in studies["frontals"].views]
        assert films == [("frontal", 5), ("frontal", 1), ("frontal", 3), ("lateral", 9), (None, 4)]
        assert [v.projection for v in studies["no position"].views] == [None]

    def test_odd_reports(self, whole, found, phantoms):
        texts = [" ".join(study.report.split()) for study in open_studies(f"phantom:{phantoms}")]
        studies = by_name(opened(whole), found)
        assert studies["empty findings"].report == studies["empty findings"].impression == "No acute disease."
        assert studies["no heads"].report == texts[3]
        assert studies["addendum"].report == texts[0] and studies["crlf"].report == texts[2]
        assert (studies["wet read"].report, studies["wet read"].impression) == (texts[1], "No acute disease.")
        assert studies["latin"].report == "The caf\xe9 au lait spots are not seen."

    def test_what_is_left_out_and_why(self, whole, found):
        ids = {name: f"s{case.number}" for name, case in found.items()}
        notes = {note.rule: note.ids for note in opened(whole, "findings").notes}
        assert notes == {
            "no split entry, study left out": (ids["no split"],),
            "no report file, study left out": (ids["no report"],),
            "neither findings nor impression nor a last paragraph in the report, study left out":
                (ids["nothing in it"],),
            "neither findings nor impression in the report, last paragraph taken as the impression":
                (ids["no heads"],),
            "report not in UTF-8, read as Windows-1252": (ids["latin"],),
            "no metadata entry, projections and time unknown": (ids["no metadata"],),
            "date or time unknown, so no prior study known": (ids["one film gone"],),
            "no row in the chexpert table, labels unknown": (ids["crlf"],),
            "image file missing, study kept with its other views": (ids["one film gone"],),
            "no image file, study left out": (ids["no films"],),
            "no findings section, study left out": (ids["empty findings"], ids["no heads"]),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("sections", "count"),
        [("findings", 10), ("impression", 12), ("findings-or-impression", 12), ("findings+impression", 12)],
    )
    def test_sections(self, whole, sections, count):
        studies = opened(whole, sections)
        assert len(studies) == count and all(study.report for study in studies)

    def test_splits_are_the_official_ones(self, whole):
        studies = opened(whole)
        assert [len(studies.split(name)) for name in ("train", "val", "test")] == [6, 3, 3]
        assert [describe(studies)[f"views in {name}"].count for name in ("train", "val", "test")] == [11, 3, 3]
        assert describe(studies)["patients in two splits"].count == 0
        assert opened(whole, split_by="seed").split_by == "seed:0"

    def test_prior_studies(self, whole, found):
        studies = by_name(opened(whole), found)
        ids = {name: f"s{case.number}" for name, case in found.items()}
        priors = {name: study.prior for name, study in studies.items() if study and study.prior}
        assert priors == {
            "no position": ids["frontals"],  # 9:45, before 10:15 of the same day, though its number is greater
            "usual": ids["no position"],
            "empty findings": ids["usual"],
            "addendum": ids["no heads"],
            "wet read": ids["no heads"],  # of the same minute as the addendum's: neither is the other's prior
            "latin": ids["crlf"],
            "after all": ids["no split"],  # left out, but it was there
        }
        assert studies["usual"].prior_report == studies["no position"].report
        assert studies["addendum"].prior_report == studies["no heads"].report  # a last paragraph
        assert studies["after all"].prior_report and studies["frontals"].prior_report is None

    def test_the_first_film_tells_the_time(self, root, found):
        usual, other = found["usual"], found["no position"]
        for late, early in (("101500.25", "90000.0"), ("90000.0", "101500.25")):
            header, first, second, *rest = rows_of(found)["metadata"]
            films = [(*row[:8], time, *row[9:]) for row, time in ((first, late), (second, early))]
            write_table(root, "metadata", [header, *films, *rest])
            studies = by_name(opened(root), found)
            assert studies["usual"].prior == f"s{found['frontals'].number}"  # 9:00, before 9:45
            assert (studies["no position"].prior, other.time) == (f"s{usual.number}", "94500.5")


class TestLayouts:
    """The same studies, however the files lie."""

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("inside", ["", "physionet.org"])
    def test_the_folders_of_a_download(self, tmp_path, whole, found, phantoms, packed, inside):
        jpg = tmp_path / "physionet.org" / "files" / "mimic-cxr-jpg" / "2.1.0"
        reports = tmp_path / "physionet.org" / "files" / "mimic-cxr" / "2.1.0" / "mimic-cxr-reports" / "files"
        write_films(jpg / "files", found, phantoms)
        write_reports(reports, found)
        for name, rows in rows_of(found).items():
            write_table(jpg, name, rows, packed)
        older = write_table(jpg.parent / "2.0.0", "split", [("dicom_id",)])  # an older version is not looked at
        assert contents(opened(tmp_path / inside), jpg) == contents(opened(whole), whole)
        older.unlink()

    def test_dicom_films_and_reports_in_one_tree(self, tmp_path, whole, found, phantoms):
        write_films(tmp_path / "files", found, phantoms, ".dcm")
        write_reports(tmp_path / "files", found)
        for name, rows in rows_of(found).items():
            write_table(tmp_path, name, rows)
        studies = opened(tmp_path)
        assert contents(studies, tmp_path) == contents(opened(whole), whole)
        assert {view.path.suffix for study in studies for view in study.views} == {".dcm"}

    def test_jpg_comes_before_dicom(self, root, whole, found, phantoms):
        write_films(root / "mimic-cxr" / "2.1.0" / "files", found, phantoms, ".dcm")
        assert opened(root).fingerprint == opened(whole).fingerprint
        (root / "files").unlink()
        write_films(root / "files", found, phantoms, ".dcm")
        assert {view.path.suffix for study in opened(root) for view in study.views} == {".dcm"}
        (root / "mimic-cxr-jpg").mkdir()
        (root / "mimic-cxr-jpg" / "files").symlink_to(whole / "files")
        assert opened(root).fingerprint == opened(whole).fingerprint

    @pytest.mark.parametrize("above", ["", "files/", "mimic-cxr-reports/files/"])
    def test_reports_in_their_zip(self, root, whole, found, tmp_path, above):
        (root / "mimic-cxr-reports").unlink()
        with zipfile.ZipFile(root / "mimic-cxr-reports.zip", "w") as archive:
            for path in sorted((whole / "mimic-cxr-reports" / "files").rglob("*.txt")):
                archive.write(path, above + path.relative_to(whole / "mimic-cxr-reports" / "files").as_posix())
        assert contents(opened(root), root) == contents(opened(whole), whole)

    def test_without_labels(self, root, whole):
        (root / "mimic-cxr-2.0.0-chexpert.csv").unlink()
        studies = opened(root)
        assert {study.labels for study in studies} == {None}
        assert studies.fingerprint == opened(whole).fingerprint
        assert "no chexpert table here, labels unknown" in {note.rule for note in studies.notes}


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_rows_changes_nothing(root, whole, found, seed):
    for name, (header, *rows) in rows_of(found).items():
        random.Random(seed).shuffle(rows)
        columns = list(range(len(header)))
        random.Random(seed).shuffle(columns)
        again = rows[: seed % 3]  # a row that comes twice says nothing new
        write_table(root, name, [tuple(row[c] for c in columns) for row in (header, *rows, *again)])
    shuffled, straight = opened(root), opened(whole)
    assert [s.id for s in shuffled] == [s.id for s in straight]
    assert contents(shuffled, root) == contents(straight, whole)
    assert (shuffled.notes, shuffled.fingerprint) == (straight.notes, straight.fingerprint)


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "spoil", "words"),
        [
            ("metadata", lambda t: "", "has no column 'dicom_id'"),
            ("metadata", lambda t: t.replace("ViewPosition", "View"), "has no column 'ViewPosition'"),
            ("split", lambda t: t.replace("split", "fold", 1), "has no column 'split'"),
            ("split", lambda t: t.replace("validate", "later", 1), "line .* none of train, validate, test"),
            ("split", lambda t: t[: t.rindex(",")] + "\n", "line .* fewer cells than the header"),
            ("split", lambda t: t.rstrip() + ",1\n", "line .* more cells than the header"),
            ("split", lambda t: t.replace("10000032", "10000033", 1), "study s50414267 to a second patient"),
            ("split", lambda t: t.replace("train", "test", 1), "study s50414267 into a second split"),
            ("metadata", lambda t: t.replace(",10000032,", ",Smith,", 1), "line 2, has no number as its subject_id"),
            ("metadata", lambda t: t.replace("00000007-", "../", 1), "line 2, has a dicom_id that is no file's name"),
            ("metadata", lambda t: t + t.splitlines()[1].replace("LATERAL", "PA") + "\n", "a second ViewPosition"),
            ("chexpert", lambda t: t.replace("1.0", "2.0", 1), "line 2, has a label that is none of"),
            ("chexpert", lambda t: t + t.splitlines()[1].replace(",1.0", ",0.0") + "\n", "a second time"),
            ("chexpert", lambda t: t.replace("study_id", "study"), "has no column 'study_id'"),
        ],
    )  # fmt: skip
    def test_tables(self, root, name, spoil, words):
        path = root / f"mimic-cxr-2.0.0-{name}.csv"
        path.write_text(spoil(path.read_text()))
        with pytest.raises(DataError, match=words) as told:
            opened(root)
        assert "Smith" not in str(told.value) and "\n" not in str(told.value)

    @pytest.mark.parametrize("spoil", [lambda b: b[:-20], lambda b: b"no gzip", lambda b: b[:30] + b"x" + b[31:]])
    def test_packed_tables(self, root, found, spoil):
        path = write_table(root, "split", rows_of(found)["split"], packed=True)
        path.with_suffix("").unlink()
        path.write_bytes(spoil(path.read_bytes()))
        with pytest.raises(DataError, match=r"split\.csv\.gz cannot be read as CSV"):
            opened(root)

    def test_bytes_that_are_no_text(self, root):
        (root / "mimic-cxr-2.0.0-split.csv").write_bytes(b"dicom_id,study_id,subject_id,split\n\xff\xfe\n")
        with pytest.raises(DataError, match="cannot be read as CSV"):
            opened(root)

    @pytest.mark.parametrize("name", ["metadata", "split"])
    def test_missing_tables(self, root, name):
        (root / f"mimic-cxr-2.0.0-{name}.csv").unlink()
        with pytest.raises(DataError, match=rf"holds no mimic-cxr-2\.0\.0-{name}\.csv or \.csv\.gz; download it"):
            opened(root)

    def test_missing_reports_and_films(self, root):
        (root / "files").unlink()
        with pytest.raises(DataError, match=r"none of the 13 studies .* has an image file"):
            opened(root)
        (root / "mimic-cxr-reports").unlink()
        with pytest.raises(DataError, match=r"no study of the 16 .*; unpack mimic-cxr-reports"):
            opened(root)

    @pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
    def test_a_zip_that_is_none(self, root, content):
        (root / "mimic-cxr-reports").unlink()
        (root / "mimic-cxr-reports.zip").write_bytes(content)
        with pytest.raises(DataError, match=r"mimic-cxr-reports\.zip .*; download it again"):
            opened(root)

    def test_a_damaged_zip(self, root, whole):
        (root / "mimic-cxr-reports").unlink()
        path = root / "mimic-cxr-reports.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for report in (whole / "mimic-cxr-reports" / "files").rglob("*.txt"):
                archive.write(report, report.relative_to(whole / "mimic-cxr-reports"))
        content = bytearray(path.read_bytes())
        content[200:260] = bytes(60)
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mimic-cxr-reports\.zip does not give the report of study s"):
            opened(root)

    @pytest.mark.parametrize("name", ["metadata.csv", "split.csv", "chexpert.csv.gz", "zip"])
    def test_any_bytes_give_studies_or_one_sentence(self, root, whole, found, name):
        if name == "zip":
            (root / "mimic-cxr-reports").unlink()
            path = root / "mimic-cxr-reports.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for report in sorted((whole / "mimic-cxr-reports" / "files").rglob("*.txt")):
                    archive.write(report, report.relative_to(whole / "mimic-cxr-reports"))
        else:
            table = name.partition(".")[0]
            (root / f"mimic-cxr-2.0.0-{table}.csv").unlink()
            path = write_table(root, table, rows_of(found)[table], packed=name.endswith(".gz"))
        whole_bytes = path.read_bytes()
        for seed in range(80):
            rng = random.Random(seed)
            content = bytearray(whole_bytes)
            for _ in range(rng.randint(1, 6)):
                content[rng.randrange(len(content))] = rng.choice([0, 10, 34, 44, 255, rng.randrange(256)])
            path.write_bytes(content[: rng.randint(1, len(content))] if seed % 3 == 0 else content)
            try:
                assert opened(root).fingerprint
            except DataError as error:
                assert "\n" not in str(error)

    def test_a_report_beyond_reason(self, tmp_path, root, found):
        (root / "mimic-cxr-reports").unlink()
        longest = {"usual": replace(found["usual"], report="FINDINGS: x " * 100_000)}
        write_reports(root / "mimic-cxr-reports", longest)
        with pytest.raises(DataError, match="the report of study s50414267 is longer than a megabyte"):
            opened(root)

    def test_a_folder_of_something_else(self, tmp_path):
        with pytest.raises(DataError, match="holds no mimic-cxr"):
            opened(tmp_path)


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("21800506", "213014.531", (21800506, 213014.531)), ("21800506", "0.0", (21800506, 0.0)),
        ("21800506", "94530", (21800506, 94530.0)), ("", "1", None), ("2180-05-06", "1", None), ("21800506", "", None),
        ("21800506", "nan", None), ("21800506", "250000", None), ("21800506", "-1", None), ("2180050x", "1", None),
    ],
)  # fmt: skip
def test_times(date, time, expected):
    assert when_of(date, time) == expected


def test_nothing_is_printed_and_tables_may_be_packed_alone(root, found, capsys):
    path = root / "mimic-cxr-2.0.0-metadata.csv"
    before = opened(root).fingerprint
    (root / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert opened(root).fingerprint == before
    assert capsys.readouterr() == ("", "")
