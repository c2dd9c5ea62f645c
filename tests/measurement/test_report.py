"""The report of a store: it needs no server, says what SQL says, finds a person by address, and lists no address."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import load_campaigns
from dagster_project.cli import app
from dagster_project.measurement.report import people, wording, write_report
from dagster_project.measurement.summary import summary_lines
from dagster_project.published import NothingPublished, connect, current, customers_named
from dagster_project.scores.reasons import score_story
from dagster_project.settings import SHOPS, TEMPLATES, Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

AS_OF = "timestamp '2026-03-10 23:00'"
KNOWN_BY = "timestamp '2026-03-11 05:00'"
PLANNED = load_shop(SHOPS / "small").campaigns or []
AUDIENCES = " or ".join(sorted(one.audience for one in load_campaigns(TEMPLATES / "campaigns") if one.audience and one.slug in PLANNED))
FUNNEL = {
    "Source rows in": "select sum(rows_in) from sources.load_ledger",
    "Loaded": "select sum(rows_in - rows_duplicate - rows_quarantined - rows_erased) from sources.load_ledger",
    "Customer records": f"select count(distinct (source, source_customer_id)) from identity.customer_links where valid_from <= {KNOWN_BY}",
    "Customers": f"select count(distinct customer_id) from profile.dim_customers where valid_from <= {KNOWN_BY} and valid_to is null",
    "May be written to": f"""
        select count(distinct customer_id) from profile.dim_customers
        semi join (
            select customer_id from profile.customer_permissions
            where as_of = {AS_OF} and channel = 'email' and purpose = 'marketing' and is_permitted
        ) using (customer_id)
        anti join (select customer_id from profile.customer_suppressions where as_of = {AS_OF} and channel = 'email') using (customer_id)
        where valid_to is null and email_status = 'valid'
    """,
    "In a campaign's audience": f"""
        select count(distinct customer_id) from (
            select customer_id from segments.segment_flags where as_of = {AS_OF} and ({AUDIENCES})
            union select customer_id from campaigns.campaign_decisions where as_of = {AS_OF}
        ) semi join (select customer_id from campaigns.mailable_customers where as_of = {AS_OF}) using (customer_id)
    """,
    "Mails tonight": f"select count(*) from campaigns.campaign_content where as_of = {AS_OF}",
}
# Attributes that make a browser ask for something.
ASKING = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction", "xlink:href", "ping"}
SCRIPT_TAGS = {"script", "style"}


class Asked(HTMLParser):
    """Everything a page would ask for, by tag and attribute; pages within (`srcdoc`) are kept apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []
        self.within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ASKING:
                self.asked.append((tag, name, value or ""))
            elif name == "srcdoc":
                self.within.append(value or "")


def asked_of_servers(page: str) -> Iterator[tuple[str, str, str]]:
    """What the page and the pages within it would load from elsewhere; a link that a person would have to follow is not a load."""
    found = Asked(page)
    for tag, name, value in found.asked:
        if tag != "a" and not value.startswith(("data:", "#")):
            yield tag, name, value
    for url in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]?([^'\";]+)", page):
        if not "".join(url).startswith(("data:", "#")):
            yield "style", "url", "".join(url)
    for within in found.within:
        yield from asked_of_servers(within)


def addresses_in(page: str, settings: Settings) -> set[str]:
    """The customers' addresses that stand in the page, whatever their case."""
    lower = page.lower()
    stated = Warehouse(settings.warehouse).rows("select distinct lower(stated) from identity.contact_points where kind = 'email'")
    return {address for (address,) in stated if len(address) > 5 and address in lower}


def search_data(page: str) -> dict[str, list]:
    (data,) = re.findall(r'<script type="application/json" id="people">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


@pytest.fixture
def page(backfilled: Settings) -> str:
    return write_report(backfilled).read_text()


def test_the_report_asks_no_server(page: str, backfilled: Settings) -> None:
    assert list(asked_of_servers(page)) == []
    assert "default-src 'none'" in page
    outside_mails = re.sub(r'srcdoc="[^"]*"', "", page)
    assert re.findall(r"https?://[^\s\"'<]+", outside_mails) == []
    brand = load_brand(backfilled.shop_folder)
    mails = Asked(page).within
    assert len(mails) == 12, "six mails, each light and dark"
    links = {value for mail in mails for tag, name, value in Asked(mail).asked if tag == "a" and value.startswith("http")}
    assert links
    for link in links:
        host = link.split("/")[2]
        assert any(host == known or host.endswith(f".{known}") for known in brand.hosts), link


def test_a_picture_from_elsewhere_would_be_noticed(page: str) -> None:
    """The control of the test above: one picture of a server, in the page or in a mail, is found."""
    assert list(asked_of_servers(page.replace("</main>", '<img src="https://cdn.example/a.png"></main>')))
    assert list(asked_of_servers(page.replace("&lt;/body&gt;", "&lt;img src=&#34;https://cdn.example/a.png&#34;&gt;&lt;/body&gt;", 1)))


def test_the_same_store_gives_the_same_bytes(backfilled: Settings, copy_of) -> None:
    first = write_report(backfilled).read_bytes()
    assert write_report(backfilled).read_bytes() == first
    assert write_report(copy_of(backfilled)).read_bytes() == first


def test_the_command_writes_the_page_and_says_where(backfilled: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = backfilled.store / "report" / "index.html"
    page.unlink(missing_ok=True)
    monkeypatch.setenv("DEARLY_HOME", str(backfilled.store.parent))
    told = CliRunner().invoke(app, ["report", "--shop", str(backfilled.shop_folder)])
    assert told.exit_code == 0
    assert f"Open the report: {page}" in told.output.replace("\n", " ")
    assert page.exists()
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path))
    with pytest.raises(NothingPublished, match="has no day built yet: `dearly run --shop"):
        CliRunner().invoke(app, ["report", "--shop", str(backfilled.shop_folder)], catch_exceptions=False)


def test_every_number_of_the_funnel_is_what_sql_says(page: str, backfilled: Settings, rows) -> None:
    section = re.search(r'<ol class="funnel">(.*?)</ol>', page, re.DOTALL)
    assert section
    shown = re.findall(r"<strong>(.*?)</strong>.*?<div class=\"number\">([\d,]+)", section.group(1), re.DOTALL)
    counted = {label.replace("&#39;", "'"): int(number.replace(",", "")) for label, number in shown}
    assert counted == {label: rows(backfilled, sql)[0][0] for label, sql in FUNNEL.items()}


def test_rows_of_each_source_add_up_on_the_page(page: str, backfilled: Settings, rows) -> None:
    for system, table, came, refused in rows(
        backfilled, "select source, table_name, sum(rows_in), sum(rows_quarantined) from sources.load_ledger group by all"
    ):
        (cells,) = re.findall(rf"<tr><td>{system}</td><td>{table}</td>(.*?)</tr>", page, re.DOTALL)
        numbers = [int(number.replace(",", "")) for number in re.findall(r'<td class="n[^"]*">([\d,]+)</td>', cells)]
        assert numbers[1] == came == sum(numbers[2:])
        assert numbers[4] == refused


def test_each_pair_of_systems_says_how_many_found_their_person_and_why_not(backfilled: Settings, rows) -> None:
    page = write_report(backfilled).read_text()
    pairs = rows(
        backfilled,
        f"select sum(records_count) filter (where outcome = 'matched'), sum(records_count), max_by(outcome, (records_count, outcome)) filter (where "
        f"outcome <> 'matched') from identity.match_rates where as_of = {AS_OF} group by source, other_source",
    )
    assert any(why for _, _, why in pairs)
    for matched, records, why in pairs:
        assert f"{matched or 0:,} of {records:,}" + (f"; the others mostly: {why}" if why else "") in page


def test_segments_move_as_their_members_do(page: str, backfilled: Settings, rows) -> None:
    segments = [name for (name,) in rows(backfilled, f"select distinct segment from segments.customer_segments where as_of = {AS_OF}")]
    assert segments
    for segment in segments:
        flagged = f"select as_of, customer_id from segments.segment_flags where {segment}"
        ((size, entered, left),) = rows(
            backfilled,
            f"""
            with today as (select customer_id from ({flagged}) where as_of = {AS_OF}),
            before as (select customer_id from ({flagged}) where as_of = {AS_OF} - interval 1 day)
            select (select count(*) from today), (select count(*) from today anti join before using (customer_id)),
                (select count(*) from before anti join today using (customer_id))
            """,
        )
        (row,) = re.findall(rf"<tr><td><strong>{wording.title(segment)}</strong>(.*?)</tr>", page, re.DOTALL)
        assert [int(number) for number in re.findall(r">[+−]?(\d+)<", row)][:3] == [size, entered, left], segment


def test_the_search_finds_a_person_by_address_and_says_why(page: str, backfilled: Settings, rows) -> None:
    data = search_data(page)
    ((address, customer),) = rows(
        backfilled,
        f"""
        select email, customer_id from campaigns.campaign_decisions join profile.current_customers using (as_of, customer_id)
        where as_of = {AS_OF} and decision = 'send' order by email limit 1
        """,
    )
    key = hashlib.sha256((data["salt"] + address).encode()).hexdigest()[:16]
    (found,) = [person for person in data["people"] if key in person[0]]
    assert found[1] == customer
    word = data["words"].__getitem__
    decided = {(word(d[0]), word(d[1]), word(d[2]), word(d[3])) for d in found[11] if word(d[6]) == data["today"]}
    assert decided == set(
        rows(
            backfilled,
            "select campaign, step, decision, reason from campaigns.campaign_decisions where customer_id = ? and as_of = " + AS_OF,
            customer,
        )
    )
    assert {word(segment) for segment, _ in found[10]} == {
        segment
        for (segment,) in rows(
            backfilled, f"select segment from segments.customer_segments where as_of = {AS_OF} and customer_id = ?", customer
        )
    }
    assert {(word(p[1]), bool(p[2])) for p in found[8]} == set(
        rows(
            backfilled,
            f"select purpose, is_permitted from profile.customer_permissions where as_of = {AS_OF} and customer_id = ?",
            customer,
        )
    )


def test_the_search_says_what_raises_a_score_and_what_lowers_it_and_why_a_product_is_shown(backfilled: Settings, copy_of) -> None:
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        ((customer,),) = connection.execute(f"select min(customer_id) from profile.current_customers where as_of = {AS_OF}").fetchall()
        for table in ("score_reasons", "customer_recommendations"):
            connection.execute(f"delete from scores.{table} where as_of = {AS_OF} and customer_id = '{customer}'")
        connection.execute(
            f"""
            insert into scores.score_reasons (as_of, customer_id, score, rank, reason, effect)
            values ({AS_OF}, '{customer}', 'churn_probability', 1, 'opens most mails', 0.2),
                ({AS_OF}, '{customer}', 'churn_probability', 2, 'no order for long', -0.1),
                ({AS_OF}, '{customer}', 'churn_probability', 3, 'no order for long', -0.05);
            insert into scores.customer_recommendations (as_of, customer_id, strategy, rank, product_id, reason)
            values ({AS_OF}, '{customer}', 'for_you', 1, 'p', 'due_again')
            """
        )
    data = search_data(write_report(settings).read_text())
    (found,) = [person for person in data["people"] if person[1] == customer]
    said = [data["words"][place] for row in (*found[13], *found[14]) for place in row]
    assert said == ["p", "it may be time for this again", "churn_probability", "opens most mails", "no order for long"]
    assert data["quiet"] == [21, 8]
    assert score_story(Warehouse(settings.warehouse), customer) == [
        "Churn (probability that somebody who has bought buys nothing within 91 days):",
        "  opens most mails (+0.20)",
        "  no order for long (-0.15)",
    ]


def test_everybody_can_be_looked_up(page: str, backfilled: Settings, rows) -> None:
    data = search_data(page)
    addresses = rows(backfilled, f"select email from profile.current_customers where as_of = {AS_OF} and email is not null")
    expected = {hashlib.sha256((data["salt"] + address).encode()).hexdigest()[:16] for (address,) in addresses}
    assert expected <= {key for person in data["people"] for key in person[0]}


def test_every_address_of_a_person_finds_them(page: str, backfilled: Settings, rows) -> None:
    data = search_data(page)
    people_of = {key: person[1] for person in data["people"] for key in person[0]}
    stated = rows(
        backfilled,
        f"""
        select distinct lower(trim(records.email)), links.customer_id, lower(trim(records.email)) is distinct from current.email
        from identity.customer_records as records
        join identity.customer_links as links using (source, source_customer_id)
        join profile.current_customers as current on links.customer_id = current.customer_id and current.as_of = {AS_OF}
        where records.email is not null and records.known_at <= {KNOWN_BY} and links.valid_from <= {KNOWN_BY}
            and (links.valid_to is null or links.valid_to > {KNOWN_BY})
        """,
    )
    assert any(is_another for _, _, is_another in stated)
    for address, customer, _ in stated:
        assert people_of[hashlib.sha256((data["salt"] + address).encode()).hexdigest()[:16]] == customer
    address, customer, _ = min(one for one in stated if one[2])
    with connect(current(backfilled), "customers") as connection:
        assert customers_named(connection, f" {address.upper()}") == [customer]
    scored = score_story(Warehouse(backfilled.warehouse), customer)
    assert score_story(Warehouse(backfilled.warehouse), address) == (
        scored if len(scored) > 1 else [line.replace(customer, address) for line in scored]
    )


def test_no_address_stands_in_the_report(page: str, backfilled: Settings) -> None:
    assert addresses_in(page, backfilled) == set()


def test_an_address_left_in_the_clear_would_be_noticed(backfilled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: with people filed under their address itself, it finds them."""
    monkeypatch.setattr(people, "filed_under", lambda salt, address: address)
    assert len(addresses_in(write_report(backfilled).read_text(), backfilled)) > 400
    monkeypatch.undo()
    write_report(backfilled)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium here")
def test_the_search_answers_in_a_browser(page: str, backfilled: Settings, rows, tmp_path: Path) -> None:
    ((address, customer),) = rows(
        backfilled,
        f"""
        select email, customer_id from campaigns.campaign_decisions join profile.current_customers using (as_of, customer_id)
        where as_of = {AS_OF} and decision = 'holdout' order by email limit 1
        """,
    )
    path = backfilled.store / "report" / "index.html"
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path}", "--virtual-time-budget=4000"]

    def answer(typed: str) -> str:
        command = ["chromium", *quiet, "--dump-dom", f"{path.as_uri()}#who={typed}"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return shown.split('id="answer"')[1].split("<noscript")[0]

    found = answer(f" {address.upper()} ")
    assert customer in found
    assert "holdout" in found
    assert customer in answer(customer.upper())
    began = dict(
        rows(
            backfilled,
            """
            select entered_at = (select min(as_of) from sources.built_days), min(customer_id) from segments.segment_history
            where exited_at is null group by all
            """,
        )
    )
    assert " or before</small>" in answer(began[True]), "a stay that begins with the first built day may be older"
    assert "Nobody of that address" in answer("nobody@nowhere.example")


def test_a_held_day_says_so_first(backfilled: Settings, copy_of) -> None:
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute(
            f"update sources.guards set is_red = true, message = 'half the rows' where as_of = {AS_OF} and guard like '%orders'"
        )
    page = write_report(settings).read_text()
    assert "Delivery is held." in page
    assert any("held" in line and "half the rows" in line for line in summary_lines(settings))
    assert "Delivery is held." not in write_report(backfilled).read_text()


def test_sections_without_their_tables_say_so_in_a_sentence(backfilled: Settings, copy_of) -> None:
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        for view in ("report_profile_fields", "report_segment_days", "report_decisions"):
            connection.execute(f"drop view measurement.{view}")
        connection.execute("drop table measurement.campaign_results")
        connection.execute("drop schema if exists scores cascade")
        for table in ("campaign_steps", "campaign_content", "campaign_decisions", "export_log"):
            connection.execute(f"delete from campaigns.{table}")
    page = write_report(settings).read_text()
    for sentence in (
        "no scores",
        "no segments",
        "plans no campaign",
        "No mail has been rendered",
        "No campaign has results",
        "Nothing was written",
    ):
        assert sentence in page, sentence


def test_scores_are_drawn_with_their_models_and_abstentions(backfilled: Settings, copy_of) -> None:
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute("create schema if not exists scores")
        for table in ("customer_scores", "daily_models", "model_log"):
            connection.execute(f"drop table if exists scores.{table}")
        connection.execute(
            f"""
            create table scores.customer_scores as
            select as_of, customer_id, 0.25::double as churn_probability, null::double as vip_probability
            from features.customer_features where as_of = {AS_OF};
            insert into scores.customer_scores select as_of - interval 1 day, customer_id, 0.75, null from scores.customer_scores;
            delete from scores.score_reasons where as_of = {AS_OF};
            create table scores.daily_models as
            select {AS_OF} as as_of, timestamp '2026-03-08 23:00' as trained_as_of, unnest(['churn', 'value']) as model,
                'x' as artifact_sha256, unnest(['scored', 'abstained']) as status, unnest(['', 'too few buyers']) as reason;
            create table scores.model_log as select 'churn' as model, timestamp '2026-03-08 23:00' as trained_as_of, 'x' as artifact_sha256,
                timestamp '2026-03-08 23:00' as effective_from, 'challenger' as candidate, 'trained' as status, '' as reason, true as promoted,
                '{{"gains": {{"churn_auc": [0.03, 0.01, 0.05]}}, "curves": {{"calibration": [[0.1, 0.12], [0.9, 0.88]]}},
                "measures": {{"auc": [0.81, 0.8, 0.82]}}, "drivers": {{"last order": 0.05}}}}' as metrics
            """
        )
    ((scored,),) = Warehouse(settings.warehouse).rows(f"select count(*) from scores.customer_scores where as_of = {AS_OF}")
    page = write_report(settings).read_text()
    assert f"Churn: {scored} customers scored, median 0.25" in page
    assert "Not scored on this day: VIP" in page
    assert "No reasons: a baseline scores churn." in page and "<td>.</td>" not in page
    assert 'title="95 % interval 0.800 to 0.820"><dt>AUC' in page
    assert "Too few buyers." in page
    assert "+0.030" in page and "0.810" in page and 'aria-label="churn: calibration"' in page and "Last order" in page


def test_the_summary_says_what_sql_says(backfilled: Settings, rows) -> None:
    lines = summary_lines(backfilled)
    text = "\n".join(lines)
    ((came,),) = rows(backfilled, "select sum(rows_in) from sources.load_ledger where source = 'shopify'")
    assert re.search(rf"shopify +{came:,}  rows in", text)
    for campaign, step, sent in rows(
        backfilled,
        f"select campaign, step, count_if(decision = 'send') from campaigns.campaign_decisions where as_of = {AS_OF} group by all",
    ):
        assert re.search(rf"{campaign}, {step} +{sent}  to send", text)
    sends = f"select count(*) from campaigns.campaign_decisions where as_of < {AS_OF} and decision = 'send' group by campaign, step"
    sent_before = [before for (before,) in rows(backfilled, sends)]
    assert sent_before
    assert all(f"{before:,} sent on the days before" in text for before in sent_before)
    for reason, left in rows(
        backfilled,
        f"select reason, count(*) from campaigns.campaign_decisions where as_of = {AS_OF} and decision = 'excluded' group by all",
    ):
        assert f"{left} excluded: {reason}" in text
    assert addresses_in(text, backfilled) == set()


def test_a_store_without_a_built_day_is_told_what_to_run(small_settings) -> None:
    with pytest.raises(NothingPublished, match="dearly run"):
        write_report(small_settings())
