"""How a column's values are written: moments, amounts, numbers, addresses. Judged on what is there, never on the header."""

import itertools
import re
from dataclasses import dataclass

import duckdb

from dagster_project.onboarding.samples import READ_ROWS, Sample, quoted, words_of
from dagster_project.sources.reading.formats import WORDS_FOR_NOTHING

ALMOST_ALL = 0.995
# So many different values are words of a list.
FEW = 30
DATES = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%m-%d-%y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%Y.%m.%d",
    "%Y/%m/%d",
    "%Y-%m-%d",
)
SPELT = ("%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%d", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z")
# Where a shop counts its days, and nothing says from when.
DAY_ZERO = "2019-12-31"
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True)
class Written:
    """How the values of a column are written: `format` as source.yaml has it (None: as everybody writes them), and what is uncertain of it."""

    format: str | None = None
    doubt: str | None = None


def said(header: str) -> str:
    """A value without blanks around it; null for an empty one and for words that stand for nothing."""
    value = f"trim({quoted(header)})"
    nothing = "', '".join(("", *WORDS_FOR_NOTHING))
    return f"case when lower({value}) not in ('{nothing}') then {value} end"


def share(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, condition: str) -> float:
    """The share of the stated values (of the first rows and some from everywhere) for which a condition on `value` holds; 0 where none is stated."""
    sql = f"select avg(case when {condition} then 1.0 else 0.0 end) from ({some(sample, header)}) where value is not null"
    row = connection.execute(sql).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def share_of_few(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, condition: str) -> float:
    sql = f"select avg(case when {condition} then 1.0 else 0.0 end) from {few(sample, header)}"
    row = connection.execute(sql).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def few(sample: Sample, header: str) -> str:
    return f"(select value from ({some(sample, header)}) where value is not null limit 50)"


def said_share(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> float:
    """The share of the rows that state a value."""
    row = connection.execute(f"select avg(case when {said(header)} is null then 0.0 else 1.0 end) from {sample.relation}").fetchone()
    return float(row[0] or 0) if row else 0.0


def some(sample: Sample, header: str) -> str:
    step = max(1, sample.rows // READ_ROWS)
    return f"select {said(header)} as value from {sample.relation} where rowid % {step} = 0 limit {READ_ROWS}"


def moment(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, earliest: int = 1990) -> Written | None:
    """How moments are written; None when the values are none. Nothing plausible lies before the year `earliest`."""
    plausible = f"between {earliest} and 2100"
    usual = f"year(try_cast(value as timestamptz)) {plausible} and length(value) >= 8"
    # A cast that fails is dear, and a column of other words fails on every row: a few are asked first.
    if share_of_few(connection, sample, header, usual) > 0.5 and share(connection, sample, header, usual) >= ALMOST_ALL:
        return Written()
    if share(connection, sample, header, "try_cast(value as bigint) between 631152000 and 4102444800") >= ALMOST_ALL:
        return Written("unix")
    if share(connection, sample, header, "try_cast(value as bigint) between 631152000000 and 4102444800000") >= ALMOST_ALL:
        return Written("unix_ms")
    formats = [day + time for day, time in itertools.product((*DATES, *SPELT), TIMES)]
    # Every format is asked about a few values, and those that fit them about all: sixty times all is seconds of a large file.
    fitting = fitting_formats(connection, formats, few(sample, header), plausible)
    fitting = fitting_formats(connection, fitting, f"({some(sample, header)})", plausible)
    if not fitting:
        return None
    if len(fitting) == 1:
        return Written(fitting[0])
    # Both day first and month first fit: the one under which the file is more in order, and which spreads over fewer days.
    ranked = sorted(fitting, key=lambda format: disorder(connection, sample, header, format))
    return Written(ranked[0], f"{header} also reads as {ranked[1]}: which comes first, the day or the month?")


def day_number(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> Written | None:
    """Days that are counted instead of dated, from 1 up to more than two months; the first is assumed."""
    sql = f"select min(day), max(day), count(distinct day), count(*) - count(day) from (select try_cast({said(header)} as integer) as day from {sample.relation})"
    lowest, highest, different, unread = connection.execute(sql).fetchone() or (None, None, 0, 0)
    if lowest is None or unread or not 0 <= lowest <= 31 or not 62 <= highest <= 20_000 or different < 31:
        return None
    return Written(f"days since {DAY_ZERO}", f"{header} counts days and names no date: day 0 is assumed to be {DAY_ZERO}")


def fitting_formats(connection: duckdb.DuckDBPyConnection, formats: list[str], relation: str, plausible: str) -> list[str]:
    """The formats in which almost all stated values of a relation read as plausible moments."""
    if not formats:
        return []
    shares = ", ".join(f"avg(case when year(try_strptime(value, '{format}')) {plausible} then 1.0 else 0.0 end)" for format in formats)
    row = connection.execute(f"select {shares} from {relation} where value is not null").fetchone() or ()
    return [format for format, fits in zip(formats, row, strict=True) if fits is not None and fits >= ALMOST_ALL]


def disorder(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, format: str) -> tuple[float, int]:
    sql = f"""
    select avg(case when moment < before then 1.0 else 0.0 end), count(distinct cast(moment as date))
    from (
        select try_strptime({said(header)}, '{format}') as moment, lag(try_strptime({said(header)}, '{format}')) over (order by rowid) as before
        from {sample.relation}
    )
    """
    row = connection.execute(sql).fetchone()
    return (float(row[0] or 0), int(row[1])) if row else (0.0, 0)


def amount(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> Written | None:
    """How numbers are written; None when the values are none."""
    if share(connection, sample, header, "try_cast(value as double) is not null") >= ALMOST_ALL:
        is_whole = share(connection, sample, header, "try_cast(value as double) % 1 = 0") >= ALMOST_ALL
        return Written("cents" if is_whole and re.search(r"\b(cents?|pence)\b", words_of(header)) else None)
    # A currency's sign or code may stand ahead; another letter may not: C536379 is a number of a document.
    sign = "^([A-Z]{3} ?|RM ?|[A-Z]{2} |R[$]|US[$]|Rs[.]? ?|kr ?)?[^0-9A-Za-z,.-]{0,3}-?[^0-9A-Za-z,.-]{0,3}"
    if (
        share(connection, sample, header, f"regexp_matches(value, '{sign}[0-9]{{1,3}}(,?[0-9]{{3}})*([.][0-9]+)?[^0-9,.]{{0,4}}$')")
        >= ALMOST_ALL
    ):
        return Written("1,234.56")
    if (
        share(connection, sample, header, f"regexp_matches(value, '{sign}[0-9]{{1,3}}([.]?[0-9]{{3}})*(,[0-9]+)?[^0-9,.]{{0,4}}$')")
        >= ALMOST_ALL
    ):
        return Written("1.234,56")
    return None


def text(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> Written:
    """How texts are written: ahead of all of them, or of those that are numbers, may stand the apostrophe by which a spreadsheet leaves a number a text."""
    ahead = share(connection, sample, header, "value like '''%'")
    is_of_numbers = ahead and share(connection, sample, header, "regexp_matches(value, '^''[^0-9+]')") == 0
    return Written("'0123" if is_of_numbers or ahead >= ALMOST_ALL else None)


def is_email(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    return share(connection, sample, header, "regexp_matches(value, '^[^@ ]+@[^@ ]+[.][^@ ]+$')") >= 0.8


def is_unique(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    row = connection.execute(f"select count(distinct {quoted(header)}), count({quoted(header)}) from {sample.relation}").fetchone()
    return bool(row and row[1] and row[0] >= 0.98 * row[1])


def follows(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, other: str) -> bool:
    """Whether a column says the same wherever another does: what a product is called, and not who bought it."""
    row = connection.execute(
        f"select avg(case when different <= 1 then 1.0 else 0.0 end) from (select count(distinct {said(header)}) as different "
        f"from {sample.relation} where {said(other)} is not null group by {said(other)} having count(*) > 1)"
    ).fetchone()
    return bool(row and row[0] is not None and row[0] >= 0.9)


def distinct_words(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> list[str]:
    """The values of a column of few different ones, commonest first; empty for one of many."""
    sql = f"select value from ({some(sample, header)}) where value is not null group by 1 order by count(*) desc, 1 limit {FEW + 1}"
    found = [str(row[0]) for row in connection.execute(sql).fetchall()]
    return found if len(found) <= FEW else []


def name_of(header: str) -> str:
    """A header as the name of a column."""
    name = re.sub(r"\W+", "_", words_of(header)).strip("_") or "column"
    return f"column_{name}" if name[0].isdigit() else name
