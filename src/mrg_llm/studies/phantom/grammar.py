"""True findings -> the findings section of a report, in varied words.

Every finding that is there is named, none that is absent is; what is normal is said or left out by chance, in any
order, so that no sentence tells by its frequency what the film should tell. Writes nothing a labeler would call
uncertain, and never compares with an earlier film.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mrg_llm.studies.study import Finding

# {side} left/right, {site} a lobe, {size} an adjective with its space; {a} the article that fits what follows.
PRESENT = {
    "cardiomegaly": (
        "The heart is {degree} enlarged.", "{Degree} cardiomegaly is present.", "There is {degree} cardiomegaly.",
        "The cardiac silhouette is {degree} enlarged.", "{Degree} enlargement of the heart is seen.",
        "Heart size is {degree} increased.",
    ),
    "effusion": (
        "There is a {size} {side} pleural effusion.", "A {size} {side} pleural effusion is present.",
        "{Size} {side} pleural effusion is noted.", "{Size} pleural effusion on the {side}.",
        "Blunting of the {side} costophrenic angle from a {size} pleural effusion.",
    ),
    "effusion bilateral": (
        "There are {size} bilateral pleural effusions.", "{Size} bilateral pleural effusions are present.",
        "Bilateral pleural effusions are seen, {size} in size.",
    ),
    "pneumothorax": (
        "There is a {size} {side} pneumothorax.", "A {size} {side} pneumothorax is present.",
        "{Size} pneumothorax is seen on the {side}.", "{Size} {side} apical pneumothorax is noted.",
    ),
    "consolidation": (
        "There is consolidation in the {side} {site}.", "A {size} area of consolidation is seen in the {side} {site}.",
        "{Side} {site} consolidation is present.", "{Size} consolidation is noted in the {side} {site}.",
    ),
    "nodule": (
        "There is a {size} nodule in the {side} {site}.", "A {size} {side} {site} nodule is present.",
        "{Size} pulmonary nodule is seen in the {side} {site}.", "{Side} {site} nodule is noted, {size} in size.",
    ),
    "edema": (
        "There is {degree} pulmonary edema.", "{Degree} pulmonary edema is present.",
        "Perihilar haze from {degree} pulmonary edema is seen.", "{Degree} interstitial edema is seen.",
    ),
    "atelectasis": (
        "There is {side} basilar atelectasis.", "{Degree} atelectasis is present at the {side} base.",
        "Linear atelectasis is seen at the {side} lung base.", "{Side} basilar subsegmental atelectasis is noted.",
    ),
    "pacemaker": (
        "A {side} chest pacemaker is in place.", "{Side} sided pacemaker with leads in the right heart.",
        "There is a {side} chest wall pacemaker.", "A cardiac pacemaker overlies the {side} chest.",
    ),
}  # fmt: skip
NORMAL = {
    "heart": (
        "The heart is normal in size.", "Heart size is normal.", "The cardiac silhouette is normal.",
        "The heart is not enlarged.", "Heart size is within normal limits.",
    ),
    "lungs": (
        "The lungs are clear.", "Both lungs are clear.", "The lungs are well expanded and clear.",
        "Clear lungs bilaterally.",
    ),
    "no consolidation": ("No focal consolidation.", "There is no consolidation.", "No focal consolidation is seen."),
    "no effusion": ("No pleural effusion.", "There is no pleural effusion.", "No pleural effusion is seen."),
    "no pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No pneumothorax is identified."),
    "pleura": (
        "No pleural effusion or pneumothorax.", "There is no pneumothorax or pleural effusion.",
        "Negative for pneumothorax or pleural effusion.",
    ),
    "mediastinum": (
        "The mediastinum is unremarkable.", "Mediastinal contours are normal.",
        "The mediastinal contours are within normal limits.",
    ),
    "bones": ("The bones are intact.", "Osseous structures are intact.", "Visualized bones are unremarkable."),
}  # fmt: skip
SIZE_WORDS = {"small": ("small", "small", "tiny"), "moderate": ("moderate", "moderate sized"), "large": ("large",)}
DEGREE_WORDS = {"small": ("mild", "mild"), "moderate": ("moderate",), "large": ("severe", "marked")}
ADVERBS = {"mild": "mildly", "moderate": "moderately", "severe": "severely", "marked": "markedly"}
LUNG_FINDINGS = {"consolidation", "nodule", "edema", "atelectasis"}


def write_report(findings: Sequence[Finding], rng: np.random.Generator) -> str:
    """Three to seven sentences."""
    sentences = [present_sentence(finding, rng) for finding in findings]
    spoken = normal_sentences({f.name for f in findings}, rng)
    keep = max(3 - len(sentences), min(len(spoken), int(rng.integers(2, 5))))
    chosen = sorted(rng.permutation(len(spoken))[:keep])
    sentences += [spoken[i] for i in chosen]
    return " ".join(sentences[i] for i in rng.permutation(len(sentences)))


def present_sentence(finding: Finding, rng: np.random.Generator) -> str:
    key = "effusion bilateral" if finding.side == "bilateral" else finding.name
    template = pick(PRESENT[key], rng)
    size = pick(SIZE_WORDS[finding.size or "moderate"], rng)
    degree = pick(DEGREE_WORDS[finding.size or "moderate"], rng)
    if "{degree} enlarged" in template or "{degree} increased" in template:
        degree = ADVERBS[degree]
    words = {"side": finding.side or "", "site": finding.site or "", "size": size, "degree": degree}
    words |= {name.capitalize(): value.capitalize() for name, value in words.items()}
    return template.format(**words)


def normal_sentences(present: set[str], rng: np.random.Generator) -> list[str]:
    """One wording of everything normal that may be said of a film with these findings."""
    topics = ["mediastinum", "bones"]
    if "cardiomegaly" not in present:
        topics.append("heart")
    if not present & LUNG_FINDINGS:
        topics.append("lungs")
    if "consolidation" not in present:
        topics.append("no consolidation")
    effusion, pneumothorax = "effusion" in present, "pneumothorax" in present
    if not effusion and not pneumothorax and rng.random() < 0.6:
        topics.append("pleura")
    else:
        topics += ["no effusion"] * (not effusion) + ["no pneumothorax"] * (not pneumothorax)
    return [pick(NORMAL[topic], rng) for topic in topics]


def pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
