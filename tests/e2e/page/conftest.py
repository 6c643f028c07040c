"""A phantom study, the service it is given to, and a browser on the service's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.page.browser import Browser

NOTICE = "Draft by software. Research use only, not a medical device."
PICTURE, OVERLAY = ".pane:first-child .picture", ".pane:first-child .overlay"


def drafted(page: Browser, films: Sequence[Path]) -> None:
    """Give the films and wait for the draft, its films and its maps."""
    page.choose(films)
    page.wait_text("#draft-state", "Preliminary")
    page.wait_text("#evidence-text", "Point at a sentence")


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> list[Path]:
    """A phantom study: a frontal and a lateral PNG."""
    from mrg_llm.studies.phantom import write_phantoms

    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, 1)
    return sorted((root / "images").rglob("*.png"))


@pytest.fixture(scope="session")
def dicom_films(films, tmp_path_factory) -> list[Path]:
    """The same study as DICOM, which alone can become a DICOM SR."""
    import numpy as np
    from PIL import Image
    from pydicom.uid import generate_uid

    from tests.images.made import dicom

    folder = tmp_path_factory.mktemp("dicom")
    study = {name: generate_uid(entropy_srcs=[name]) for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    for film, position in zip(films, ("PA", "LL"), strict=True):
        stored = np.asarray(Image.open(film)).astype(np.uint16) * 16
        tags = {"SOPInstanceUID": generate_uid(entropy_srcs=[position]), "ViewPosition": position, "Modality": "DX"}
        (folder / f"{position}.dcm").write_bytes(dicom(stored, **study, **tags))
    return [folder / "PA.dcm", folder / "LL.dcm"]


@pytest.fixture
def served(films, tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from tests.e2e.page.served import Served

    running = Served(films, tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    browser = Browser.start(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def page(chromium, served):
    """The page of a server that refuses nothing. Nothing that a test does may break the policy or leave the server."""
    chromium.open(served.url)
    yield chromium
    assert chromium.misdeeds() == []
    chromium.js("sessionStorage.clear(); localStorage.clear()")
    chromium.driver.get("about:blank")
