"""`dearly preview` shows the newest mail that was rendered: anybody's, or whose id or address is named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.campaigns.showing import NothingToShow, show_mail
from dagster_project.settings import Settings


@pytest.fixture
def rendered(bare: Settings) -> Settings:
    """Ann was sent the first step on one day and the second on the next, Bob the first."""
    folder = bare.published / "20260310T230000Z_0"
    folder.mkdir(parents=True)
    (bare.published / "current.json").write_text(json.dumps({"folder": folder.name}))
    addresses = [["ann@x.org", "ann@work.org"], ["bob@x.org"]]
    pq.write_table(pa.table({"customer_id": ["ann", "bob"], "addresses": addresses}), folder / "customers.parquet")
    for day, step, people in (("20260309", "hello", ["ann", "bob"]), ("20260310", "offer", ["ann"])):
        path = bare.store / "content" / f"as_of={day}T230000Z" / f"win_back__{step}.parquet"
        path.parent.mkdir(parents=True)
        texts = {name: [f"{name} of {step} for {one}" for one in people] for name in ("subject", "preheader", "html", "text")}
        pq.write_table(pa.table({"customer_id": people, **texts}), path)
    return bare


def shown(settings: Settings, step: str | None = None, customer: str | None = None, data: Path | None = None) -> str:
    return show_mail(settings, "win_back", step, customer, data)[-1].read_text()


def test_the_newest_mail_of_anybody_or_of_who_is_named(rendered: Settings) -> None:
    assert shown(rendered).startswith("Subject: subject of offer for ann\nPreheader: preheader of offer for ann\n\ntext of offer")
    assert "offer for ann" in shown(rendered, customer="ANN@x.org")
    assert "hello for ann" in shown(rendered, step="hello", customer="ann")
    assert "offer for ann" in shown(rendered, customer="ann@work.org")
    assert "hello for bob" in shown(rendered, customer="bob@x.org")


def test_who_was_sent_nothing_has_none_and_a_row_of_data_is_rendered(rendered: Settings, tmp_path: Path) -> None:
    with pytest.raises(NothingToShow, match="step offer, was rendered for bob"):
        shown(rendered, step="offer", customer="bob")
    row = tmp_path / "row.json"
    row.write_text(json.dumps({"first_name": "Zoe"}))
    assert "Zoe" in shown(rendered, data=row)
