"""Pages of docs/ that are made from what they describe."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dagster_project.delivery.destinations import DESTINATIONS
from dagster_project.settings import DBT_PROJECT, REPOSITORY

SEGMENTS = DBT_PROJECT / "models" / "segments"
KEYS = ("as_of", "customer_id")
SEGMENTS_HEAD = """# Segments

A segment is a boolean column of `segments.segment_flags`. To add one:

1. In `dbt/models/segments/segment_flags.sql` add a line to the CTE `flags`, in the words of the table below:
   `orders_count >= 2 and discount_share >= 0.2 as bargain_hunters,`
2. In `dbt/models/segments/_segments__models.yml` describe it. The description is what a marketer reads:
   `- {name: bargain_hunters, description: "Ordered twice or more, a fifth of the price off on average."}`
3. `dearly check --write` brings this page up to date, `dearly plan` shows who would be in it, by which rule, and what leaves, and `dearly run`
   writes it to every destination as `segment_bargain_hunters`.

A campaign takes it as its `audience`. Deleting both deletes the segment; the next run tells the tools to empty it. Where a flag is null (a score that
abstains, a customer without orders) the customer is not in the segment. Only customers who permit profiling have a row.
"""

DELIVERY_HEAD = """# Delivery

What was decided, as files that tools sync. Nothing here sends: the tool does.

```
exports/<destination>/<feed>/run=<as_of>_<hash8>/
    <feed>__full__…      everybody                      take it the first time
    <feed>__added__…     new since the run it builds on
    <feed>__changed__…   in both, with other values
    <feed>__removed__…   no longer in; keys alone
    <feed>__content__…   the rendered mails, Parquet (campaigns only)
    manifest.json        files with sha256, schema, totals by reason, delta_of, consent_as_of, who was held back or refused, who left, what is cleared
    README.html          for the marketer: what, how many, who not and why, fields, how to import
    _SUCCESS             last; without it, leave the folder alone
exports/<destination>/<feed>/latest.json      moves only forward
```

A **feed** is a campaign, a segment list (`segment_<name>`), or the profile feed (`profiles`). `hash8` is the content's: the same rows are the same folder, and
a second run writes nothing. Where a day is run again with other rows, the second run builds on the first. A reader takes `added`, `changed` and `removed` when
`delta_of` is the last run it took, else `full`; who
skips a run does what its `left` and `cleared` say nevertheless.
A tool that keeps what it had when a cell is empty (Klaviyo) is told in `cleared`, by external id, which of its fields had a value in the run before and have
none any more: what somebody took back stays there until it is cleared by the API.

The profile feed has a row a person who may be written to: contact, segments, the campaign that writes to them next and the field worth asking for
(`mailable_customers`); and, of those who permit profiling when the file is written, favourites, scores, hour of sending and the product to show first
(`customer_traits`). A phone number is there with consent to text messages alone. A column that tools are to get is a column of one of the two views.

`is_held_out`, there and in segment lists, marks the shop's global holdout, to which no campaign writes: a flow that a tool starts by itself must leave these
people out too, or there is nothing left to measure campaigns against.

Right before writing, delivery takes in the newest consent and removes whoever has none by then; it never adds
([decision 0004](decisions/0004-delivery-reads-the-newest-consent-at-hand.md)). Who has taken back profiling since the day was decided leaves its segment
lists and mails, their codes with them, and keeps a row of the profile feed without segments, next campaign and traits. A red guard holds the whole day back
until `dearly run --accept <guard>`.
A day before the newest built one is a **rebuild**: its files go to `rebuilds/`, no pointer moves.

`exports/<destination>/deletions/` holds orders to delete people who were erased and whom the tool was given ([docs/privacy.md](privacy.md)).

## What readers read

`published/<as_of>_<hash8>/` holds the newest day as Parquet (`customers`, `scores`, `recommendations`, `segments`, `decisions`, `suppressions`);
`published/current.json` is switched at once. `dearly query` reads there, also while a run holds the store. Addresses and names are in `customers.parquet`
only.

## Add a destination

1. An entry in `DESTINATIONS` of `dagster_project/delivery/destinations.py`: the tool's names for our columns in its order (`columns`), by which of ours it
   knows people (`identified_by`, each once; who has none is refused with a reason), what is done to texts (`text`), its limits, whether a file can take
   people out again (`takes_removals`) and an empty cell a value (`takes_blanks`): where not, `manifest.json` lists who `left` and what is `cleared`. For
   example

   ```python
   Destination(
       name="hubspot",
       format="csv",
       description="CSV as HubSpot imports contacts.",
       how_to_import="In HubSpot: CRM, Contacts, Import, the CSV; match each column to the property of its name.",
       columns={"email": "Email", "first_name": "First Name", "last_name": "Last Name", "city": "City", "postal_code": "Postal Code"},
       identified_by="email",
       text=harmless,
       max_bytes=512_000_000,
   )
   ```
2. Its unsubscribe tag in `UNSUBSCRIBE_TAGS` of `dagster_project/campaigns/campaign.py`, if rendered mails go there.
3. Its name in `destinations` of `shops/<shop>/shop.yaml`, and of each `campaign.yaml` that should go there. `dearly check --write` brings this page up to date.
"""


def delivery_page() -> str:
    """docs/delivery.md: what is written, how to add a destination, which there are."""
    lines = [
        DELIVERY_HEAD,
        "## The destinations\n",
        "| destination | what it gets | knows people by | its columns first |",
        "|---|---|---|---|",
    ]
    for one in DESTINATIONS.values():
        columns = ", ".join(f"`{name}`" for name in list(one.columns.values())[:6])
        lines.append(f"| `{one.name}` | {one.description} | {one.identified_by or 'the key of the row'} | {columns or 'as we have them'} |")
    return "\n".join(lines) + "\n"


def segments_page() -> str:
    """docs/segments.md: how to add a segment, which there are, and what one may ask."""
    lines = [
        SEGMENTS_HEAD,
        "## The segments\n",
        *table("segment", "who is in it", described(SEGMENTS / "_segments__models.yml", "segment_flags")),
    ]
    lines += ["\n## What a segment may ask\n"]
    lines += [
        *table("column", "what it says", described(DBT_PROJECT / "models" / "features" / "_features__models.yml", "customer_features"))
    ]
    lines += [
        "",
        "And `membership_tier`; `value_rank` (share of the day's customers with a lower expected value); and the columns of `scores.customer_scores`",
        "that the CTE `joined` lists ([scores.md](scores.md)): one that it does not list yet is a line there.",
    ]
    return "\n".join(lines) + "\n"


def described(path: Path, model: str) -> Iterator[tuple[str, str]]:
    """Columns of a model and their descriptions, without its keys.

    Raises:
        ValueError: the file is not YAML.
    """
    try:
        models: list[dict[str, Any]] = yaml.safe_load(path.read_text())["models"]
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: not YAML ({error.problem}); mend it there.") from None
    for column in next(one["columns"] for one in models if one["name"] == model):
        if column["name"] not in KEYS:
            yield column["name"], " ".join(column["description"].split())


def segment_rules() -> dict[str, str]:
    """Segments by the columns of segment_flags, each with its rule as it is written there, on one line."""
    model = re.sub(r" *--.*", "", (SEGMENTS / "segment_flags.sql").read_text())
    (flags,) = re.findall(r"\nflags as \(.*?customer_id,?\n(.*?)\n\)", model, re.DOTALL)
    return {name: " ".join(rule.split()) for rule, name in re.findall(r"(.+?) as (\w+),?$", flags, re.DOTALL | re.MULTILINE)}


def table(left: str, right: str, rows: Iterator[tuple[str, str]]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in rows)]


def pages() -> dict[Path, str]:
    return {REPOSITORY / "docs" / "segments.md": segments_page(), REPOSITORY / "docs" / "delivery.md": delivery_page()}
