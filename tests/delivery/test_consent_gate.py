"""Consent is a gate: tonight's withdrawal keeps tonight's mail back, whenever in the night it comes, and nobody without consent is in any file."""

import csv
import json
from pathlib import Path

import pytest

from dagster_project.published import ask, decision_story
from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("nine nights")]

WITHDRAWN = ("kunde011@example.org", "kunde012@example.org", "kunde013@example.org")
KEPT = ("kunde014@example.org", "kunde015@example.org", "kunde016@example.org", "kunde017@example.org", "kunde010@example.org")


def addresses(store: Path, run: str = "*") -> set[str]:
    """Every e-mail address in any export of these runs, whatever the feed or format."""
    found = set()
    for path in (store / "exports").glob(f"*/*/{run}/*"):
        if path.suffix == ".csv":
            found |= {row["email"].lower() for row in csv.DictReader(path.open(newline="")) if row.get("email")}
        elif path.suffix == ".jsonl":
            found |= {json.loads(line)["email"].lower() for line in path.read_text().splitlines() if "email" in json.loads(line)}
    return found


def mailed(store: Path) -> set[str]:
    found = set()
    for path in (store / "exports" / "generic" / "win_back").glob("run=20260310T*/*full*.csv"):
        found |= {row["email"] for row in csv.DictReader(path.open(newline=""))}
    return found


@pytest.fixture
def withdrawn_while_rendering(nine_nights, copy_of, tenth_night, monkeypatch) -> Settings:
    """A store whose tenth night's contacts, with the withdrawals, come while mails are being rendered."""
    from dagster_project.campaigns import assets

    settings = copy_of(nine_nights)
    tenth_night(settings)
    late = next(settings.shop_folder.glob("extracts/hubspot/contacts/*20260311T*"))
    content = late.read_bytes()
    late.unlink()
    render = assets.render_moment

    def render_then_withdraw(*arguments):
        late.write_bytes(content)
        return render(*arguments)

    monkeypatch.setattr(assets, "render_moment", render_then_withdraw)
    return settings


def test_tonights_withdrawal_keeps_tonights_mail_back(nine_nights: Settings, copy_of, tenth_night, build, days, rows) -> None:
    settings = copy_of(nine_nights)
    tenth_night(settings)
    build(settings, [days[9]])
    assert not addresses(settings.store, "run=20260310T*") & set(WITHDRAWN)
    assert set(KEPT) & mailed(settings.store), "the others of the same kind are mailed, so it is the withdrawal that counts"


def test_a_withdrawal_between_decision_and_delivery_is_held_back_and_listed(withdrawn_while_rendering, build, days, rows) -> None:
    """The decision says send, the files do not have them."""
    settings = withdrawn_while_rendering
    build(settings, [days[9]], accept=["extract hubspot.contacts"], accepted_by="a test")
    decided = rows(
        settings,
        """
        select lower(email) from campaigns.campaign_decisions join profile.dim_customers using (customer_id)
        where as_of = timestamp '2026-03-10 23:00' and decision = 'send' and valid_to is null
        """,
    )
    held = {address for (address,) in decided} & set(WITHDRAWN)
    assert held, "somebody was decided to be sent to and then withdrew"
    assert not addresses(settings.store, "run=20260310T*") & set(WITHDRAWN)
    manifest = json.loads(next((settings.store / "exports/generic/win_back").glob("run=20260310T*/manifest.json")).read_text())
    assert len(manifest["held_back"]) >= len(held)
    mailed_now = "select customer_id from campaigns.contact_history where as_of = timestamp '2026-03-10 23:00' and decision = 'send'"
    counted = {customer for (customer,) in rows(settings, mailed_now)}
    assert counted, "the others were mailed"
    assert not counted & {one["customer_id"] for one in manifest["held_back"]}
    one = manifest["held_back"][0]["customer_id"]
    story = decision_story(settings, "win_back", one)
    assert any("excluded, because: no consent at delivery" in line for line in story)
    assert not any("to be sent at" in line for line in story)
    _, published = ask(settings, "select customer_id from decisions where reason = 'no consent at delivery' and decision = 'excluded'")
    assert {customer for (customer,) in published} == {one["customer_id"] for one in manifest["held_back"]}
    _, sent = ask(settings, "select count(*) from decisions where campaign = 'win_back' and decision = 'send'")
    assert sent == [(manifest["totals"]["sent to"],)]
    assert manifest["sender"]["email"] == "post@mail.hollerbusch.example", "the shop's own, as the campaign names none"


def test_without_the_gate_at_delivery_the_withdrawn_would_be_mailed(withdrawn_while_rendering, build, days, monkeypatch) -> None:
    """The control: with the gate taken out, the same night mails somebody who withdrew."""
    from dagster_project.delivery import feeds

    settings = withdrawn_while_rendering
    monkeypatch.setattr(feeds.Gate, "pass_through", lambda self, rows, **_: (rows, ()))
    build(settings, [days[9]], accept=["extract hubspot.contacts"], accepted_by="a test")
    assert mailed(settings.store) & set(WITHDRAWN)
