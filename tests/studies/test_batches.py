"""Which study comes when."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mrg_llm.studies.batches import collate, epoch_batches, schedule

LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=120)


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_every_study_once_an_epoch_as_seed_and_epoch_say(lengths, batch, seed, epoch):
    batches = epoch_batches(lengths, batch, seed, epoch)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert all(len(b) <= batch for b in batches)
    assert batches == epoch_batches(lengths, batch, seed, epoch)


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 30))
def test_a_schedule_from_the_middle_is_the_rest_of_the_whole(lengths, batch, first):
    whole = list(schedule(lengths, batch, 0, 0, 30))
    assert list(schedule(lengths, batch, 0, first, 30)) == whole[first:]


def test_another_seed_or_epoch_is_another_order():
    lengths = [1] * 64
    orders = {str(epoch_batches(lengths, 8, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


def test_alike_in_length_inside_a_batch():
    lengths = np.random.default_rng(0).integers(5, 100, 1000).tolist()
    batches = epoch_batches(lengths, 16, 0, 0)
    padded = sum(max(lengths[i] for i in b) * len(b) for b in batches)
    assert 1 - sum(lengths) / padded < 0.07


def test_collate_pads_views_and_reports():
    films = [np.ones((2, 4, 4), np.uint8), np.ones((1, 4, 4), np.uint8)]
    batch = collate([7, 9], films, [[1, 2, 3], [4]])
    assert batch.films.shape == (2, 2, 4, 4) and batch.views.tolist() == [[True, True], [True, False]]
    assert batch.report_mask.sum() == 4 and batch.report_ids[1].tolist() == [4, 0, 0]
    assert np.array_equal(batch.report_weights, batch.report_mask)


def test_an_epoch_can_be_of_chosen_studies():
    lengths = list(range(20))

    def chosen(epoch):
        return [i for i in range(20) if i % 3 == epoch % 3][:6]

    plan = list(schedule(lengths, 4, 0, 0, 6, chosen))
    assert [epoch for epoch, _ in plan] == [0, 0, 1, 1, 2, 2]
    for epoch in range(3):
        assert sorted(i for e, indices in plan for i in indices if e == epoch) == chosen(epoch)
