"""True findings -> the findings section of a report, in varied words.

Every finding that is there is named, and never hedged. Of what is normal, an agenda of three topics is drawn without a
look at the findings; a topic that the findings contradict is left out. So the presence of a sentence tells of the
findings that it speaks of and of no other, and a report has three to six sentences. Nothing is compared with an earlier
film, and every wording has one meaning only for a labeler of reports.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mrg_llm.studies.study import Finding

# (a|b|c) is one of a, b, c, and may be empty; {name} is filled in. The first letter becomes a capital.
SEEN = "(is seen|is present|is noted|is identified|is demonstrated|is visible)"
ARE_SEEN = "(are seen|are present|are noted|are identified|are visible)"
IN_SITE = "(in the {side} {site}|within the {side} {site}|projecting over the {side} {site})"
PRESENT = {
    "cardiomegaly": (
        "(the heart|the cardiac silhouette|the heart size|the cardiac shadow) is {degree}ly "
        "(enlarged|increased in size).",
        "there is {degree} (cardiomegaly|cardiac enlargement|enlargement of the "
        "heart|enlargement of the cardiac silhouette).",
        f"{{degree}} (cardiomegaly|enlargement of the heart|enlargement of the cardiac silhouette) {SEEN}.",
        "the (heart|cardiac silhouette) shows {degree} enlargement.",
        "{degree} cardiomegaly.",
    ),
    "effusion": (
        "there is a {size} {side} (pleural effusion|sided pleural effusion).",
        f"a {{size}} (pleural effusion {SEEN} on the {{side}}|{{side}} pleural effusion {SEEN}).",
        "{size} {side} pleural effusion(| with blunting of the costophrenic angle| with fluid "
        "along the lateral chest wall).",
        "the {side} costophrenic angle is blunted by a {size} pleural effusion.",
        f"a {{size}} amount of fluid from a pleural effusion {SEEN} on the {{side}}.",
        "(fluid layers|fluid is present) in the {side} pleural space, a {size} pleural effusion.",
    ),
    "effusion bilateral": (
        "there are {size} bilateral pleural effusions(| with blunting of both costophrenic angles).",
        f"{{size}} (bilateral pleural effusions {ARE_SEEN}|pleural effusions {ARE_SEEN} on both sides).",
        "bilateral pleural effusions, {size} in size(|, blunt both costophrenic angles).",
        "both costophrenic angles are blunted by {size} pleural effusions.",
    ),
    "pneumothorax": (
        "there is a {size} {side} (pneumothorax|sided pneumothorax)(| with a visible pleural line).",
        f"a {{size}} (pneumothorax {SEEN} on the {{side}}|{{side}} pneumothorax {SEEN}).",
        "{size} {side} pneumothorax(| with the lung edge away from the chest wall| with a visible pleural line).",
        f"a {{side}} pleural line {SEEN}, with a {{size}} pneumothorax.",
        "the {side} lung is separated from the chest wall by a {size} pneumothorax.",
    ),
    "consolidation": (
        f"(there is|there is an area of) {{size}} consolidation {IN_SITE}.",
        f"a {{size}} (area of consolidation|focus of consolidation|patch of consolidation) {SEEN} {IN_SITE}.",
        f"{{size}} {{side}} {{site}} consolidation {SEEN}.",
        f"{{size}} (airspace consolidation|consolidation) {SEEN} {IN_SITE}.",
        "the {side} {site} shows (a {size} area of|{size}) consolidation.",
    ),
    "nodule": (
        f"there is a {{size}} (nodule|pulmonary nodule|round nodule|lung nodule) {IN_SITE}.",
        f"a {{size}} {{side}} {{site}} (nodule|pulmonary nodule) {SEEN}.",
        f"a {{mm}} mm (nodule|pulmonary nodule|round nodule|noncalcified nodule) {SEEN} {IN_SITE}.",
        "{size} (nodule|pulmonary nodule) (in|within) the {side} {site}(|, measuring {mm} "
        "mm|, about {mm} mm in diameter).",
        "the {side} {site} (contains|shows) a {size} (nodule|noncalcified nodule|round nodule).",
    ),
    "edema": (
        "there is {degree} pulmonary edema(| with perihilar haze| with prominent pulmonary vessels).",
        f"{{degree}} (pulmonary edema|interstitial edema|interstitial pulmonary edema) {SEEN}(| in both lungs).",
        "{degree} (pulmonary edema|interstitial pulmonary edema)(| with perihilar haze| bilaterally).",
        "(perihilar haze|bilateral perihilar haze) and septal lines from {degree} pulmonary "
        "edema are (seen|present|noted).",
        "both lungs show {degree} (pulmonary|interstitial) edema.",
    ),
    "atelectasis": (
        "there is {degree} (atelectasis at the {side} base|{side} basilar "
        "atelectasis|atelectasis at the {side} lung base).",
        f"{{degree}} (linear atelectasis|subsegmental atelectasis|bandlike "
        f"atelectasis|atelectasis) {SEEN} at the {{side}} (base|lung base).",
        f"{{degree}} {{side}} (basilar|basal|lower lung) atelectasis(| {SEEN}| with elevation of the hemidiaphragm).",
        "the {side} (base|lung base) shows {degree} (atelectasis|subsegmental atelectasis|linear atelectasis).",
    ),
    "pacemaker": (
        "(a|there is a) {side} chest (wall |)pacemaker (with leads in the right heart|with "
        "its leads in the right heart|in place).",
        f"a {{side}} sided (pacemaker|cardiac pacemaker) {SEEN}(| with leads projecting over the right heart).",
        "a (pacemaker|cardiac pacemaker|pacemaker generator) (overlies|projects over) the {side} chest.",
        "{side} (chest|sided|pectoral) pacemaker (is in place|is in position|with leads in the right heart).",
        f"(a pacemaker generator|a cardiac pacemaker) {SEEN} over the {{side}} upper chest.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """Something normal that may be said. absent: the findings it denies; one that is there forbids it. about: other
    structures it speaks of, so that none is described twice."""

    absent: frozenset[str]
    wordings: tuple[str, ...]
    weight: float
    about: frozenset[str]

    def repeats(self, other: Topic) -> bool:
        return bool(self.absent & other.absent or self.about & other.about)


NORMAL_LIMITS = "(normal|within normal limits|unremarkable)"
BONES = "(the bones|the osseous structures|the visualized bones|the bony structures|the visualized osseous structures)"
MIDDLE = "(the mediastinal contours|the mediastinal and hilar contours|the hilar and mediastinal contours)"
AIRWAY = "the trachea (is midline|is in the midline|is central)"


def topic(absent: str, *wordings: str, weight: float = 1.0, about: str = "") -> Topic:
    return Topic(frozenset(absent.split()), wordings, weight, frozenset(about.split()))


def none_of(what: str) -> str:
    """There is nothing of the kind, in one of several ways."""
    return (
        f"(no {what}|no {what} is (seen|identified|present)|there is (no|no evidence of) {what}|no evidence of {what})."
    )


NORMAL = (
    topic("cardiomegaly",
          f"(the heart|the heart size|the cardiac silhouette|the size of the heart) is {NORMAL_LIMITS}.",
          "the heart is (normal in size|of normal size|not enlarged)(|, and its contours are smooth).",
          "(normal heart size|heart size is normal|cardiac size is within normal limits)(|, "
          "with a normal cardiac contour).",
          weight=2.0),
    topic("cardiomegaly",
          f"the heart size and mediastinal contours are {NORMAL_LIMITS}.",
          f"the cardiomediastinal silhouette is {NORMAL_LIMITS}.",
          "the heart is normal in size and the mediastinum is unremarkable.", about="mediastinum"),
    topic("consolidation nodule edema atelectasis",
          "(the lungs|both lungs) are clear(| bilaterally| throughout).",
          "(the lungs|both lungs) (are well aerated and clear|are clear on both views).",
          "the lungs are clear(|, and the pulmonary vessels are normal).", weight=1.5),
    topic("consolidation", none_of("(focal consolidation|consolidation|focal airspace consolidation)"),
          "(the lungs show no|neither lung shows) (focal consolidation|consolidation)."),
    topic("nodule", none_of("(pulmonary nodule|lung nodule|nodule or mass|pulmonary nodule or mass)")),
    topic("edema", none_of("(pulmonary|interstitial) edema"),
          f"the (pulmonary vascularity|pulmonary vasculature) is {NORMAL_LIMITS}."),
    topic("atelectasis", none_of("(atelectasis|basilar atelectasis|bibasilar atelectasis)")),
    topic("effusion", none_of("(pleural effusion|pleural fluid|effusion)"),
          "(the costophrenic angles|both costophrenic angles) are (sharp|clear|sharp bilaterally)."),
    topic("pneumothorax", none_of("pneumothorax"), none_of("(right or left pneumothorax|pneumothorax on either side)")),
    topic("effusion pneumothorax",
          none_of("(pleural effusion or pneumothorax|pneumothorax or pleural effusion)"),
          "(the pleural spaces|both pleural spaces) are clear, without effusion or pneumothorax.", weight=2.0),
    topic("effusion pneumothorax consolidation",
          none_of("(focal consolidation, pleural effusion, or pneumothorax|pneumothorax, pleural "
                  "effusion, or consolidation)"),
          weight=2.5),
    topic("edema effusion", none_of("(pulmonary edema or pleural effusion|pleural effusion or pulmonary edema)")),
    topic("", f"{MIDDLE} are {NORMAL_LIMITS}(|, and {AIRWAY}).", weight=1.5, about="mediastinum trachea"),
    topic("", f"{BONES} are (intact|unremarkable|without acute abnormality)(|, and the soft tissues are unremarkable).",
          none_of("acute (bony|osseous) abnormality"), weight=1.5),
    topic("", f"{AIRWAY}(|, and the hila are unremarkable).", about="trachea mediastinum"),
    topic("", "(the upper abdomen|the visualized upper abdomen|the upper abdomen on this film) is unremarkable.",
          "(no free air|there is no free air) (under|below|beneath) the diaphragm."),
)  # fmt: skip
AGENDA = 3
SIZE_WORDS = {
    "small": ("small",),
    "moderate": ("moderate", "moderate sized", "medium sized"),
    "large": ("large",),
}
DEGREES = {
    "small": ("mild", "slight"),
    "moderate": ("moderate",),
    "large": ("severe", "marked"),
}
CHOICE = re.compile(r"\(([^()]*)\)")


def write_report(findings: Sequence[Finding], rng: np.random.Generator, nodule_mm: int = 0) -> str:
    """Three to six sentences. nodule_mm: the diameter that a sentence on a nodule may give."""
    present = {finding.name for finding in findings}
    sentences = [present_sentence(finding, nodule_mm, rng) for finding in findings]
    sentences += [sentence(pick(t.wordings, rng), {}, rng) for t in agenda(rng) if not t.absent & present]
    return " ".join(sentences[i] for i in rng.permutation(len(sentences)))


def agenda(rng: np.random.Generator) -> list[Topic]:
    """Topics that deny no finding twice, so that one finding silences one of them at most."""
    chosen: list[Topic] = []
    while len(chosen) < AGENDA:
        left = [t for t in NORMAL if t not in chosen and not any(t.repeats(c) for c in chosen)]
        weights = np.array([t.weight for t in left])
        chosen.append(left[int(rng.choice(len(left), p=weights / weights.sum()))])
    return chosen


def present_sentence(finding: Finding, nodule_mm: int, rng: np.random.Generator) -> str:
    key = "effusion bilateral" if finding.side == "bilateral" else finding.name
    size = finding.size or "moderate"
    words = {
        "side": finding.side or "", "site": finding.site or "", "mm": str(nodule_mm),
        "size": pick(SIZE_WORDS[size], rng), "degree": pick(DEGREES[size], rng),
    }  # fmt: skip
    return sentence(pick(PRESENT[key], rng), words, rng)


def sentence(pattern: str, words: dict[str, str], rng: np.random.Generator) -> str:
    """One reading of a pattern: choices from the innermost out, then the words."""
    while match := CHOICE.search(pattern):
        pattern = pattern[: match.start()] + pick(match[1].split("|"), rng) + pattern[match.end() :]
    text = re.sub(r"\ba (?=(8|11|18)\b)", "an ", pattern.format(**words))
    return text[0].upper() + text[1:]


def pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
