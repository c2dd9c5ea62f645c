"""The list of the erased: whom it keeps out, and under which key."""

from pathlib import Path

import pytest

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, load_shop
from dagster_project.sources.identifiers import Identifier
from dagster_project.sources.suppression import Entry, Suppression, keep_entry, lift

ANN = Identifier("email", "ann@x.org")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return load_shop(SHOPS / "demo").model_copy(update={"folder": tmp_path, "key": "the first key"})


def erased(shop: Shop, *identifiers: Identifier) -> Suppression:
    """The list with one person on it."""
    suppression = Suppression.against(shop, identifiers)
    keep_entry(shop, Entry("abc", "2026-03-02T05:00:00Z", True, (tuple(suppression.digests),), suppression.key_check))
    return Suppression.of(shop)


def test_the_key_of_that_time_is_needed_to_know_them(shop: Shop) -> None:
    assert erased(shop, ANN).holds(ANN)
    other = shop.model_copy(update={"key": "another key"})
    for knowing in (lambda: Suppression.of(other), lambda: lift(other, ANN)):
        with pytest.raises(ValueError, match=r"was kept under another pseudonym key .* set DEARLY_PSEUDONYM_KEY to the key of that time"):
            knowing()
    assert lift(shop, ANN) == 1
    assert not Suppression.of(other)
