"""What an experiment's file says: the settings of every arm, and which arms share an alignment."""

import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.experiment.plan import Arm, Planned, experiment_names, load_experiment
from mrg_llm.model.configuration import PromptConfig
from mrg_llm.model.prompts import Promptbook


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_in_the_package_is_valid(name):
    planned = load_experiment(name)
    assert planned.experiment.name == name
    assert len(planned.experiment.seeds) == (1 if name == "claim-controls" else 3)


def test_the_claims_arms_are_those_of_the_method():
    planned = load_experiment("claim")
    variants = {arm.name: planned.settings(arm, 0).model.prompts.variant for arm in planned.trained if not arm.best}
    assert set(variants.values()) == {"none", "static", "promptbook-wise", "prompt-wise"}
    probed = {"promptbook-wise-probe", "prompt-wise-probe"}
    others = {"static-matched", "pooled", "gamma", "beta", "lora", *probed}
    assert variants.keys() - set(variants.values()) == others
    controls = {arm.name: arm.of for arm in planned.experiment.arm if arm.of}
    of_the_probe = {"other-prompts-probe": "promptbook-wise-probe", "swapped-probe": "promptbook-wise-probe"}
    assert controls == {"other-prompts": "prompt-wise", "swapped": "prompt-wise", **of_the_probe}
    conditions = {arm.name: planned.settings(arm, 0).model.prompts.condition for arm in planned.trained if not arm.best}
    assert {name for name, condition in conditions.items() if condition == "probe"} == probed
    assert {arm.best for arm in planned.trained if arm.best and arm.aligned is False} == {1, 2}


def test_static_matched_has_the_trained_parameters_of_prompt_wise():
    """In the default models: 30 layers of width 576, an encoder of width 384."""
    import torch

    planned = load_experiment("claim")

    def count(name: str) -> int:
        config: PromptConfig = planned.settings(planned.experiment.named(name), 0).model.prompts
        book = Promptbook(config, torch.rand(config.prompts, 576), 384, 576, torch.ones(30))
        return sum(p.numel() for p in book.parameters())

    assert count("static-matched") == pytest.approx(count("prompt-wise"), rel=0.01)
    assert count("static") < 0.2 * count("prompt-wise")


def test_arms_whose_alignment_is_the_same_share_it():
    planned = load_experiment("claim")
    start = {arm.name: planned.start_of(arm, 1) for arm in planned.trained if not arm.best}
    assert {start[name] for name in ("none", "static", "static-matched", "pooled", "lora")} == {"none"}
    own = ("promptbook-wise", "prompt-wise", "promptbook-wise-probe", "prompt-wise-probe", "gamma", "beta")
    assert [start[name] for name in own] == list(own)
    assert len(planned.alignments(1)) == 7
    one, other = (planned.alignments(seed)["none"] for seed in (0, 1))
    assert (one.train.seed, other.train.seed) == (0, 1)
    assert one.generate.epochs == 0 and one.align_local.epochs > 0


def test_adapters_take_no_part_in_an_alignment(planned):
    none = planned.experiment.named("none")
    slow, fast = (
        Arm(name=name, what="adapters", set=(*none.set, "model.language.lora_rank=2", f"train.lr_lora={rate}"))
        for name, rate in (("slow", 1e-4), ("fast", 1e-3))
    )
    more = Planned(planned.experiment.model_copy(update={"arm": (*planned.experiment.arm, slow, fast)}))
    assert [more.start_of(arm, 0) for arm in (slow, fast)] == ["none", "none"]


def test_an_arm_can_start_from_anothers_alignment(planned):
    arms = tuple(a.model_copy(update={"aligned": "prompt-wise"}) for a in planned.experiment.arm if a.name != "none")
    shared = Planned(planned.experiment.model_copy(update={"arm": arms}))
    assert list(shared.alignments(0)) == ["prompt-wise"]
    assert all(shared.start_of(arm, 0) == "prompt-wise" for arm in arms if not arm.of)


def test_changes_go_to_all_arms_and_an_arm_keeps_its_own(planned):
    changed = Planned(planned.experiment, ("generate.epochs=7", "model.prompts.variant=promptbook-wise"))
    found = {arm.name: changed.generation(arm, 1) for arm in changed.trained if not arm.best}
    assert {s.generate.epochs for s in found.values()} == {7} and {s.train.seed for s in found.values()} == {1}
    assert {s.align_local.epochs for s in found.values()} == {0}
    assert found["static"].model.prompts.variant == "static"
    assert found["prompt-wise"].model.prompts.variant == "promptbook-wise"


def test_a_file_that_is_like_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('like = "claim"\nname = "mine"\nseeds = [5]\nkeep = ["prompt-wise", "none", "static"]\n')
    mine = load_experiment(str(path)).experiment
    assert mine.seeds == (5,) and [arm.name for arm in mine.arm] == ["none", "static", "prompt-wise"]
    other = tmp_path / "other.toml"
    other.write_text(f'like = "{path}"\nname = "other"\n')
    assert load_experiment(str(other)).experiment == mine.model_copy(update={"name": "other"})
    path.write_text(f'like = "{other}"\n')
    with pytest.raises(SettingsError, match="must name another experiment"):
        load_experiment(str(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('seeds = [0, 1]', "seeds = []"), "seeds: tuple should have at least 1"),
        (('what = "Does', 'how = "Does'), "what: field required"),
        (('name = "static"', 'name = "none"'), "several arms are called none"),
        (('references = ["none"', 'references = ["nobody"'), "names the arm nobody, but trains none"),
        (('of = "prompt-wise"', 'of = "other-prompts"'), "names the arm other-prompts, but trains none"),
        (('shown = "other-prompts"', ""), "needs of = ARM and shown"),
        (('name = "tiny"', 'name = "tiny"\nkeep = ["nobody"]'), "keeps the arm nobody, but has none"),
        (('name = "tiny"', 'name = "tiny"\nkeep = ["none"]'), "names the arm static, but trains none"),
        (("best = 1", "best = 3"), "needs best = N and among"),
        (('"full", ', '"fulll", '), "no protocol 'fulll'"),
        (("variant=none", "varian=none"), "the nearest is model.prompts.variant"),
        (('set = ["model.prompts.variant=none"]', 'set = ["data.sections=impression"]'), "reads other reports"),
        (("name = ", "name : "), "is not TOML"),
        (('name = "tiny"', 'name = "tiny"\nchoose = "blue4"'), "choose = 'blue4' is no figure that arms have"),
        (("variant=none", "variant=nobody"), "the arm none: model.prompts.variant is 'nobody'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(planned, tmp_path, change, words):
    path = tmp_path / "experiment.toml"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(Exception, match=words) as error:
        load_experiment(str(path))
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("whole", "part"),
    [("claim", f"claim-{part}") for part in ("main", "probe", "controls")] + [("phantoms", "phantoms-main")],
)
def test_parts_of_an_experiment_are_cells_of_the_whole(whole, part):
    whole, part = load_experiment(whole), load_experiment(part)
    assert {arm.name for arm in part.experiment.arm} < {arm.name for arm in whole.experiment.arm}
    for arm in part.trained:
        assert part.generation(arm, 0) == whole.generation(arm, 0)
        assert part.start_of(arm, 0) == whole.start_of(arm, 0), "its alignment would be trained again"


def test_an_experiment_that_is_not_there_lists_those_that_are():
    with pytest.raises(SettingsError, match="experiments: claim, claim-controls, claim-main, claim-probe, phantoms"):
        load_experiment("no-such")
