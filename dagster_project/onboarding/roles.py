"""Which header plays which part: the columns of the `sales` system (sources/sales/source.yaml) by the names that shops give them."""

import re
from dataclasses import dataclass, field

import duckdb

from dagster_project.dbt_vars import dbt_vars
from dagster_project.onboarding import values
from dagster_project.onboarding.answers import CHANNELS, is_answered, is_mark, is_of_a_list, is_reason
from dagster_project.onboarding.headers import meaning_of, table_meaning
from dagster_project.onboarding.samples import Sample, words_of
from dagster_project.onboarding.vocabulary import AMOUNTS, CALLED, FIRST, KINDS, MOMENTS, NAMES, OF_COMING, ON_A_LIST, OTHERS

# What orders are, beside given back.
OF_ORDERS = r"\b(paid|unpaid|complete|pending|processing|shipped|delivered|open|closed|new)"
# What says, beside a plain no, that a product is not sold.
NOT_SOLD = {"-1", "draft", "archived", "inactive", "disabled", "hidden", "private"}


@dataclass(frozen=True)
class Part:
    """A header in the part of a column, and how its values are written."""

    header: str
    format: str | None = None


@dataclass
class Reading:
    """A table read as one of a kind: its columns, and what is uncertain."""

    sample: Sample
    kind: str
    parts: dict[str, Part] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def is_called(sample: Sample, kind: str, words: str = "") -> bool:
    """Whether the table's name says that it is of a kind, or has some of its words."""
    return re.search(rf"\b({words or KINDS[kind][0]})\b", table_meaning(sample.words)) is not None


def plain_headers(sample: Sample, kind: str) -> dict[str, str]:
    """Column → what a plain header of a table is called that bears its kind's name."""
    plain: dict[str, str] = {}
    for of, words, columns in CALLED:
        if of == kind and is_called(sample, kind, words):
            plain = {**columns, **plain}
    return plain


def cast_parts(connection: duckdb.DuckDBPyConnection, sample: Sample, kind: str, columns: list[str]) -> Reading:
    """Find a header for each column of a kind of table; each header plays one part, the part that comes first."""
    reading = Reading(sample, kind)
    words = {header: sample.means.get(header) or meaning_of(header) for header in sample.headers}
    taken: set[str] = set()
    plain = plain_headers(sample, kind)
    for column in sorted(columns, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        patterns = NAMES.get(column, ())
        # A table's own number is called by the table's name, or plainly id; so is its day.
        patterns = (*patterns[:1], *([plain[column]] if column in plain else []), *patterns[1:])
        for pattern in patterns:
            candidates = [header for header in sample.headers if header not in taken and re.fullmatch(pattern, words[header])]
            part = next((part for header in candidates if (part := as_part(connection, reading, column, header))), None)
            if part:
                reading.parts[column] = part
                taken.add(part.header)
                break
    # Who is seen without anything else that names the browser is the visitor.
    if kind == "events" and "visitor_id" not in reading.parts and "customer_id" in reading.parts:
        reading.parts["visitor_id"] = reading.parts.pop("customer_id")
    # In a list with a row a person the day they came to it is that of a yes; that of a no nobody says.
    dated, whose = reading.parts.get("consent_at"), reading.parts.get("email") or reading.parts.get("customer_id")
    if (
        kind == "consents"
        and dated
        and whose
        and re.fullmatch(OF_COMING, words[dated.header])
        and values.is_unique(connection, sample, whose.header)
    ):
        reading.parts["listed_at"] = reading.parts.pop("consent_at")
    # A visit that stands for the visitor is the visit too.
    visitor = reading.parts.get("visitor_id")
    if kind == "events" and visitor and "session_id" not in reading.parts and re.fullmatch(NAMES["session_id"][0], words[visitor.header]):
        reading.parts["session_id"] = visitor
    return reading


def as_status(connection: duckdb.DuckDBPyConnection, reading: Reading, header: str) -> Part | None:
    """A status of few words, of which it is said which ones give an order back."""
    found = values.distinct_words(connection, reading.sample, header)
    is_answer = re.search("returned|cancell?ed|refunded", meaning_of(header))
    if not found:
        return None
    if not is_answer and all(re.fullmatch(r"[0-9.]+", word) for word in found):
        reading.doubts.append(f"{header} holds numbers, and nobody says which of them give an order back: every order counts as sold")
        return None
    pattern, except_for = dbt_vars()["given_back"], dbt_vars()["not_given_back"]
    back = [word for word in found if re.search(pattern, word.lower()) and not re.search(except_for, word.lower())]
    # A plain state may be a country's, where another column has that too.
    if meaning_of(header) == "state" and not back and not any(re.search(OF_ORDERS, word.lower()) for word in found):
        return None
    sold = [word for word in found if word not in back]
    if len(found) > 1:
        reading.doubts.append(
            f"{header}: {', '.join(back) or 'nothing'} gives an order back; {', '.join(sold[:12]) or 'nothing'} counts as sold"
        )
    return Part(header)


def named_beside(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> str | None:
    """The words beside a category's number, in a column that most rows state."""
    if (
        not re.fullmatch(".*category ?(id|no|number)", meaning_of(header))
        or values.share(connection, sample, header, "regexp_matches(value, '^[0-9]+$')") < 1
    ):
        return None
    codes = [one for one in sample.headers if re.fullmatch(".*category ?(code|path|key|label)", meaning_of(one))]
    words = [one for one in codes if values.share(connection, sample, one, "regexp_matches(value, '[A-Za-z]{3}')") >= values.ALMOST_ALL]
    return next((one for one in words if values.said_share(connection, sample, one) > 0.5), None)


def as_sold(connection: duckdb.DuckDBPyConnection, reading: Reading, header: str) -> Part | None:
    """Whether a product is sold, in words that say so."""
    found = [word.lower() for word in values.distinct_words(connection, reading.sample, header)]
    unsold = [word for word in found if word in NOT_SOLD or re.search(dbt_vars()["says_no"], word)]
    if not found or not all(word in unsold or re.search(dbt_vars()["says_yes"], word) for word in found):
        return None
    if unsold:
        reading.doubts.append(f"{header}: {', '.join(unsold)} is not sold, and not recommended")
    return Part(header)


def as_deletion(connection: duckdb.DuckDBPyConnection, reading: Reading, header: str) -> Part | None:
    """A mark of deleted rows, a moment or a yes or no; also one that nothing has yet."""
    marked = values.said_share(connection, reading.sample, header)
    if marked and not is_mark(connection, reading.sample, header):
        return None
    if marked:
        reading.doubts.append(f"{header} marks rows as deleted: who is marked is not written to, what is marked is given back or not sold")
    return Part(header)


def as_part(connection: duckdb.DuckDBPyConnection, reading: Reading, column: str, header: str) -> Part | None:
    """The header in this part, when its values are of the kind that the part needs."""
    sample = reading.sample
    if column in MOMENTS or column == "birth_date":
        written = values.moment(connection, sample, header, 1900 if column == "birth_date" else 1990)
        if written is None and column == "ordered_at" and re.search(r"\bday\b", words_of(header)):
            written = values.day_number(connection, sample, header)
    elif column == "order_discount_amount" and reading.kind != "orders":
        # Among lines it is a discount that amounts.py tells from a line's own.
        return None
    elif column in AMOUNTS:
        written = values.amount(connection, sample, header)
        # A share of money is between 0 and 1, and so is a column of no discounts: what is called a line's, is in money.
        is_share = values.share(connection, sample, header, "try_cast(value as double) between 0 and 1") == 1
        if column == "discount_share" and not is_share:
            return None
        if column == "discount_amount" and meaning_of(header) == "discount":
            if is_share:
                return None
            reading.doubts.append(f"{header} is read as money taken off the line, not as per cent and not as taken off each piece")
    elif (
        column == "product_id"
        and reading.kind in ("lines", "purchases")
        and sample.rows > 50
        and values.is_unique(connection, sample, header)
    ):
        # On every row another: the row's number, not a product's.
        return None
    elif column == "full_name" and words_of(header) == "name" and (product := reading.parts.get("product_id")):
        # In a table of order lines a plain name may be the product's.
        return None if values.follows(connection, sample, header, product.header) else Part(header)
    elif column == "region" and any(
        len(word) > 3 and re.search(dbt_vars()["given_back"], word.lower()) for word in values.distinct_words(connection, sample, header)
    ):
        # The state of an order, not of a country.
        return None
    elif column == "category" and (named := named_beside(connection, sample, header)):
        return Part(named)
    elif column == "order_id" and words_of(header) == "name":
        numbers = values.share(connection, sample, header, "regexp_matches(value, '^#?[A-Za-z]*-?[0-9]+$')")
        return Part(header) if numbers >= values.ALMOST_ALL else None
    elif column == "status":
        return as_status(connection, reading, header)
    elif column == "is_sold":
        return as_sold(connection, reading, header)
    elif column == "deleted_at":
        return as_deletion(connection, reading, header)
    elif column == "order_cancelled_at":
        # One that no order has yet may be had by one of the next.
        if values.said_share(connection, sample, header) and not is_mark(connection, sample, header):
            return None
        written = values.Written()
    elif column == "discount_code":
        return Part(header) if values.share(connection, sample, header, "try_cast(value as double) is null") > 0.5 else None
    elif column == "email":
        if re.search(OTHERS, words_of(header)) or not values.is_email(connection, sample, header):
            return None
        if not re.search("mail", words_of(header)):
            reading.doubts.append(f"{header} holds e-mail addresses: they are read as the customers' own")
        return Part(header)
    elif column == "currency":
        codes = values.share(connection, sample, header, "regexp_matches(value, '^[A-Z]{3}$')")
        return Part(header) if codes >= values.ALMOST_ALL else None
    elif column in ("accepts_marketing", "consent"):
        is_plain = re.fullmatch(ON_A_LIST, words_of(header)) and not is_called(sample, "consents")
        return Part(header) if (is_of_a_list if is_plain else is_answered)(connection, sample, header) else None
    elif column == "refuses_marketing":
        is_said = is_answered(connection, sample, header) or is_reason(connection, sample, header)
        written = values.Written() if is_said else values.moment(connection, sample, header)
    elif column == "channel" and reading.kind == "consents":
        found = values.distinct_words(connection, sample, header)
        return Part(header) if found and all(re.search(CHANNELS, word.lower()) for word in found) else None
    elif column == "purpose":
        return Part(header) if values.distinct_words(connection, sample, header) else None
    elif column == "event":
        found = values.distinct_words(connection, sample, header)
        return Part(header) if any(re.search("view|cart|click|page", word.lower()) for word in found) else None
    elif values.share(connection, sample, header, "true") == 0:
        return None
    else:
        written = values.text(connection, sample, header)
    if written and written.doubt:
        reading.doubts.append(written.doubt)
    return Part(header, written.format) if written else None
