"""A guard that is accepted by a name that no guard has is refused before anything runs."""

import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.guards import refuse_unknown


def test_a_misspelt_guard_is_refused_at_once_with_the_name_that_was_meant(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["run", "--shop", str(SHOPS / "small"), "--accept", "extract shopify.ordrs"])
    assert done.exit_code != 0
    assert "Did you mean 'extract shopify.orders'?" in str(done.exception) + done.output
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("guard", ["extract shopify.orders", "pull hubspot.contacts", "audience segment_vip"])
def test_the_guards_of_the_shop_are_known(guard: str) -> None:
    refuse_unknown(load_shop(SHOPS / "small"), [guard])


@pytest.mark.parametrize("guard", ["shopify.orders", "extract", "volume shopify.orders", "extract klaviyo.events"])
def test_what_no_guard_of_the_shop_is_called_is_refused(guard: str) -> None:
    with pytest.raises(ValueError, match="there is no such guard"):
        refuse_unknown(load_shop(SHOPS / "small"), [guard])
