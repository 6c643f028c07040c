"""Which studies an epoch sees."""

from dataclasses import replace

from mrg_llm.model.modeling import MRGModel
from mrg_llm.scoring.anatomy import anatomy_of
from mrg_llm.settings import Settings
from mrg_llm.training.data import SplitData, spoken_words


def test_an_epoch_sees_every_finding_and_a_share_of_the_normal_studies(tiny_values, tiny_studies):
    tiny_values["data"]["normal_share"] = 0.5
    settings = Settings.model_validate(tiny_values)
    tokenizer = MRGModel.build(settings.model).language.tokenizer
    data = SplitData(tiny_studies.split("train"), tokenizer, settings, augmented=True)
    abnormal = {i for i, s in enumerate(data.studies) if any(q.polarity == "present" for q in anatomy_of(s.report))}
    assert 0 < len(abnormal) < len(data)
    epochs = [set(data.of_epoch(epoch)) for epoch in range(6)]
    assert all(abnormal <= seen for seen in epochs)
    assert {len(seen - abnormal) for seen in epochs} == {round((len(data) - len(abnormal)) / 2)}
    assert set.union(*epochs) == set(range(len(data)))
    batches = list(data.batches(4, 0, data.steps_per_epoch(4)))
    assert sorted(i for b in batches for i in b.indices) == sorted(epochs[0])
    validation = SplitData(data.studies, tokenizer, settings, augmented=False)
    assert list(validation.of_epoch(0)) == list(range(len(data)))


def test_an_epoch_is_never_empty(tiny_values, tiny_studies):
    tiny_values["data"]["normal_share"] = 0.01
    settings = Settings.model_validate(tiny_values)
    studies = [replace(study, report="The lungs are clear.") for study in tiny_studies]
    data = SplitData(studies, MRGModel.build(settings.model).language.tokenizer, settings, augmented=True)
    assert [len(data.of_epoch(epoch)) for epoch in range(3)] == [1, 1, 1]
    assert len(list(data.batches(4, 0, 3))) == 3


def test_words_that_some_reports_say(tiny_settings):
    tokenizer = MRGModel.build(tiny_settings.model).language.tokenizer
    reports = ["the heart is large"] * 3 + ["the lungs are clear"] * 5
    ids, said = spoken_words(reports, tokenizer)
    assert said.shape == (8, len(ids))
    for column, token in enumerate(ids.tolist()):
        expected = [token in tokenizer(f" {r}", add_special_tokens=False).input_ids for r in reports]
        assert said[:, column].tolist() == [float(e) for e in expected]
        assert 0 < sum(expected) <= 4
