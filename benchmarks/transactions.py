"""A shop's transaction file as a scratch store, and the order features of it by the dbt models that the pipeline runs.

Sign convention: a line with a negative quantity or a negative amount is a return. Lines without a customer, a moment or an amount are
left out and counted. Without an order column, the lines of one customer and day are one order.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.warehouse import SETTINGS

DBT_PROJECT = Path(__file__).resolve().parent.parent / "dbt"

# Layouts of moments in text, besides what the engine reads itself (ISO 8601). Of those that read most of a column the first is taken, for the
# whole column: 03/04/2011 is never March in one line and April in the next.
DAYS = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y"]
CLOCKS = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]
TEXT_MOMENTS = [day + clock for day in DAYS for clock in CLOCKS] + ["%Y%m%d", "%Y%m%d%H%M%S"]
TEXT_FILES = {".csv", ".tsv", ".txt", ".gz"}
# What `decimal(18, 2)` holds with room for a sum, and an integer of 32 bits: a line beyond is a slip of the pen.
MOST_AMOUNT = 1e13
MOST_PIECES = 1e9


@dataclass(frozen=True)
class Columns:
    """Which column of the file holds what. `unit_price` None: decided from the column's name and the signs (see `is_unit_price`)."""

    customer: str
    at: str
    amount: str
    order: str | None = None
    quantity: str | None = None
    product: str | None = None
    unit_price: bool | None = None


@dataclass(frozen=True)
class Loaded:
    """What became of the file's lines."""

    lines: int
    dropped: int
    returns: int
    orders: int
    customers: int
    newest: datetime
    unit_price: bool


def open_store(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection to the scratch store, on UTC and with the settings of the pipeline's own, which dbt's has too."""
    connection = duckdb.connect(str(path), config=SETTINGS)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def load_transactions(store: Path, file: Path, columns: Columns) -> Loaded:
    """Write `profile.fct_orders`, `fct_order_items` and `fct_returns` from the file; every line is known from the moment it happened.

    Raises:
        ValueError: the file cannot be read, has no such column (the message says which it has), or no line that says who paid what and when.
    """
    with open_store(store) as connection:
        types = register_lines(connection, file, _named(columns))
        unit_price = columns.unit_price if columns.unit_price is not None else is_unit_price(connection, columns)
        connection.execute("create schema if not exists profile")
        connection.execute(_lines_sql(connection, columns, types, unit_price))
        for statement in _FACTS:
            connection.execute(statement)
        loaded = _counted(connection, unit_price)
    if loaded.dropped == loaded.lines:
        needed = f"somebody in {columns.customer}, a moment in {columns.at} and a number in {columns.amount} that can be read"
        raise ValueError(f"none of the {loaded.lines} lines of {file.name} has {needed}")
    return loaded


def register_lines(connection: duckdb.DuckDBPyConnection, file: Path, needed: Sequence[str]) -> dict[str, str]:
    """Make the file the view `file_lines` and return its columns with their types.

    Raises:
        ValueError: it cannot be read, or lacks a column that is needed.
    """
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    try:
        source = _read_text(connection, file) if file.suffix.lower() in TEXT_FILES else connection.read_parquet(str(file))
    except duckdb.Error as error:
        raise ValueError(f"{file.name} cannot be read: {str(error).splitlines()[0]}") from None
    types = {name: str(kind) for name, kind in zip(source.columns, source.types, strict=True)}
    missing = sorted({name for name in needed if name not in types})
    if missing:
        raise ValueError(f"{file.name} has no column {', '.join(missing)}; it has {', '.join(types)}")
    connection.register("file_lines", source)
    return types


def _read_text(connection: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    """A CSV file; types are those that every line has, and what is no UTF-8 is Latin-1."""
    try:
        source = connection.read_csv(str(file), sample_size=-1)
        # Every column of every line, for a wrong letter may stand anywhere.
        source.aggregate(f"bit_xor(hash({', '.join(map(_quoted, source.columns))}))").fetchone()
    except duckdb.Error as error:
        if "utf-8" not in str(error).lower():
            raise
        quoted = str(file).replace("'", "''")
        source = connection.from_query(f"select * from read_csv('{quoted}', sample_size = -1, encoding = 'latin-1')")
    return source


def _named(columns: Columns) -> list[str]:
    return [name for name in (columns.customer, columns.at, columns.amount, columns.order, columns.quantity, columns.product) if name]


def is_unit_price(connection: duckdb.DuckDBPyConnection, columns: Columns) -> bool:
    """Whether the amount is a price per unit: its name says price, or negative quantities come with positive amounts (a line total has
    their sign).
    """
    if columns.quantity is None:
        return False
    if "price" in columns.amount.lower():
        return True
    quantity, amount = f"try_cast({_quoted(columns.quantity)} as double)", f"try_cast({_quoted(columns.amount)} as double)"
    row = connection.execute(
        f"select count(*) filter ({amount} > 0), count(*) filter ({amount} < 0) from file_lines where {quantity} < 0"
    ).fetchone()
    return row is not None and row[0] > row[1]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def moment_sql(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> str:
    """The column of `file_lines` as a naive UTC timestamp: text in the layout that reads most of it, numbers as yyyymmdd or as seconds,
    milli-, micro- or nanoseconds since 1970.
    """
    column = _quoted(name)
    if kind.startswith("VARCHAR"):
        texts = f"trim({column})"
        ways = [f"cast(try_cast({texts} as timestamptz) as timestamp)", *(f"try_strptime({texts}, '{layout}')" for layout in TEXT_MOMENTS)]
        counts = connection.execute(f"select {', '.join(f'count({way})' for way in ways)} from file_lines").fetchone() or (0,)
        return ways[counts.index(max(counts))]
    if "INT" in kind or kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")):
        number = f"try_cast({column} as double)"
        whole = f"cast({column} as bigint)"
        return (
            f"case when {number} between 18000101 and 21991231 then cast(try_strptime(cast({whole} as varchar), '%Y%m%d') as timestamp) "
            f"when {number} > 1e17 then make_timestamp({whole} // 1000) when {number} > 1e14 then make_timestamp({whole}) "
            f"when {number} > 1e11 then epoch_ms({whole}) when isfinite({number}) then epoch_ms(cast({column} * 1000 as bigint)) end"
        )
    # A zone is converted to UTC; a kind that is no moment (a time of day, a list) reads as none.
    return f"cast({column} as timestamp)" if kind.startswith(("TIMESTAMP", "DATE")) else "cast(null as timestamp)"


def key_sql(name: str, kind: str) -> str:
    """The column of `file_lines` as a text that names somebody or something: null where it is empty; 17850.0 is 17850."""
    column = _quoted(name)
    if kind.startswith(("DOUBLE", "FLOAT")):
        whole = f"cast(cast({column} as hugeint) as varchar)"
        return f"case when isfinite({column}) then case when {column} = floor({column}) then {whole} else cast({column} as varchar) end end"
    return f"nullif(trim(cast({column} as varchar)), '')"


def number_sql(name: str, kind: str) -> str:
    """The column of `file_lines` as a double; texts with a currency or separators (£1,234.50, 12,50 €) are numbers too."""
    column = _quoted(name)
    if not kind.startswith("VARCHAR"):
        return f"try_cast({column} as double)"
    bare = f"regexp_replace({column}, '[^0-9,.eE+-]', '', 'g')"
    pointed = f"case when regexp_matches({bare}, ',[0-9]{{1,2}}$') then replace(replace({bare}, '.', ''), ',', '.') else replace({bare}, ',', '') end"
    return f"coalesce(try_cast({column} as double), try_cast({pointed} as double))"


def _lines_sql(connection: duckdb.DuckDBPyConnection, columns: Columns, types: dict[str, str], unit_price: bool) -> str:
    quantity = number_sql(columns.quantity, types[columns.quantity]) if columns.quantity else "cast(null as double)"
    amount = number_sql(columns.amount, types[columns.amount])
    total = f"({amount} * {quantity})" if unit_price else amount
    # The same order number on two customers is two orders: a key that the file does not keep is not trusted.
    return f"""
        create or replace temp table lines as
        with read as (
            select
                {key_sql(columns.customer, types[columns.customer])} as customer_id,
                {moment_sql(connection, columns.at, types[columns.at])} as occurred_at,
                {total} as total,
                case when abs({quantity}) < {MOST_PIECES} then {quantity} end as quantity,
                {key_sql(columns.product, types[columns.product]) if columns.product else "cast(null as varchar)"} as product_id,
                {key_sql(columns.order, types[columns.order]) if columns.order else "cast(null as varchar)"} as file_order,
                row_number() over () as line_number
            from file_lines
        )
        select
            *,
            customer_id || ' ' || coalesce(file_order, cast(cast(occurred_at as date) as varchar)) as order_id,
            (coalesce(quantity, 1) < 0 or total < 0) as is_return
        from read
        where customer_id is not null and occurred_at is not null and abs(total) < {MOST_AMOUNT}
    """


LINKS = """
create schema if not exists identity;
create table if not exists identity.customer_links (
    customer_id varchar, source varchar, source_customer_id varchar, rule varchar, valid_from timestamp, valid_to timestamp
)
"""
_FACTS = [
    """
    create or replace table profile.fct_order_items as
    select
        'line ' || line_number as order_item_id, order_id, customer_id, occurred_at, occurred_at as known_at,
        cast(null as timestamp) as superseded_at, product_id,
        cast(round(coalesce(quantity, 1)) as integer) as quantity, cast(total as decimal(18, 2)) as net_amount
    from lines where not is_return
    """,
    """
    create or replace table profile.fct_orders as
    select
        order_id, 'file' as source, customer_id, min(occurred_at) as occurred_at, min(occurred_at) as known_at,
        cast(null as timestamp) as superseded_at, cast(sum(net_amount) as decimal(18, 2)) as net_amount,
        cast(0 as decimal(18, 2)) as discount_amount, cast(null as varchar) as channel,
        false as is_unpriced
    from profile.fct_order_items group by order_id, customer_id
    """,
    """
    create or replace table profile.fct_returns as
    select
        'line ' || line_number as return_id, order_id, customer_id, occurred_at, occurred_at as known_at,
        cast(null as timestamp) as superseded_at, product_id,
        cast(round(abs(coalesce(quantity, 1))) as integer) as quantity, cast(abs(total) as decimal(18, 2)) as net_amount
    from lines where is_return
    """,
]


def _counted(connection: duckdb.DuckDBPyConnection, unit_price: bool) -> Loaded:
    row = connection.execute(
        """
        select
            (select count(*) from file_lines), (select count(*) from lines), (select count(*) from profile.fct_returns),
            (select count(*) from profile.fct_orders), (select count(distinct customer_id) from profile.fct_orders),
            (select coalesce(max(occurred_at), timestamp '1970-01-01') from lines)
        """
    ).fetchone()
    assert row is not None
    return Loaded(
        lines=row[0], dropped=row[0] - row[1], returns=row[2], orders=row[3], customers=row[4], newest=row[5], unit_price=unit_price
    )


def build_features(
    store: Path, as_of: datetime, training_days: Sequence[datetime], horizons: Sequence[int], project: Path = DBT_PROJECT
) -> tuple[pa.Table, pa.Table]:
    """Run the dbt feature models for the day and its training days; returns `features.order_features` and `features.training_labels`."""
    with open_store(store) as connection:
        connection.execute("create schema if not exists sources")
        connection.execute(
            "create or replace table sources.run_days (as_of timestamp, known_by timestamp, is_day boolean, is_training boolean)"
        )
        connection.executemany(
            "insert into sources.run_days values (?, ?, ?, ?)",
            [(as_of, as_of, True, False), *((day, day, False, True) for day in training_days)],
        )
        # The file does not say who may be profiled, or who turned out to be somebody else: everybody is measured, as who they are.
        connection.execute(LINKS)
        connection.execute("create schema if not exists features")
        connection.execute(
            "create or replace table features.int_profiled_customers as "
            "select as_of, customer_id from sources.run_days cross join (select distinct customer_id from profile.fct_orders)"
        )
    run_dbt(store, horizons, project)
    with open_store(store) as connection:
        return (
            connection.execute("select * from features.order_features order by as_of, customer_id").to_arrow_table(),
            connection.execute("select * from features.training_labels order by as_of, customer_id, horizon_days").to_arrow_table(),
        )


def run_dbt(store: Path, horizons: Sequence[int], project: Path) -> None:
    """`dbt run --select int_order_state order_features training_labels` on the store, in this process."""
    os.environ |= {"DEARLY_WAREHOUSE": str(store), "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    folder = store.parent
    result = dbtRunner().invoke([
        "--quiet", "--no-use-colors", "--log-path", str(folder / "logs"),
        "run", "--select", "int_order_state", "order_features", "training_labels", "--project-dir", str(project), "--profiles-dir", str(project),
        "--target-path", str(folder / "target"), "--vars", f"{{label_horizons: {sorted(set(horizons))}}}",
    ])  # fmt: skip
    # dbt keeps the file open, with its settings; whoever asks next may have others.
    DuckDBConnectionManager.close_all_connections()
    if not result.success:
        raise RuntimeError(f"dbt did not build the order features: {result.exception or result.result}")
