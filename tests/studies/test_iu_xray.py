"""IU X-ray in its three layouts, as small trees made here, and what is wrong with them in one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from mrg_llm.errors import DataError
from mrg_llm.studies import open_studies


def film(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(path)


def study(uid, split, views=2, **changes):
    id_ = f"CXR{uid}_IM-000{uid}"
    paths = [f"{id_}/{i}.png" for i in range(views)]
    return {"id": id_, "report": f"Report number {uid}.", "image_path": paths, "split": split} | changes


@pytest.fixture
def annotation():
    return {
        "train": [study(1, "train"), study(2, "train", views=1)],
        "val": [study(3, "val", views=3)],
        "test": [study(4, "test")],
    }


@pytest.fixture
def make(tmp_path):
    """Writes an annotation and its pictures; gives the spec to open."""

    def write(annotation, without=()):
        for rows in annotation.values():
            for row in rows if isinstance(rows, list) else []:
                for path in row.get("image_path", []):
                    if path not in without:
                        film(tmp_path / "images" / path)
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "annotation.json").write_text(json.dumps(annotation))
        return f"iu-xray:{tmp_path}"

    return write


class TestR2Gen:
    def test_studies(self, make, annotation):
        studies = open_studies(make(annotation))
        assert [s.id for s in studies] == [f"CXR{n}_IM-000{n}" for n in (1, 2, 3, 4)]
        assert [len(s.views) for s in studies] == [2, 1, 3, 2]
        assert [s.split for s in studies] == ["train", "train", "val", "test"]
        assert studies.studies[0].report == "Report number 1." and studies.studies[0].patient == "1"
        assert all(v.path.is_file() and v.projection is None for s in studies for v in s.views)
        assert studies.notes == ()

    def test_tables_beside_it(self, make, annotation, tmp_path):
        (tmp_path / "views.csv").write_text(
            "study,index,split,projection\nCXR1_IM-0001,0,train,Lateral\nCXR1_IM-0001,1,train,Frontal\n"
        )
        (tmp_path / "reports.csv").write_text(
            'study,uid,indication,comparison,findings,impression\nCXR1_IM-0001,1,"Cough, fever",,Clear.,No disease.\n'
        )
        first, second = open_studies(make(annotation)).studies[:2]
        assert [v.projection for v in first.views] == ["lateral", "frontal"]
        assert (first.indication, first.comparison, first.impression) == ("Cough, fever", None, "No disease.")
        assert (second.views[0].projection, second.impression) == (None, None)

    def test_missing_pictures_are_noted(self, make, annotation):
        gone = ["CXR1_IM-0001/1.png", "CXR2_IM-0002/0.png"]
        studies = open_studies(make(annotation, without=gone))
        assert [len(s.views) for s in studies] == [1, 3, 2]
        assert {note.ids for note in studies.notes} == {("CXR1_IM-0001",), ("CXR2_IM-0002",)}

    def test_same_folder_same_studies(self, make, annotation):
        spec = make(annotation)
        assert open_studies(spec).fingerprint == open_studies(spec).fingerprint

    def test_splits_can_be_forgotten(self, make, annotation):
        assert {s.split for s in open_studies(make(annotation), keep_splits=False)} == {None}

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"val": [study(3, "val", report="  ")]}, "CXR3_IM-0003, has an empty report"),
            ({"val": [study(1, "val")]}, "CXR1_IM-0001 in train and in val"),
            ({"val": [study(3, "val"), study(3, "val")]}, "CXR3_IM-0003 twice in val"),
            ({"valid": []}, "key 'valid'.*was val meant"),
            ({"val": [{"id": "a", "reports": "text", "image_path": ["a.png"]}]}, "no key 'report'; it has id, reports"),
            ({"val": [study(3, "test")]}, "another split"),
            ({"val": [study(3, "val", views=0)]}, "must list its pictures"),
            ({"val": [study(3, "val", image_path=["../../secret.png"])]}, "inside images/"),
            ({"val": [study(3, "val", image_path="CXR3/0.png")]}, "must list its pictures"),
            ({"val": {"id": "a"}}, "a list of studies"),
            ({"val": ["a"]}, "must be an object"),
        ],
    )
    def test_each_fault_is_one_sentence(self, make, annotation, tmp_path, changes, words):
        good = make(annotation)
        assert len(open_studies(good)) == 4
        (tmp_path / "annotation.json").write_text(json.dumps(annotation | changes))
        with pytest.raises(DataError, match=words) as caught:
            open_studies(good)
        assert "\n" not in str(caught.value) and caught.value.exit_code == 2

    def test_files_that_are_not_there_or_not_readable(self, tmp_path, make, annotation):
        with pytest.raises(DataError, match="is not a folder"):
            open_studies(f"iu-xray:{tmp_path / 'absent'}")
        with pytest.raises(DataError, match=r"looked for annotation\.json"):
            open_studies(f"iu-xray:{tmp_path}")
        (tmp_path / "annotation.json").write_text("{")
        with pytest.raises(DataError, match="no folder images/"):
            open_studies(f"iu-xray:{tmp_path}")
        (tmp_path / "images").mkdir()
        with pytest.raises(DataError, match="cannot be read as JSON"):
            open_studies(f"iu-xray:{tmp_path}")
        (tmp_path / "annotation.json").write_text(json.dumps(annotation))
        with pytest.raises(DataError, match="none of the 4 studies"):
            open_studies(f"iu-xray:{tmp_path}")
        (tmp_path / "views.csv").write_text("study,number\n")
        with pytest.raises(DataError, match="no column 'index'"):
            open_studies(make(annotation))

    def test_the_development_copy(self, shared_data):
        studies = open_studies(f"iu-xray:{shared_data / 'iu_xray'}")
        assert [len(studies.split(name)) for name in ("train", "val", "test")] == [2069, 296, 288]
        assert [note.ids for note in studies.notes] == [("CXR2084_IM-0715-1001", "CXR3809_IM-1919")]
        projections = [view.projection for s in studies for view in s.views]
        assert len(projections) == 5304 and set(projections) == {"frontal", "lateral"}
        assert sum(s.impression is not None for s in studies) == 2647


class TestOpenI:
    XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR{uid}"/><MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText><AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">Normal &amp; clear.</AbstractText>
</Abstract></Article></MedlineCitation>
<parentImage id="CXR{uid}_1_IM-1"/><parentImage id="CXR{uid}_1_IM-2"/></eCitation>"""

    def tree(self, root, uids, without_findings=()):
        for uid in uids:
            file = root / "ecgen-radiology" / f"{uid}.xml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.XML.format(uid=uid, findings="" if uid in without_findings else f"Lungs {uid}."))
            for n in (1, 2):
                film(root / "NLMCXR_png" / f"CXR{uid}_1_IM-{n}.png")

    def test_studies(self, tmp_path):
        self.tree(tmp_path, [10, 9, 2], without_findings=[9])
        studies = open_studies(f"iu-xray:{tmp_path}")
        assert [s.id for s in studies] == ["CXR2", "CXR10"]
        first = studies.studies[0]
        assert (first.report, first.impression, first.indication) == ("Lungs 2.", "Normal & clear.", "Cough")
        assert [v.path.name for v in first.views] == ["CXR2_1_IM-1.png", "CXR2_1_IM-2.png"]
        rules = {note.rule: note.ids for note in studies.notes}
        assert rules["no findings section, study left out"] == ("CXR9",)
        assert any("not R2Gen's" in rule for rule in rules)

    def test_the_split_is_a_function_of_the_number(self, tmp_path):
        self.tree(tmp_path, range(1, 201))
        whole = {s.id: s.split for s in open_studies(f"iu-xray:{tmp_path}")}
        shares = [list(whole.values()).count(name) for name in ("train", "val", "test")]
        assert 120 <= shares[0] <= 160 and 10 <= shares[1] <= 32 and 28 <= shares[2] <= 54
        for uid in range(1, 101):
            (tmp_path / "ecgen-radiology" / f"{uid}.xml").unlink()
        assert all(whole[s.id] == s.split for s in open_studies(f"iu-xray:{tmp_path}"))

    def test_split_by_seed_replaces_the_deal_and_r2gens_split(self, tmp_path):
        self.tree(tmp_path, range(1, 30))
        usual = {s.id: s.split for s in open_studies(f"iu-xray:{tmp_path}")}
        assert {s.id: s.split for s in open_studies(f"iu-xray:{tmp_path}", split_by="seed:0")} == usual
        (tmp_path / "annotation.json").write_text(json.dumps({"test": [study(n, "test") for n in range(1, 20)]}))
        again = open_studies(f"iu-xray:{tmp_path}", split_by="seed:0")
        assert {s.id: s.split for s in again} == usual
        assert [note.rule for note in again.notes] == ["split dealt by patient with seed 0"]

    def test_a_study_with_an_impression_alone_is_there_for_those_who_learn_impressions(self, tmp_path):
        self.tree(tmp_path, [1, 2], without_findings=[2])
        reports = {
            policy: [s.report for s in open_studies(f"iu-xray:{tmp_path}", sections=policy)]
            for policy in ("findings", "impression", "findings-or-impression")
        }
        assert reports == {
            "findings": ["Lungs 1."],
            "impression": ["Normal & clear."] * 2,
            "findings-or-impression": ["Lungs 1.", "Normal & clear."],
        }

    def test_r2gens_split_where_its_annotation_is_at_hand(self, tmp_path):
        self.tree(tmp_path, [1, 2, 3])
        rows = {"test": [study(1, "test")], "val": [study(3, "val")]}
        (tmp_path / "annotation.json").write_text(json.dumps(rows))
        studies = open_studies(f"iu-xray:{tmp_path}")
        assert [s.split for s in studies] == ["test", None, "val"]
        assert [note.ids for note in studies.notes] == [("CXR2",)]

    def test_a_broken_file_is_named(self, tmp_path):
        self.tree(tmp_path, [1])
        (tmp_path / "ecgen-radiology" / "2.xml").write_text("<eCitation>")
        with pytest.raises(DataError, match=r"2\.xml is not an Open-i report"):
            open_studies(f"iu-xray:{tmp_path}")


class TestKaggle:
    @pytest.mark.parametrize("folder", ["images_normalized", "images/images_normalized"])
    def test_studies(self, tmp_path, folder):
        (tmp_path / "indiana_reports.csv").write_text(
            "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
            "1,normal,normal,PA,Cough,,Lungs are clear.,Normal\n2,normal,normal,PA,,,,Normal\n3,x,x,PA,,,Alone.,\n"
        )
        (tmp_path / "indiana_projections.csv").write_text(
            "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n1,1_IM-0001-3001.dcm.png,Lateral\n"
            "2,2_IM-0002-1001.dcm.png,Frontal\n"
        )
        for name in ("1_IM-0001-3001", "1_IM-0001-4001", "2_IM-0002-1001"):
            film(tmp_path / folder / f"{name}.dcm.png")
        studies = open_studies(f"iu-xray:{tmp_path}")
        assert [(s.id, s.report, s.impression, s.patient) for s in studies] == [
            ("CXR1", "Lungs are clear.", "Normal", "1")
        ]
        assert [v.projection for v in studies.studies[0].views] == ["frontal", "lateral"]
        rules = {note.rule: note.ids for note in studies.notes}
        assert rules["no findings section, study left out"] == ("CXR2",)
        assert rules["no image file, study left out"] == ("CXR3",)

    def test_half_a_download(self, tmp_path):
        (tmp_path / "indiana_reports.csv").write_text("uid,findings\n1,Clear.\n")
        with pytest.raises(DataError, match="no indiana_projections"):
            open_studies(f"iu-xray:{tmp_path}")


@pytest.mark.parametrize("spec", ["", "iu-xray", "mimic:/tmp", "/tmp"])
def test_unknown_kinds(spec):
    with pytest.raises(DataError, match="one of iu-xray:PATH"):
        open_studies(spec)
