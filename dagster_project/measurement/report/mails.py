"""Six mails as they were rendered, chosen to be as unlike one another as the store has them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow.parquet as pq

from dagster_project.campaigns.preview import preview_html
from dagster_project.measurement.report.reading import Reading

SHOWN = 6
# One mail per kind: the newest, and of those the customer whose id comes first.
KINDS = """
select
    content.campaign, content.step, coalesce(decisions.variant, ''), coalesce(customers.language, ''), customers.first_name is not null,
    max(content.as_of),
    max_by(content.customer_id, (content.as_of, content.customer_id)),
    max_by(content.path, (content.as_of, content.customer_id))
from campaigns.campaign_content as content
left join campaigns.campaign_decisions as decisions using (as_of, campaign, step, customer_id)
left join (select customer_id, language, first_name from profile.current_customers where as_of = $as_of) as customers using (customer_id)
where content.as_of <= $as_of group by all order by all
"""
# A preview is to be looked at: its links lead nowhere.
INERT = "<style>a{pointer-events:none!important}html{scrollbar-width:thin}</style></head>"


@dataclass(frozen=True)
class Kind:
    """A kind of mail and one example of it."""

    campaign: str
    step: str
    variant: str
    language: str
    has_name: bool
    as_of: datetime
    customer_id: str
    path: str

    @property
    def traits(self) -> frozenset[tuple[str, object]]:
        return frozenset(
            {
                ("campaign", self.campaign),
                ("mail", (self.campaign, self.step)),
                ("arm", (self.campaign, self.step, self.variant)),
                ("language", self.language),
                ("name", self.has_name),
            }
        )


@dataclass(frozen=True)
class Mail:
    """One rendered mail: `light` and `dark` are whole pages that ask no server."""

    kind: Kind
    language: str
    subject: str
    preheader: str
    light: str
    dark: str


def read_mails(reading: Reading) -> tuple[Mail, ...]:
    """Up to SHOWN mails; fewer where the store has fewer kinds or their content is no longer there."""
    if not reading.has("campaigns.campaign_content"):
        return ()
    kinds = [kind for kind in (Kind(*row) for row in reading.rows(KINDS)) if (reading.store / kind.path).is_file()]
    return tuple(_rendered(reading, kind) for kind in diverse(kinds, SHOWN))


def diverse(kinds: Sequence[Kind], wanted: int) -> list[Kind]:
    """The kinds that add most that was not yet shown, newest first among equals; the same kinds give the same choice."""
    left = sorted(kinds, key=lambda kind: (kind.campaign, kind.step, kind.variant, kind.language, kind.has_name))
    chosen: list[Kind] = []
    shown: set[tuple[str, object]] = set()
    while left and len(chosen) < wanted:
        best = max(left, key=lambda kind: (len(kind.traits - shown), kind.as_of))
        left.remove(best)
        chosen.append(best)
        shown |= best.traits
    return chosen


def _rendered(reading: Reading, kind: Kind) -> Mail:
    columns = ["subject", "preheader", "html"]
    found = pq.read_table(reading.store / kind.path, columns=columns, filters=[("customer_id", "=", kind.customer_id)]).to_pylist()[0]
    language = re.search(r'<html[^>]*\blang="([^"]+)"', found["html"])
    light = preview_html(found["html"], "light").replace("</head>", INERT, 1)
    dark = preview_html(found["html"], "dark").replace("</head>", INERT, 1)
    return Mail(kind, language.group(1) if language else kind.language, found["subject"], found["preheader"], light, dark)
