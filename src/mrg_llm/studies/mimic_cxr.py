"""MIMIC-CXR as PhysioNet serves it -> `StudySet`.

    layout_of (mimic/layout.py)     ROOT -> tables, films, reports
    entries_of (mimic/tables.py)    tables -> what they say of each study
    sectioned (sections.py)         report -> findings, impression, indication, comparison

Studies come by patient, date, time and number, whatever the order of rows and files is. Nothing is opened but tables
and reports; a film is looked for once. What is left out, and why, is counted in notes, each study under the first rule
that leaves it out:

    no split entry                  the split table does not know it
    no report file                  nothing at p1x/p.../s....txt
    neither findings nor impression nor a last paragraph
    no image file                   (reading.py)

A report with neither findings nor impression gives its last paragraph as the impression, as MIMIC-CXR's own tools do:
so "findings" keeps to the studies that papers count, and "findings-or-impression" takes these too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mrg_llm.errors import DataError
from mrg_llm.studies.cells import PROJECTIONS
from mrg_llm.studies.mimic.layout import Layout, layout_of
from mrg_llm.studies.mimic.tables import Entry, When, entries_of
from mrg_llm.studies.reading import study_of, with_what_is_there
from mrg_llm.studies.sections import sectioned
from mrg_llm.studies.study import Note, Study, StudySet, View

RULES = {
    "split": "no split entry, study left out",
    "report": "no report file, study left out",
    "text": "neither findings nor impression nor a last paragraph in the report, study left out",
    "paragraph": "neither findings nor impression in the report, last paragraph taken as the impression",
    "encoding": "report not in UTF-8, read as Windows-1252",
    "metadata": "no metadata entry, projections and time unknown",
    "time": "date or time unknown, so no prior study known",
    "labels": "no row in the chexpert table, labels unknown",
    "chexpert": "no chexpert table here, labels unknown",
}
"""In the order in which they are reported."""
POSITIONS = ("PA", "AP", "LATERAL", "LL")  # frontal first, then lateral, then whatever else there is


def read_mimic_cxr(root: Path) -> StudySet:
    """The studies of a MIMIC-CXR folder, with labels and prior studies. Study.patient is the subject_id.

    Raises DataError where a table or all reports are missing, and for tables that are damaged or contradict each other.
    """
    layout = layout_of(root)
    chexpert = layout.table("chexpert")
    entries = entries_of(layout.needed_table("metadata"), layout.needed_table("split"), chexpert)
    known, reading = len(entries), Reading(layout, "labels" if chexpert else "chexpert")
    with closing(layout):
        studies = list(reading.studies(entries))
    if not studies:
        raise DataError(
            f"{root}: no study of the {known:,} in the tables has a split and a report with text in it; "
            "unpack mimic-cxr-reports.zip (PhysioNet's MIMIC-CXR) there"
        )
    notes = [Note(rule, tuple(reading.touched[key])) for key, rule in RULES.items() if key in reading.touched]
    return with_what_is_there(f"mimic-cxr:{root}", studies, notes, lambda path: path not in layout.missing)


@dataclass
class Reading:
    """Entries -> studies; remembers which rule touched which study. unlabelled: the rule for one without labels."""

    layout: Layout
    unlabelled: str
    touched: dict[str, list[str]] = field(default_factory=dict)

    def studies(self, entries: dict[str, Entry]) -> Iterator[Study]:
        """In order; the prior study is the patient's last one before this one's time, left out or not.

        Empties `entries`.
        """
        before = Before()
        for number in sorted(entries, key=lambda number: in_order(number, entries[number])):
            entry = entries.pop(number)  # let go of, since there are hundreds of thousands
            sections = self.sections(entry.patient, number, entry.split is not None)
            before.reach(entry)
            study = self.study(number, entry, sections)
            if study is not None:
                yield replace(study, prior=before.id, prior_report=before.report)
            before.remember(number, entry, sections)

    def sections(self, patient: str, number: str, counted: bool) -> dict[str, str] | None:
        """The sections of a report, None where there is no file. counted: whether notes are made."""
        content = self.layout.report(patient, number)
        if content is None:
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
            if counted:
                self.note("encoding", number)
        sections = sectioned(text)
        if last := sections.get("last paragraph"):
            sections["impression"] = last
            if counted:
                self.note("paragraph", number)
        return sections

    def study(self, number: str, entry: Entry, sections: dict[str, str] | None) -> Study | None:
        """None for a study that is left out."""
        texts = sections or {}
        findings = texts.get("findings")
        if entry.split is None or not (findings or texts.get("impression")):
            self.note("split" if entry.split is None else "report" if sections is None else "text", number)
            return None
        if not entry.described or not entry.when:
            self.note("time" if entry.described else "metadata", number)
        if entry.labels is None:
            self.note(self.unlabelled, number)
        study = study_of(f"s{number}", entry.split, self.views(number, entry), findings, texts, entry.patient)
        return replace(study, labels=entry.labels)

    def views(self, number: str, entry: Entry) -> tuple[View, ...]:
        """All films of a study: PA, AP, lateral, others; among these by their name."""
        films = sorted(entry.films.items(), key=lambda film: (rank(film[1]), film[0]))
        return tuple(
            View(self.layout.film(entry.patient, number, name), PROJECTIONS.get(position.lower()))
            for name, position in films
        )

    def note(self, key: str, number: str) -> None:
        self.touched.setdefault(key, []).append(f"s{number}")


@dataclass
class Before:
    """The latest study of the patient at hand that is strictly earlier than the one that is read."""

    patient: str = ""
    id: str | None = None
    report: str | None = None
    latest: tuple[When, str, str | None] | None = None  # of those read; becomes the prior once the time has gone on

    def reach(self, entry: Entry) -> None:
        if entry.patient != self.patient:
            self.patient, self.id, self.report, self.latest = entry.patient, None, None, None
        if self.latest and entry.when and self.latest[0] < entry.when:
            _, self.id, self.report = self.latest

    def remember(self, number: str, entry: Entry, sections: dict[str, str] | None) -> None:
        if entry.when:
            sections = sections or {}
            self.latest = entry.when, f"s{number}", sections.get("findings") or sections.get("impression")


def in_order(number: str, entry: Entry) -> tuple[int, When, int]:
    """By patient, time and number; studies without a time come first, and are nobody's prior."""
    return int(entry.patient), entry.when or (0, 0.0), int(number)


def rank(position: str) -> int:
    return POSITIONS.index(position) if position in POSITIONS else len(POSITIONS)
