"""A pack: every field comes back, a kill costs nothing, and what was changed is found."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrg_llm import packing
from mrg_llm.errors import DataError, ImageError, ResourceError, SettingsError
from mrg_llm.films import film_of, read_view, refuse_other_squares
from mrg_llm.images import read_film
from mrg_llm.images.pixels import to_square_uint8
from mrg_llm.packing import Recipe, pack, plan
from mrg_llm.studies import open_studies, read_studies
from mrg_llm.studies.pack import Square, damaged, disk, write_pack
from mrg_llm.studies.study import Finding, Note, Study, StudySet, View

SIDE = 16


def film(seed):
    """(side, side) uint8, another for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def drawn(studies):
    """A decoder that opens nothing: the film of a path named 7 is film(7); "bad" cannot be read."""
    for study in studies:
        yield [
            "bad: it is none" if view.path.name == "bad" else Square(film(int(view.path.name)), 40, 30)
            for view in study.views
        ]


def made(count, split_by=None):
    studies = [Study(f"s{n}", "train", (View(Path(f"a/{2 * n}")), View(Path(f"a/{2 * n + 1}"))), f"Report {n}.")
               for n in range(count)]  # fmt: skip
    return StudySet("made:here", tuple(studies), (), split_by)


def packed(folder, studies, **recipe):
    return write_pack(folder, studies, Recipe.of(studies, SIDE, "squash", **recipe), drawn)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_field_comes_back(tmp_path):
    truth = (Finding("effusion", "Pleural Effusion", "left", None, "small", {"frontal": (0.1, 0.2, 0.3, 0.4)}),)
    studies = StudySet("made:here", (
        Study("å/1", "train", (View(Path("a/0"), "frontal"), View(Path("a/1"), "lateral")), "Findings.", "Impression.",
              "Indication.", "Comparison.", "p7", truth, {"Edema": 1, "Fracture": None, "Pneumonia": -1}, "s0",
              "Before."),
        Study("s2", None, (View(Path("b/2")),), truth=(), labels={}),
        Study("s3", "test", (View(Path("b/bad")), View(Path("b\udcff/3")))),
        Study("s4", "val", (View(Path("bad")),), ""),
    ), (Note("left out", ("x", "y")),), "seed:3")  # fmt: skip
    found = packed(tmp_path / "pack", studies)
    assert (found.studies, found.films, found.unreadable) == (4, 4, 2) and found.complete
    read = open_studies(f"pack:{tmp_path / 'pack'}")
    bare = [replace(s, views=tuple(View(v.path, v.projection) for v in s.views)) for s in read]
    assert tuple(bare) == studies.studies
    assert (read.notes, read.split_by, read.fingerprint) == (studies.notes, "seed:3", studies.fingerprint)
    for study, source in zip(read, studies, strict=True):
        for view, before in zip(study.views, source.views, strict=True):
            if before.path.name == "bad":
                with pytest.raises(ImageError, match="bad: it is none"):
                    film_of(view)
            else:
                assert np.array_equal(read_view(view, SIDE, "squash"), film(int(before.path.name)))
                assert (view.packed.rows, view.packed.columns) == (40, 30)


def test_policies_apply_when_a_pack_is_read(tmp_path):
    views = (View(Path("1")),)
    packed(tmp_path / "pack", StudySet("made:here", (
        Study("a", "train", views, "Findings. No XXXX.", "Impression."), Study("b", "train", views, None, "Alone."),
    )))  # fmt: skip
    spec = f"pack:{tmp_path / 'pack'}"
    assert [s.report for s in open_studies(spec, deidentified="drop-sentence")] == ["Findings."]
    assert [s.report for s in open_studies(spec, sections="impression")] == ["Impression.", "Alone."]
    assert open_studies(spec, split_by="seed:1").split_by == "seed:1"


@pytest.mark.parametrize("fit", ["squash", "pad"])
@pytest.mark.parametrize("size", [(320, 240), (241, 330), (16, 16)])
def test_squares_are_the_ones_films_give(tmp_path, fit, size):
    path = tmp_path / "film.png"
    down, across = np.linspace(0, 6, size[0])[:, None], np.linspace(0, 4, size[1])
    Image.fromarray((127 * (1 + np.sin(down) * np.cos(across))).astype(np.uint8)).save(path)
    studies = StudySet("made:here", (Study("s", "train", (View(path),)),))
    pack(tmp_path / "pack", studies, Recipe.of(studies, 96, fit))
    (view,) = open_studies(f"pack:{tmp_path / 'pack'}").studies[0].views
    film = read_film(path)
    assert np.array_equal(read_view(view, 96, fit), to_square_uint8(film, 96, fit))
    shape = film_of(view).pixels.shape
    assert shape == (96, 96) if fit == "squash" else shape == tuple(round(96 * side / max(size)) for side in size)
    smaller = read_view(view, 20, fit).astype(float) - to_square_uint8(film, 20, fit)
    assert abs(smaller).mean() < 2  # of 255: averaged twice, over other borders


def test_a_pack_of_the_source_s_side_loses_nothing(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    studies = StudySet("made:here", (Study("s", "train", (View(path),)),))
    pack(tmp_path / "pack", studies, Recipe.of(studies, 64, "squash"))
    (view,) = open_studies(f"pack:{tmp_path / 'pack'}").studies[0].views
    assert np.array_equal(film_of(view).pixels, read_film(path).pixels)
    for side in (24, 42, 64, 80):
        assert np.array_equal(read_view(view, side, "squash"), read_view(View(path), side, "squash"))


def test_a_model_that_needs_more_than_a_pack_has(tmp_path):
    packed(tmp_path / "pack", made(1))
    studies = open_studies(f"pack:{tmp_path / 'pack'}").studies
    refuse_other_squares(studies, SIDE, "squash")
    with pytest.raises(DataError, match=r"16 px a side, and squares of 32 px are asked for; pack .* --side-px 32"):
        refuse_other_squares(studies, 32, "squash")
    with pytest.raises(DataError, match=r"squashed .* --fit pad"):
        refuse_other_squares(studies, SIDE, "pad")


def test_a_pack_can_be_packed_smaller(tmp_path):
    packed(tmp_path / "large", made(3))
    source = read_studies(f"pack:{tmp_path / 'large'}")
    pack(tmp_path / "small", source, Recipe.of(source, SIDE // 2, "squash"))
    small = open_studies(f"pack:{tmp_path / 'small'}")
    assert small.fingerprint == source.fingerprint
    for study, before in zip(small, source, strict=True):
        for view, larger in zip(study.views, before.views, strict=True):
            assert np.array_equal(read_view(view, 8, "squash"), read_view(larger, 8, "squash"))
    with pytest.raises(DataError, match="16 px a side"):
        plan(tmp_path / "new", source, Recipe.of(source, 32, "squash"))


# -- whatever stops it -------------------------------------------------------------------------------------------------


def test_an_exception_at_any_moment_and_the_same_bytes(tmp_path):
    studies = made(11)
    packed(tmp_path / "whole", studies, films_per_shard=4)
    recipe = Recipe.of(studies, SIDE, "squash", 4)
    for moment in range(11):

        def stopped(rest, moment=moment):
            for number, squares in enumerate(drawn(rest)):
                if number == moment % 3:
                    raise KeyboardInterrupt
                yield squares

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                write_pack(tmp_path / f"{moment}", studies, recipe, stopped)
        packed(tmp_path / f"{moment}", studies, films_per_shard=4)
        assert contents(tmp_path / f"{moment}") == contents(tmp_path / "whole")


@pytest.mark.parametrize("call", ["append", "put_in_place", "fsync"])
def test_a_disk_that_fails_at_any_write_and_the_same_bytes(tmp_path, monkeypatch, call):
    studies = made(9)
    packed(tmp_path / "whole", studies, films_per_shard=4)
    module = os if call == "fsync" else sys.modules["mrg_llm.studies.pack.writing"]
    sound = getattr(module, call)
    for fatal in range(1, 6):
        calls = iter(range(1, 100))

        def full(*arguments, fatal=fatal, calls=calls):
            if next(calls) == fatal:
                raise OSError(28, "No space left on device")
            return sound(*arguments)

        folder = tmp_path / f"{fatal}"
        with monkeypatch.context() as patched:
            patched.setattr(module, call, full)
            with pytest.raises(ResourceError, match=r"disk of .* is full; make room and give the same command again"):
                packed(folder, studies, films_per_shard=4)
        packed(folder, studies, films_per_shard=4)
        assert contents(folder) == contents(tmp_path / "whole")


def test_what_was_half_written_is_cut_off(tmp_path):
    studies = made(9)
    packed(tmp_path / "whole", studies, films_per_shard=4)
    recipe = Recipe.of(studies, SIDE, "squash", 4)

    def stopped(rest):
        yield from list(drawn(rest))[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pack(tmp_path / "cut", studies, recipe, stopped)
    for name, rubbish in (("index.jsonl", b'{"id": "s4", "vi'), ("shards.jsonl", b'{"studies": 2, "fil')):
        with (tmp_path / "cut" / name).open("ab") as file:
            file.write(rubbish)
    (tmp_path / "cut" / "films-00002.u8").write_bytes(b"of a shard that never counted")
    with pytest.raises(DataError, match="not packed to its end; give the 'mrg data pack' command again"):
        open_studies(f"pack:{tmp_path / 'cut'}")
    packed(tmp_path / "cut", studies, films_per_shard=4)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills at once")
def test_kill_9_at_random_moments_and_the_same_bytes(tmp_path):
    """The command itself, with its decoder processes, killed until a call comes to its end."""
    rng = np.random.default_rng(0)
    lines = ["id,images,findings,split"]
    for n in range(60):
        Image.fromarray(rng.integers(0, 256, (300, 280), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        lines.append(f"s{n},{n}.png,Report {n}.,train")
    (tmp_path / "studies.csv").write_text("\n".join(lines))
    source = read_studies(f"table:{tmp_path / 'studies.csv'}")
    recipe = Recipe.of(source, 64, "squash", 5)
    pack(tmp_path / "whole", source, recipe)
    code = (
        "import sys; from pathlib import Path; from mrg_llm.packing import Recipe, pack\n"
        "from mrg_llm.studies import read_studies\n"
        "source = read_studies(sys.argv[1])\n"
        "print(pack(Path(sys.argv[2]), source, Recipe.of(source, 64, 'squash', 5)).films)"
    )
    command = [sys.executable, "-c", code, f"table:{tmp_path / 'studies.csv'}", str(tmp_path / "killed")]
    chance, kills, stood = random.Random(1), 0, set()
    while kills < 5:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
        begun = time.monotonic()
        journal, before = tmp_path / "killed" / "shards.jsonl", len(stood)
        while process.poll() is None:  # let it get to a shard it had not, then anything up to some shards further
            stood.add(journal.stat().st_size if journal.exists() else 0)
            if len(stood) > before or time.monotonic() - begun > 60:
                time.sleep(chance.random() * 0.05)
                break
            time.sleep(0.001)
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "60" and kills > 1
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_whole_pack_is_left_as_it_is(tmp_path):
    packed(tmp_path / "pack", made(5), films_per_shard=4)
    before = contents(tmp_path / "pack")
    (tmp_path / "pack" / "shards.jsonl").write_text("left by a kill after the last line")

    def never(studies):
        raise AssertionError("nothing is to be decoded")

    found = write_pack(tmp_path / "pack", made(5), Recipe.of(made(5), SIDE, "squash", 4), never)
    assert found.films == 10 and contents(tmp_path / "pack") == before


def test_other_settings_and_other_studies_are_refused(tmp_path):
    folder = tmp_path / "pack"
    packed(folder, made(3))
    before = contents(folder)
    for studies, recipe, words in (
        (made(3), (32, "squash"), "begun with side_px 16, not 32"),
        (made(3), (SIDE, "pad"), "begun with fit squash, not pad"),
        (made(3, "seed:1"), (SIDE, "squash"), "begun with split_by None, not seed:1"),
        (made(4), (SIDE, "squash"), "not those that .* was begun with"),
        (replace(made(3), source="table:x"), (SIDE, "squash"), "begun with source made:here, not table:x"),
    ):
        with pytest.raises(DataError, match=words):
            write_pack(folder, studies, Recipe.of(studies, *recipe), drawn)
    assert contents(folder) == before
    for other in ({"impression": "X"}, {"prior_report": "X"}, {"labels": {"Edema": 1}}, {"truth": ()}):
        changed = replace(made(3), studies=(replace(made(3).studies[0], **other), *made(3).studies[1:]))
        with pytest.raises(DataError, match="not those that"):
            packed(folder, changed)


def test_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not a pack"):
        packed(tmp_path, made(1))
    with pytest.raises(DataError, match="not a pack"):
        packed(tmp_path / "mine.txt", made(1))
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_two_at_the_same_time(tmp_path):
    pytest.importorskip("fcntl")
    tmp_path.joinpath("pack").mkdir()
    with disk.alone(tmp_path / "pack"), pytest.raises(DataError, match="being packed by another process"):
        packed(tmp_path / "pack", made(1))
    packed(tmp_path / "pack", made(1))


def test_no_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    studies = made(1000)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**5))
    with pytest.raises(ResourceError, match=r"needs 512\.0 kB and its disk has 100\.0 kB free"):
        pack(tmp_path / "pack", studies, Recipe.of(studies, SIDE, "squash"))
    assert not (tmp_path / "pack").exists()
    packed(tmp_path / "other", studies, films_per_shard=1000)
    (tmp_path / "other" / ".films-00002.u8.partial").write_bytes(bytes(10**6))  # is written over, so it is room
    assert plan(tmp_path / "other", studies, Recipe.of(studies, SIDE, "squash", 1000)).free == 10**5 + 10**6


def test_a_recipe_that_makes_no_sense(tmp_path):
    for recipe in ((7, "squash"), (SIDE, "stretch")):
        with pytest.raises(SettingsError, match="at least 8 px and squash or pad"):
            plan(tmp_path / "pack", made(1), Recipe.of(made(1), *recipe))


# -- what was changed --------------------------------------------------------------------------------------------------


def test_a_flipped_bit_is_found_and_named(tmp_path):
    packed(tmp_path / "pack", made(9), films_per_shard=4)
    assert damaged(tmp_path / "pack") == []
    shard = tmp_path / "pack" / "films-00002.u8"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    assert damaged(tmp_path / "pack") == ["films-00002.u8"]
    with pytest.raises(DataError, match=r"films-00002\.u8 differ from the manifest"):
        packing.refuse_damaged(f"pack:{tmp_path / 'pack'}")
    packing.refuse_damaged("table:elsewhere.csv")


def test_a_shard_that_was_cut_or_lost_and_an_index_that_was_changed(tmp_path):
    folder = tmp_path / "pack"
    packed(folder, made(9), films_per_shard=4)
    spec, shard, index = f"pack:{folder}", folder / "films-00001.u8", folder / "index.jsonl"
    whole, lines = shard.read_bytes(), index.read_bytes()
    studies = open_studies(spec).studies
    shard.write_bytes(whole[:-10])
    with pytest.raises(DataError, match=r"films-00001\.u8 has 1,014 bytes and should have 1,024"):
        open_studies(spec)
    with pytest.raises(DataError, match="ends before its film 3"):
        [read_view(view, SIDE, "squash") for study in studies for view in study.views]
    shard.unlink()
    with pytest.raises(DataError, match=r"films-00001\.u8 cannot be opened"):
        open_studies(spec)
    with pytest.raises(DataError, match=r"films-00001\.u8 cannot be read"):
        [read_view(view, SIDE, "squash") for study in studies for view in study.views]
    assert damaged(folder) == ["films-00001.u8"]
    shard.write_bytes(whole)
    index.write_bytes(lines.replace(b"Report 3", b"Report 4"))
    with pytest.raises(DataError, match="is not as it was written"):
        open_studies(spec)
    assert damaged(folder) == ["index.jsonl"]
    for change in (lambda r: r["views"][0].update(film=99), lambda r: r["views"][0].update(shard=-1),
                   lambda r: r.pop("views"), lambda r: r.update(report=7), lambda r: r.update(views=None)):  # fmt: skip
        rows = [json.loads(line) for line in lines.splitlines()]
        change(rows[2])
        index.write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(DataError, match=r"line 3 of .*index\.jsonl is damaged"):
            open_studies(spec)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "complete": true}'])
def test_a_manifest_that_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="again"):
        open_studies(f"pack:{tmp_path}")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"no manifest\.json: it is not a pack"):
        open_studies(f"pack:{tmp_path}")


# -- films -------------------------------------------------------------------------------------------------------------


def test_a_film_that_cannot_be_read_costs_itself_only(tmp_path, tiny_studies):
    torn = tmp_path / "torn.png"
    torn.write_bytes(tiny_studies.studies[0].views[0].path.read_bytes()[:60])
    studies = list(tiny_studies)
    studies[1] = replace(studies[1], views=(View(torn), *studies[1].views))
    studies[2] = replace(studies[2], views=(View(tmp_path / "absent.png"),))
    source = StudySet("made:here", tuple(studies))
    found = pack(tmp_path / "pack", source, Recipe.of(source, 32, "squash"), workers=3)
    assert found.unreadable == 2 and found.films == sum(len(s.views) for s in tiny_studies) - 1
    read = open_studies(f"pack:{tmp_path / 'pack'}")
    assert "torn.png" in read.studies[1].views[0].problem and "absent.png" in read.studies[2].views[0].problem
    for study, before in zip(read, studies, strict=True):
        for view, file in zip(study.views, before.views, strict=True):
            if not view.problem:
                assert np.array_equal(read_view(view, 32, "squash"), read_view(file, 32, "squash"))


def test_without_any_film_there_is_no_pack(tmp_path):
    studies = StudySet("made:here", (Study("s", "train", (View(Path("bad")),)),))
    with pytest.raises(DataError, match="no film of made:here can be read"):
        packed(tmp_path / "pack", studies)
    with pytest.raises(DataError, match="not packed to its end"):
        open_studies(f"pack:{tmp_path / 'pack'}")


def test_a_film_that_fails_once_is_tried_again(tmp_path):
    calls = []

    def read(path):
        calls.append(path)
        if len(calls) == 1:
            raise ImageError("the decoder process could not be started")
        return read_film(path)

    Image.fromarray(film(0)).save(tmp_path / "0.png")
    found = packing.square(View(tmp_path / "0.png"), SIDE, "squash", read)
    assert isinstance(found, Square) and np.array_equal(found.pixels, film(0)) and len(calls) == 2


def test_pixels_do_not_wait_in_memory(tmp_path):
    """However long the list, no more studies are decoded than a few for each worker before one is taken."""
    decoded = []

    def read(path):
        decoded.append(path)
        return read_film(path)

    Image.fromarray(film(0)).save(tmp_path / "0.png")
    studies = [Study(f"s{n}", None, (View(tmp_path / "0.png"),)) for n in range(200)]
    original = packing.film_of
    try:
        packing.film_of = lambda view, _: original(view, read)
        squares = packing.squares_of(studies, SIDE, "squash", 2)
        next(squares)
        time.sleep(0.2)
        assert len(decoded) <= 2 * packing.AHEAD
        squares.close()
    finally:
        packing.film_of = original


# -- training and the command line -------------------------------------------------------------------------------------


def test_training_from_a_pack_gives_the_losses_that_films_give(tmp_path, tiny_values, tiny_studies):
    from rich.console import Console

    from mrg_llm.settings import Settings
    from mrg_llm.training.loop import train
    from mrg_llm.training.spent import EVENT

    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n")
    studies = list(tiny_studies)
    studies[2] = replace(studies[2], views=(View(torn),))
    source = StudySet("made:here", tuple(studies))
    pack(tmp_path / "pack", source, Recipe.of(source, 32, "squash", 4))
    settings = Settings.model_validate({**tiny_values, "data": {**tiny_values["data"], "augment": True}})
    journals = []
    for name, data in (("files", source), ("packed", open_studies(f"pack:{tmp_path / 'pack'}"))):
        run = train(settings, data, tmp_path / name, console=Console(file=io.StringIO()))
        start, *lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
        assert start["unreadable"] == ["s2"] and start["data_sha256"] == source.fingerprint
        lines = [line for line in lines if line.get("event") != EVENT]  # time, which no two runs share
        journals.append((lines, (run / "model.safetensors").read_bytes()))
    assert journals[0] == journals[1] and len(journals[0][0]) > 6


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    from mrg_llm import cli
    from mrg_llm.studies.phantom import write_phantoms

    def mrg(*arguments):
        monkeypatch.setattr(sys, "argv", ["mrg", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    write_phantoms(tmp_path / "drawn", 6, side_px=48)
    arguments = ("data", "pack", f"phantom:{tmp_path / 'drawn'}", "--out", tmp_path / "pack", "--side-px", 32)
    code, out, _ = mrg(*arguments, "--dry-run")
    assert code == 0 and "6 studies, 12 films; at most 12.3 kB to write in 1 shards" in out
    assert not (tmp_path / "pack").exists()
    code, out, err = mrg(*arguments)
    assert (
        code == 0 and "12 films of 6 studies in 1 shards" in out and f"mrg train --data pack:{tmp_path / 'pack'}" in out
    )
    code, out, _ = mrg(*arguments)
    assert code == 0 and "12 of them are packed already" in out
    code, _, err = mrg(*arguments[:-1], 64)
    assert code == 2 and "begun with side_px 32, not 64" in err and "Traceback" not in err

    code, out, _ = mrg("data", "info", f"pack:{tmp_path / 'pack'}")
    assert code == 0 and "6  studies" in out
    code, out, _ = mrg("data", "check", f"pack:{tmp_path / 'pack'}")
    assert code == 0 and "12  different films" in out
    shard = tmp_path / "pack" / "films-00000.u8"
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 4]) + shard.read_bytes()[1:])
    code, _, err = mrg("data", "check", f"pack:{tmp_path / 'pack'}")
    assert code == 2 and "films-00000.u8 differ from the manifest" in err


def test_the_page_of_scores_shows_films_of_a_pack(tmp_path):
    from mrg_llm.scored import thumbnails

    studies = StudySet("made:here", (Study("s", "train", (View(Path("bad")), View(Path("1")))),))
    packed(tmp_path / "pack", studies)
    assert len(thumbnails(open_studies(f"pack:{tmp_path / 'pack'}").studies[0])) == 1
