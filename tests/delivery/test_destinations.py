"""The same rows as each tool imports them, to the byte; what a tool would refuse, run or cut is not in its file."""

import csv
import gzip
import io
import json
import re
import textwrap
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.campaigns.brand import Sender
from dagster_project.campaigns.campaign import load_campaigns
from dagster_project.campaigns.escaping import guard
from dagster_project.campaigns.offers import offer_for
from dagster_project.delivery.destinations import DESTINATIONS, Destination, destination_named
from dagster_project.delivery.dialects import harmless, harmless_within, merge_tags
from dagster_project.delivery.exports import write_export
from dagster_project.delivery.feeds import Feed, Mails
from dagster_project.settings import REPOSITORY, TEMPLATES
from dagster_project.shop import load_shop

NAMES = ("external_id", "email", "phone_e164", "first_name", "last_name", "city", "segments", "clv_365d_amount")
PEOPLE = [
    ("c1", "anna@example.org", "+4930100", "Änne", "O'Neil", "Köln", "loyal;new", 12.5),
    ("c2", "bert@example.org", "+4930100", "{{ 7*7 }}", '*|LNAME|* "B", jr', "Bonn\nBeuel", None, None),
    ("c3", None, "+4930103", "Cleo", None, None, "new", None),
    ("c4", "ANNA@example.org", None, "Anna", "Zwei", None, None, None),
    ("c5", "jürgen@example.org", None, "=1+1", "@sum", None, None, -3.0),
]
GOLDEN = {
    "generic": (
        "external_id,email,phone_e164,first_name,last_name,city,segments,clv_365d_amount\n"
        "c1,anna@example.org,+4930100,Änne,O'Neil,Köln,loyal;new,12.5\n"
        'c2,bert@example.org,+4930100,{{ 7*7 }},"*|LNAME|* ""B"", jr",Bonn Beuel,,\n'
        "c3,,+4930103,Cleo,,,new,\n"
        "c4,ANNA@example.org,,Anna,Zwei,,,\n"
        "c5,jürgen@example.org,,=1+1,@sum,,,-3.0\n"
    ),
    "spreadsheet": (
        "\ufeffexternal_id,email,phone_e164,first_name,last_name,city,segments,clv_365d_amount\r\n"
        "c1,anna@example.org,'+4930100,Änne,O'Neil,Köln,loyal;new,12.5\r\n"
        'c2,bert@example.org,\'+4930100,{{ 7*7 }},"*|LNAME|* ""B"", jr",Bonn Beuel,,\r\n'
        "c3,,'+4930103,Cleo,,,new,\r\n"
        "c4,ANNA@example.org,,Anna,Zwei,,,\r\n"
        "c5,jürgen@example.org,,'=1+1,'@sum,,,-3.0\r\n"
    ),
    "klaviyo": (
        "Email,Phone Number,External ID,First Name,Last Name,City,segments,clv_365d_amount\n"
        "anna@example.org,+4930100,c1,Änne,O'Neil,Köln,loyal;new,12.5\n"
        'bert@example.org,,c2,{\u200c{\u200c 7*7 }\u200c}\u200c,"*\u200c|LNAME|\u200c* ""B"", jr",Bonn Beuel,,\n'
        "jürgen@example.org,,c5,=1+1,@sum,,,-3.0\n"
    ),
    "mailchimp": (
        "Email Address,FNAME,LNAME,EXTID,PHONE,CITY,SEGMENTS,CLV_365D_A,TAGS\n"
        'anna@example.org,Änne,O\'Neil,c1,+4930100,Köln,loyal;new,12.5,"loyal,new"\n'
        'bert@example.org,{\u200c{\u200c 7*7 }\u200c}\u200c,"*\u200c|LNAME|\u200c* ""B"", jr",c2,+4930100,Bonn Beuel,,,\n'
    ),
}
# What opens or closes a tag in one of the tools' languages.
TAG = re.compile(r"\{\{|\}\}|\{%|\*\||\|\*|%%|<%")


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(NAMES, row, strict=True)) for row in rows])


def feed(people: list[tuple[Any, ...]] = PEOPLE, day: int = 5, **more: Any) -> Feed:
    given = {"name": "profiles", "kind": "profile feed", "description": "Everybody.", "key": "external_id", "totals": {"in": len(people)}}
    return Feed(**{**given, "as_of": datetime(2026, 3, day, 23), "rows": table(people), **more})


def written(root: Path, destination: Destination, what: Feed, base: Path | None = None) -> Path:
    run = write_export(root, destination, what, base, moves_latest=True)
    return root / destination.name / what.name / run.run


def files(run: Path, kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(run.glob(f"*__{kind}__*"))]


def manifest(run: Path) -> dict[str, Any]:
    return json.loads((run / "manifest.json").read_text())


def cells(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def klaviyo_refuses(content: bytes) -> set[str]:
    """What Klaviyo's importer, or its template engine, would trip over."""
    rows = cells(content)
    header = list(rows[0])
    addresses = [row.get("Email", "").lower() for row in rows]
    numbers = [row["Phone Number"] for row in rows if row.get("Phone Number")]
    return {
        *({"the first column identifies nobody"} if header[0] not in ("Email", "Email Address", "Phone Number") else ()),
        *({"an address is missing"} if not all(addresses) else ()),
        *({"an address comes twice"} if len(set(addresses)) < len(addresses) else ()),
        *({"a number comes twice"} if len(set(numbers)) < len(numbers) else ()),
        *({"a tag runs"} if TAG.search(content.decode()) else ()),
    }


def mailchimp_refuses(content: bytes) -> set[str]:
    rows = cells(content)
    tags = [name for name in rows[0] if name != "Email Address"]
    addresses = [row.get("Email Address", "") for row in rows]
    return {
        *({"no e-mail column"} if "Email Address" not in rows[0] else ()),
        *({"a merge tag is none"} if not all(re.fullmatch(r"[A-Z0-9_]{1,10}", tag) for tag in tags) else ()),
        *({"an address is missing"} if not all(addresses) else ()),
        *({"letters beyond ASCII before the @"} if not all(one.rpartition("@")[0].isascii() for one in addresses) else ()),
        *({"a text is cut"} if any(len(value.encode()) > 255 for row in rows for value in row.values()) else ()),
        *({"a tag runs"} if TAG.search(content.decode()) else ()),
    }


@pytest.mark.parametrize("name", GOLDEN)
def test_each_tool_gets_its_own_bytes(name: str, tmp_path: Path) -> None:
    assert files(written(tmp_path, DESTINATIONS[name], feed()), "full") == [GOLDEN[name].encode()]


def test_the_tools_rules_hold_in_their_files_and_are_broken_in_the_plain_one(tmp_path: Path) -> None:
    long = [("c6", "fay@example.org", None, "F", "é" * 200, "{{" * 90, None, None)]
    (klaviyo,) = files(written(tmp_path, DESTINATIONS["klaviyo"], feed(PEOPLE + long)), "full")
    (mailchimp,) = files(written(tmp_path, DESTINATIONS["mailchimp"], feed(PEOPLE + long)), "full")
    assert (klaviyo_refuses(klaviyo), mailchimp_refuses(mailchimp)) == (set(), set())
    # The control: under the tool's names but by nobody's rules, the same rows break every one of them.
    for name, refuses, mistakes in (("klaviyo", klaviyo_refuses, 4), ("mailchimp", mailchimp_refuses, 4)):
        careless = replace(DESTINATIONS[name], name="careless", identified_by=None, text=None, numbers_once=False)
        (content,) = files(written(tmp_path, careless, feed(PEOPLE + long)), "full")
        assert len(refuses(content)) == mistakes
    (generic,) = files(written(tmp_path, DESTINATIONS["generic"], feed()), "full")
    assert "the first column identifies nobody" in klaviyo_refuses(generic)
    assert {"no e-mail column", "a merge tag is none"} <= mailchimp_refuses(generic)


def test_who_cannot_be_taken_is_counted_and_named(tmp_path: Path) -> None:
    stated = manifest(written(tmp_path, DESTINATIONS["mailchimp"], feed()))
    assert stated["refused"] == [
        {"customer_id": "c3", "reason": "no address"},
        {"customer_id": "c4", "reason": "the address is in the file already"},
        {"customer_id": "c5", "reason": "the tool takes only ASCII before the @"},
    ]
    assert sum(count for reason, count in stated["totals"].items() if reason.startswith("refused by mailchimp")) == 3
    assert stated["totals"]["in"] == stated["files"][0]["rows"] + 3


def rendered(folder: Path, html: dict[str, str], kept: set[str] | None = None) -> Mails:
    """Mails by content id, two to a row group of their file."""
    ids = list(html)
    columns = {"content_id": ids, "subject": ids, "preheader": ids, "html": list(html.values()), "text": list(html.values())}
    pq.write_table(pa.table(columns), folder / "mails.parquet", row_group_size=2)
    return Mails((folder / "mails.parquet",), frozenset(ids if kept is None else kept))


def test_only_the_mails_of_people_whom_the_tool_takes_go_with_its_rows(tmp_path: Path) -> None:
    ids = [row[0].replace("c", "m") for row in PEOPLE]
    mails = rendered(tmp_path, {one: f'<a href="{{{{unsubscribe_url}}}}">{one}</a>' for one in ids})
    campaign = feed(rows=table(PEOPLE).append_column("content_id", pa.array(ids)), key="content_id", content=mails, label="win_back")
    for name, tag, taken in (("klaviyo", "{% unsubscribe_link %}", ["m1", "m2", "m5"]), ("mailchimp", "*|UNSUB|*", ["m1", "m2"])):
        (content,) = files(written(tmp_path, DESTINATIONS[name], campaign), "content")
        found = pq.read_table(io.BytesIO(content))
        assert found["content_id"].to_pylist() == taken
        assert found["html"].to_pylist() == [f'<a href="{tag}">{one}</a>' for one in taken]


def test_a_campaigns_own_unsubscribe_tag_goes_before_the_tools_usual_one(tmp_path: Path) -> None:
    mails = rendered(tmp_path, {"m1": '<a href="{{unsubscribe_url}}">stop</a>'})
    rows = table(PEOPLE[:1]).append_column("content_id", pa.array(["m1"]))
    campaign = feed(rows=rows, key="content_id", content=mails, unsubscribe_tags={"klaviyo": "{% manage_preferences_link %}"})
    for name, tag in (("klaviyo", "{% manage_preferences_link %}"), ("mailchimp", "*|UNSUB|*"), ("generic", "{{unsubscribe_url}}")):
        (content,) = files(written(tmp_path, DESTINATIONS[name], campaign), "content")
        assert pq.read_table(io.BytesIO(content), columns=["html"]).to_pylist() == [{"html": f'<a href="{tag}">stop</a>'}]


def test_mails_are_read_a_row_group_at_a_time_and_those_held_back_are_not_among_them(tmp_path: Path) -> None:
    mails = rendered(tmp_path, {f"m{number}": f"<p>{number}</p>" for number in range(5)}, kept={"m0", "m3", "m4"})
    assert [batch["content_id"].to_pylist() for batch in mails] == [["m0"], ["m3"], ["m4"]]


def test_a_shop_without_addresses_gives_a_tool_that_needs_them_nothing(tmp_path: Path) -> None:
    stated = manifest(written(tmp_path, DESTINATIONS["klaviyo"], feed(rows=table(PEOPLE).drop_columns(["email"]))))
    assert stated["totals"] == {"in": 5, "refused by klaviyo: the shop does not hold the address": 5}
    assert stated["files"][0]["rows"] == 0


def test_mailchimp_is_told_whom_to_untag_and_klaviyo_that_a_file_cannot(tmp_path: Path) -> None:
    label = {"name": "segment_loyal", "label": "loyal"}
    for name in ("mailchimp", "klaviyo"):
        first = written(tmp_path, DESTINATIONS[name], feed(**label))
        second = written(tmp_path, DESTINATIONS[name], feed(PEOPLE[1:], day=6, **label), base=first)
        if name == "mailchimp":
            # Anna's own row is gone; the other account with her address is taken now.
            assert files(second, "removed") == [b"Email Address,TAGS\nanna@example.org,loyal\n"]
            assert cells(files(second, "added")[0])[0]["TAGS"] == "loyal"
        else:
            assert files(second, "removed") == []
            assert manifest(second)["left"] == ["c1"]
            assert "takes nobody off a list" in (second / "README.html").read_text()


def test_a_tool_that_keeps_what_a_cell_said_is_told_what_was_taken_back(tmp_path: Path) -> None:
    """Bert takes his city and segments back, Anna's value becomes another; Jürgen's name was and stays empty, and dora is new."""
    before = [*PEOPLE[:1], ("c2", "bert@example.org", "+4930100", "Bert", None, "Bonn", "new", 20.0), *PEOPLE[4:]]
    bert = ("c2", "bert@example.org", "+4930100", "Bert", None, None, None, 20.0)
    after = [(*PEOPLE[0][:7], 13.0), bert, *PEOPLE[4:], ("c6", "dora@example.org", *[None] * 6)]
    for name, fields in (("klaviyo", ["City", "segments"]), ("mailchimp", ["CITY", "SEGMENTS", "TAGS"])):
        first = written(tmp_path, DESTINATIONS[name], feed(before))
        second = written(tmp_path, DESTINATIONS[name], feed(after, day=6), base=first)
        assert manifest(first)["cleared"] == []
        assert manifest(second)["cleared"] == [{"customer_id": "c2", "fields": fields}]
        page = (second / "README.html").read_text()
        assert re.search(r"<code>cleared</code>\)</td><td class=\"n\">1</td>", page)
        assert "<code>cleared</code>, by external id" in page
    for name in ("generic", "generic_jsonl", "spreadsheet"):
        first = written(tmp_path, DESTINATIONS[name], feed(before))
        second = written(tmp_path, DESTINATIONS[name], feed(after, day=6), base=first)
        assert manifest(second)["cleared"] == []


def test_a_file_too_long_for_a_tool_comes_in_parts_that_together_are_the_whole(tmp_path: Path) -> None:
    people = [(f"c{n:04d}", f"p{n}@example.org", None, "Ä" * (n % 7), None, None, None, None) for n in range(200)]
    klaviyo = DESTINATIONS["klaviyo"]
    (whole,) = files(written(tmp_path / "whole", klaviyo, feed(people)), "full")
    small = replace(klaviyo, max_bytes=2000)
    run = written(tmp_path / "parts", small, feed(people))
    parts = files(run, "full")
    header, rows = whole.split(b"\n", 1)
    assert len(parts) > 3
    assert all(len(part) <= 2000 and part.startswith(header + b"\n") for part in parts)
    assert b"".join(part.split(b"\n", 1)[1] for part in parts) == rows
    assert sorted(path.name[-9:] for path in run.glob("*__full__*"))[:2] == ["p0001.csv", "p0002.csv"]
    assert sum(file["rows"] for file in manifest(run)["files"]) == 200
    second = written(tmp_path / "parts", small, feed(people[1:], day=6), base=run)
    assert [len(cells(part)) for part in files(second, "added") + files(second, "changed")] == [0, 0]
    assert manifest(second)["left"] == ["c0000"]


def test_a_compressed_file_is_the_same_bytes_again_and_a_base_for_the_next(tmp_path: Path) -> None:
    zipped = replace(DESTINATIONS["generic"], compressed=True)
    run, again = written(tmp_path / "a", zipped, feed()), written(tmp_path / "b", zipped, feed())
    assert files(run, "full") == files(again, "full")
    assert gzip.decompress(files(run, "full")[0]) == GOLDEN["generic"].encode()
    second = written(tmp_path / "a", zipped, feed(PEOPLE[:4], day=6), base=run)
    assert gzip.decompress(files(second, "removed")[0]) == b"external_id\nc5\n"


@pytest.mark.parametrize("text", ["{" * 300, "é" * 127 + "{{ x }}" * 9, "a" * 254 + "{", "*|" * 200, "a" * 253 + "%x", "kurz", "🙂" * 100])
def test_a_text_cut_to_a_tools_length_still_cannot_run(text: str) -> None:
    cut = harmless_within(text, 255)
    assert len(cut.encode()) <= 255
    assert guard(cut) == cut


def test_merge_tags_are_short_and_told_apart() -> None:
    tags = merge_tags(["email", "clv_365d_amount", "clv_365d_amount_low", "date", "größe"], {"email": "Email Address"})
    assert list(tags.values()) == ["Email Address", "CLV_365D_A", "CLV_365D_2", "DATE_2", "GR__E"]


def test_an_unknown_destination_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"no destination 'klavio'; shop.yaml may name generic, .*klaviyo"):
        destination_named("klavio")


@pytest.mark.whole
def test_the_shop_gets_a_code_for_each_mail_that_shows_one_and_no_other(backfilled, rows) -> None:
    shop = load_shop(backfilled.shop_folder)
    root = backfilled.store / "exports" / "shop" / "codes_win_back"
    mailed = rows(
        backfilled,
        "select customer_id, as_of from campaigns.campaign_decisions where step = 'offer' and decision = 'send' order by customer_id",
    )
    (campaign,) = [one for one in load_campaigns(TEMPLATES / "campaigns") if one.slug == "win_back"]
    expected = {
        offer_for(campaign, customer, shop_day, shop.key)["code"]
        for customer, as_of in mailed
        for shop_day in [day for day in shop.days(shop.last_day) if shop.moment(day).as_of == as_of]
    }
    codes = [row for run in sorted(root.glob("run=*")) for row in cells(files(run, "full")[0])]
    assert expected
    assert {row["code"] for row in codes} == expected
    assert len(codes) == len(expected)
    assert {(row["percent"], row["usage_limit"]) for row in codes} == {("15", "1")}
    assert all(row["starts_at"] < row["ends_at"] and row["ends_at"].endswith(("T22:00:00Z", "T23:00:00Z")) for row in codes)


def test_the_destination_that_the_docs_add_works_as_they_say(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "delivery.md").read_text(), re.DOTALL)
    added = eval(textwrap.dedent(block), {"Destination": Destination, "harmless": harmless})
    (content,) = files(written(tmp_path, added, feed()), "full")
    rows = cells(content)
    # The tool's names first, in its order; c4 has c1's address, and c3 has none.
    assert list(rows[0])[:4] == ["Email", "First Name", "Last Name", "City"]
    assert [row["Email"] for row in rows] == ["anna@example.org", "bert@example.org", "jürgen@example.org"]
    assert not TAG.search(content.decode())


def test_a_campaigns_export_says_whom_its_mails_are_from(tmp_path: Path) -> None:
    sender = Sender(name="Anna & Co", email="anna@mail.shop.example", reply_to="anna@shop.example")
    run = written(tmp_path, destination_named("generic"), feed(sender=sender))
    assert manifest(run)["sender"] == sender.model_dump()
    assert "From Anna &amp; Co &lt;anna@mail.shop.example&gt;, answers to anna@shop.example" in (run / "README.html").read_text()


def test_a_readme_speaks_of_the_shops_day_and_says_which_zone_its_times_have(tmp_path: Path) -> None:
    sent = feed(kind="campaign", zone="Europe/Berlin", day=14, consent_as_of=datetime(2026, 3, 15, 5))
    times = pa.array([datetime(2026, 3, 15, 18)] * sent.rows.num_rows, pa.timestamp("us"))
    run = written(tmp_path, destination_named("generic"), replace(sent, rows=sent.rows.append_column("send_at", times)))
    page = " ".join((run / "README.html").read_text().split())
    assert "of Saturday, 14 March 2026, the shop's day that ended 15 March 2026, 00:00 (Europe/Berlin) (as of 2026-03-14T23:00:00Z)" in page
    assert "consent as of 15 March 2026, 06:00 (Europe/Berlin)" in page
    assert "<code>send_at</code>: UTC, as the Z says; 2026-03-14T23:00:00Z is 15 March 2026, 00:00 (Europe/Berlin)." in page
    assert "hour of the customer's own clock" in page
