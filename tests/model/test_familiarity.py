"""A model abstains from pictures that are unlike the films it was trained on."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mrg_llm import cli, runs
from mrg_llm.errors import CheckpointError, UnfamiliarError
from mrg_llm.images import Film, read_film
from mrg_llm.model.familiarity import FEWEST, Familiarity, familiar_films
from mrg_llm.settings import Settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.training.loop import train


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, 120, 0, 128)
    return open_studies(f"phantom:{root}")


@pytest.fixture(scope="module")
def familiarity(phantoms) -> Familiarity:
    found = familiar_films(phantoms.split("train"), 1000, seed=0)
    assert found
    return found


@pytest.fixture(scope="module")
def strangers(tmp_path_factory, phantoms):
    """Pictures that are no upright chest films."""
    root, rng = tmp_path_factory.mktemp("strangers"), np.random.default_rng(0)
    with Image.open(phantoms.split("val")[0].views[0].path) as file:
        film = np.asarray(file.convert("L"))
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 255
    pictures = {"noise": rng.integers(0, 255, (128, 128)), "black": np.zeros((128, 128)), "checks": checks,
                "negative": 255 - film, "corner": np.kron(film[:32, :32], np.ones((4, 4)))}  # fmt: skip
    for name, picture in pictures.items():
        Image.fromarray(picture.astype(np.uint8)).save(root / f"{name}.png")
    return sorted(root.iterdir())


def distances(familiarity: Familiarity, paths) -> np.ndarray:
    return np.array([judged.distance for judged in familiarity.judged([read_film(path) for path in paths])])


def test_films_are_familiar_and_other_pictures_are_not(familiarity, phantoms, strangers):
    own = distances(familiarity, [view.path for study in phantoms.split("test") for view in study.views])
    assert (own < 1).mean() > 0.9
    other = distances(familiarity, strangers)
    assert (other > 1.5).all(), dict(zip([p.stem for p in strangers], other, strict=True))


@pytest.mark.parametrize(
    ("posture", "change"),
    [("a negative", lambda p: 1 - p), ("upside down", lambda p: p[::-1, ::-1]),
     ("on its side", lambda p: np.rot90(p, 3)), ("on its other side", np.rot90), ("upright", lambda p: p)],
)  # fmt: skip
def test_a_film_in_another_posture_is_told(familiarity, phantoms, posture, change):
    films = [read_film(view.path) for study in phantoms.split("val") for view in study.views]
    turned = [Film(np.ascontiguousarray(change(film.pixels)), film.kind, film.bits) for film in films]
    assert np.mean([judged.posture == posture for judged in familiarity.judged(turned)]) > 0.9


def test_what_is_strange_in_every_posture_is_not_called_turned(familiarity, strangers):
    found = dict(zip([p.stem for p in strangers], familiarity.judged([read_film(p) for p in strangers]), strict=True))
    assert all(found[name].posture == "upright" and found[name].distance > 1 for name in ("noise", "black", "checks"))


def test_it_survives_a_file_and_names_a_damaged_one(familiarity, tmp_path):
    path = tmp_path / "f.safetensors"
    path.write_bytes(familiarity.to_bytes())
    again = Familiarity.load(path)
    features = np.random.default_rng(0).normal(size=(5, len(familiarity.numbers["mean_C"])))
    assert np.allclose(again.distance(features), familiarity.distance(features), rtol=1e-4)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        Familiarity.load(path)


def test_the_encoder_is_loaded_once(phantoms, familiarity, monkeypatch):
    from mrg_llm.model import familiarity as module

    fresh, loaded, load = Familiarity(familiarity.numbers), [], module.VisionEncoder.load
    monkeypatch.setattr(module.VisionEncoder, "load", lambda config: loaded.append(config) or load(config))
    films = [read_film(phantoms.split("val")[0].views[0].path)]
    assert fresh.judged(films) == fresh.judged(films) and len(loaded) == 1


def test_too_few_films_say_nothing(phantoms):
    assert familiar_films(phantoms.split("train")[:3], 1000, seed=0) is None
    with pytest.raises(ValueError, match=str(FEWEST)):
        Familiarity.fit(np.zeros((FEWEST - 1, 8)))


def test_distances_follow_the_shape_of_the_films():
    """A step that is common among films counts less than the same step in a direction in which they do not differ."""
    rng = np.random.default_rng(0)
    films = rng.normal(size=(2000, 6)) * np.array([10, 3, 1, 1, 1, 0.1])
    found = Familiarity.fit(films)
    along, across = np.zeros((1, 6)), np.zeros((1, 6))
    along[0, 0] = across[0, 5] = 2
    assert found.distance(across) > 100 * found.distance(along)
    assert (found.distance(rng.normal(size=(500, 6)) * [10, 3, 1, 1, 1, 0.1]) < 1).mean() > 0.95


def test_a_run_keeps_it_and_mrg_report_abstains(tiny_values, phantoms, strangers, tmp_path):
    values = {**tiny_values, "data": {**tiny_values["data"], "familiar_films": 200}, "align_global": {"epochs": 0},
              "align_local": {"epochs": 0}, "generate": {"epochs": 0.1, "metric": "loss"}}  # fmt: skip
    run = train(Settings.model_validate(values), phantoms, tmp_path / "run")
    assert "familiarity.safetensors" in json.loads((run / "manifest.json").read_text())
    reporter = runs.load(run)
    film = phantoms.split("val")[0].views[0].path
    assert isinstance(reporter.report(film), str)
    with pytest.raises(UnfamiliarError, match="--anyway"):
        reporter.report([film, strangers[0]])
    assert isinstance(reporter.report(strangers[0], anyway=True), str)
    refused = CliRunner().invoke(cli.app, ["report", str(strangers[0]), "--model", str(run)])
    assert isinstance(refused.exception, UnfamiliarError) and refused.exception.exit_code == 2
    assert CliRunner().invoke(cli.app, ["report", str(strangers[0]), "--model", str(run), "--anyway"]).exit_code == 0
