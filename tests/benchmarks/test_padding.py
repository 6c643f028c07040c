"""The share of padding, on lengths that can be counted by hand."""

import sys

import pytest

from tests.conftest import REPOSITORY


def test_padding_is_the_share_of_positions_that_hold_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    from padding import padded_share

    assert padded_share([3, 5], [5, 5], batch=2, epoch=0) == pytest.approx(2 / 20)
    assert padded_share([3, 5], [5, 5], batch=1, epoch=0) == 0
    assert padded_share([3, 5], [7, 5], batch=2, epoch=0) == pytest.approx(4 / 24)
    for name in ("padding", "common"):
        sys.modules.pop(name)
