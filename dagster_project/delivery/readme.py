"""README.html of an export: what this is, how many, who was left out and why, the fields, a few rows, how to import."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from jinja2 import Environment

from dagster_project.delivery.formats import text_of
from dagster_project.moments import day_of

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ m.feed }}: {{ m.as_of }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #22302b; background: #f6f4ee; margin: 0; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 28px 0 8px; }
table { border-collapse: collapse; width: 100%; background: #fff; font-size: 14px; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid #e4e0d4; } td.n, th.n { text-align: right; }
.scroll { overflow-x: auto; } .scroll td, .scroll th { white-space: nowrap; } code { font-size: 13px; overflow-wrap: anywhere; } .muted { color: #5d6b65; }
</style></head><body><main>
<h1>{{ m.feed.replace('_', ' ') | capitalize }}</h1>
<p>{{ m.description }}</p>
<p class="muted">{{ m.kind }} for {{ m.destination }}, of {{ clock.day }}, the shop's day that ended {{ clock.ended }}
(as of {{ m.as_of }}); consent as of {{ clock.consent or "no statement yet" }};
{{ "builds on " ~ m.delta_of if m.delta_of else "the first run" }}.</p>
{% if m.sender %}<p>From {{ m.sender.name }} &lt;{{ m.sender.email }}&gt;, answers to {{ m.sender.reply_to }}.</p>
{% endif %}<h2>Files</h2>
<table><tr><th>file</th><th>what</th><th class="n">rows</th></tr>
{% for f in m.files %}<tr><td><code>{{ f.name }}</code></td><td>{{ kinds[f.kind] }}</td><td class="n">{{ "{:,}".format(f.rows) }}</td></tr>{% endfor %}</table>
<h2>Who is in, who is not, and why</h2>
<table><tr><th>reason</th><th class="n">people</th></tr>
{% for reason, people in m.totals.items() %}<tr><td>{{ reason }}</td><td class="n">{{ "{:,}".format(people) }}</td></tr>{% endfor %}
{% if m.left %}<tr><td>left since the run it builds on: to be taken out by hand or by the API
(<code>manifest.json</code>, <code>left</code>)</td><td class="n">{{ "{:,}".format(m.left | length) }}</td></tr>{% endif %}
{% if m.cleared %}<tr><td>had a value that this tool keeps although it was taken back: to be cleared by hand or by the API
(<code>manifest.json</code>, <code>cleared</code>)</td><td class="n">{{ "{:,}".format(m.cleared | length) }}</td></tr>{% endif %}
{% for reason, held in m.held_back | groupby("reason") %}<tr><td>held back after the decision: {{ reason }}</td><td class="n">{{ "{:,}".format(held | length) }}</td></tr>
{% endfor %}</table>
<h2>Fields</h2>
<p>{% for c in m.schema %}<code>{{ c.name }}</code>{{ ", " if not loop.last }}{% endfor %}</p>
{% set times = m.schema | selectattr("type", "eq", "timestamp[us]") | map(attribute="name") | list %}
{% if times %}<p>{% for name in times %}<code>{{ name }}</code>{{ ", " if not loop.last }}{% endfor %}: UTC, as the Z says; {{ m.as_of }} is
{{ clock.ended }}.{% if m.kind == "campaign" %} A mail goes at an hour of the customer's own clock, outside the quiet hours.{% endif %}</p>
{% endif %}<h2>First rows</h2>
<div class="scroll"><table><tr>{% for c in m.schema %}<th>{{ c.name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table></div>
{% if not rows %}<p class="muted">Nobody is in it.</p>
{% endif %}<h2>How to import</h2>
<p>Wait for <code>_SUCCESS</code>; a kind in several parts (<code>p0001</code>, <code>p0002</code>, …) is one file cut in pieces, take all.
{% if m.kind == "codes" %}There is only <code>full</code>.{% else %}Take <code>full</code> the first time; after that <code>added</code>,
<code>changed</code>{{ " and <code>removed</code>" | safe if removes }}, if the run they build on is the last one you took.{% endif %}
{{ how | safe }}</p>
{% for c in m.schema if "held_out" in c.name | lower %}<p>Where <code>{{ c.name }}</code> is true the person is of the control group, to which no campaign
writes: let no flow of the tool's own write to them either, or what campaigns bring cannot be told.</p>{% endfor %}
</main></body></html>
"""

KINDS = {
    "full": "everybody",
    "added": "new since the run it builds on",
    "changed": "in both, with other values",
    "removed": "no longer in; keys only",
    "content": "the rendered mails: subject, preheader, HTML, text",
}
IDENTIFYING = ("email", "phone", "name", "city", "region", "post", "zip", "subj", "mailpre", "preheader", "code", "source_ids")
_TEMPLATE = Environment(autoescape=True).from_string(PAGE)


def readme_of(manifest: Mapping[str, Any], rows: pa.Table, how_to_import: str = "", removes: bool = True) -> str:
    """The page of a run. Samples are masked: whoever opens a README needs the shape, not the people."""
    samples = [[masked(name, text_of(value)) for name, value in row.items()] for row in rows.slice(0, 3).to_pylist()]
    return _TEMPLATE.render(m=manifest, rows=samples, kinds=KINDS, how=how_to_import, removes=removes, clock=clock_of(manifest))


def clock_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The shop's day of a run, when it ended and until when consent is known, on the shop's clock; a manifest of before it told the zone is in UTC."""
    as_of, consent = manifest["as_of"], manifest["consent_as_of"]
    zone = manifest.get("zone", "UTC")
    day = day_of(parsed(as_of), zone)
    return {
        "day": f"{day:%A}, {day.day} {day:%B %Y}",
        "ended": on_clock(parsed(as_of), zone),
        "consent": on_clock(parsed(consent), zone) if consent else "",
    }


def parsed(text: str) -> datetime:
    """A moment as the manifest has it, as naive UTC."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def on_clock(instant: datetime, zone: str) -> str:
    """15 March 2026, 00:00 (Europe/Berlin)."""
    there = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%B %Y, %H:%M} ({zone})"


def masked(name: str, value: str) -> str:
    """A sample value without the person: letters and digits of identifying columns become dots."""
    if any(word in name.lower() for word in IDENTIFYING):
        return "".join("·" if character.isalnum() else character for character in value)
    return value if len(value) <= 40 else value[:37] + "…"
