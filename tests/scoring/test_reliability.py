"""Expected calibration error and its plot, against numbers worked out by hand."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from mrg_llm.scoring.reliability import auroc, plot, reliability


def test_by_hand():
    found = reliability(np.array([0.05, 0.15, 0.95, 0.95, 1.0]), np.array([0, 1, 1, 1, 0]))
    # bins: 0.05 -> right 0; 0.15 -> right 1; (0.95, 0.95, 1.0) -> mean 0.9667, right 2/3
    assert found.ece == pytest.approx((0.05 + 0.85 + 3 * 0.3) / 5)
    assert found.counts.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 3] and np.isnan(found.right[5])
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 2 * 0.05**2 + 1) / 5)
    assert found.auroc == pytest.approx(3 / 6)  # pairs won: 0.15, 0.95, 0.95 over 0.05; none over 1.0
    assert auroc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5


def test_an_honest_confidence_has_a_small_error_and_a_boaster_a_large_one():
    rng = np.random.default_rng(0)
    confidence = rng.random(20000)
    right = rng.random(20000) < confidence
    assert reliability(confidence, right).ece < 0.02 < 0.2 < reliability(confidence**0.25, right).ece


def test_nothing_to_compare():
    for confidence, right in (([], []), ([0.5], [1, 0])):
        with pytest.raises(ValueError):
            reliability(np.array(confidence), np.array(right))
    assert np.isnan(reliability(np.array([0.5]), np.array([1])).auroc)


def test_the_plot_is_sound_xml_with_a_dot_a_bin():
    tree = ElementTree.fromstring(plot(reliability(np.array([0.1, 0.9, 0.92]), np.array([0, 1, 1]))))
    assert len([e for e in tree.iter() if e.tag.endswith("circle")]) == 2
