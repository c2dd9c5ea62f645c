"""One extract whose rows are judged: which of them go on, which wait in quarantine and why, what differed from the contract."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from dagster_project.sources.contract import Table
from dagster_project.sources.drift import Difference, Drifting
from dagster_project.sources.extracts import Extract
from dagster_project.sources.rules import Rule
from dagster_project.warehouse import Warehouse

# So many stated values, none of them of the declared type, are a change of type and not some bad rows.
TYPE_CHANGE_FROM = 5
SHOWN = 10
# A hundred items of lists with the same mistake are one mistake: $.items[3].price and $.items[7].price are $.items[].price.
ANY_ITEM = r"regexp_replace(spot, '\[\d+\]', '[]', 'g')"


class Together(Protocol):
    """What extracts judged together share; `marked` are the places of those of which any row broke a rule or could not be read."""

    warehouse: Warehouse
    table: Table
    rules: list[Rule]
    marked: frozenset[int]


@dataclass(frozen=True)
class Judged:
    """One extract whose rows are judged and wait in the temporary tables under its `place`; `erased` of them are blank."""

    extract: Extract
    content: str
    landed: Path
    place: int
    rows: int
    drifting: Drifting
    counts: dict[str, Any] | None
    judging: Together
    erased: int = 0

    @property
    def is_marked(self) -> bool:
        """Whether any row of it broke a rule or could not be read."""
        return self.place in self.judging.marked

    def good_rows(self) -> str:
        """The rows that broke no rule which costs them, in SQL."""
        table = self.judging.table
        stated = numbered(
            table, f"select * exclude (_extract, _broken) from stated_rows where _extract = {self.place}", list(table.columns)
        )
        refused = f"select _row_number from stated_rows where _extract = {self.place} and _broken is not null"
        return f"select * from ({stated}) where _row_number not in ({refused})"

    def refuse_if_changed(self) -> None:
        """Compare the types that came with those declared.

        Raises:
            UnreadableExtract: a column is of another type throughout, and the contract stops on it.
        """
        if not self.is_marked:
            return
        rules, connection = self.judging.rules, self.judging.warehouse
        broken = dict(connection.rows("select place, count(*) from broken_rows where extract = ? group by place", [self.place]))
        for place, rule in enumerate(rules):
            if rule.kind == "type" and broken.get(place, 0) >= TYPE_CHANGE_FROM:
                ((stated,),) = connection.rows(f'select count("{rule.column}") from stated_rows where _extract = ?', [self.place])
                if stated == broken[place]:
                    header = self.judging.table.headers[rule.column]
                    said = f"none of the {stated} values of the column {header!r} is of the declared type: each {rule.reason}"
                    self.drifting.meet("type_changed", rule.column, said)

    def reconcile(self) -> None:
        """Compare the sums that the source states with those of the rows that came; the night's guard tells what differs."""
        stated = (self.counts or {}).get("sums", {})
        for column in self.judging.table.reconcile:
            header = self.judging.table.headers[column]
            if header in stated:
                ((sums,),) = self.judging.warehouse.rows(
                    f'select coalesce(sum(try_cast("{column}" as decimal(18, 4))), 0) from stated_rows where _extract = ?', [self.place]
                )
                if sums != Decimal(stated[header]):
                    said = f"{self.extract.path.name}: the sum of {header} is {sums.normalize():f}, the source says {stated[header]}; pull it again, or accept it"
                    self.drifting.met.append(Difference("reconciliation", column, said))

    def quarantine(self, connection: duckdb.DuckDBPyConnection, batch_id: str) -> None:
        """Put the refused rows where they wait, and note which rules were broken and what differed."""
        system, name = self.extract.system, self.extract.table
        if self.is_marked:
            self.quarantine_marked(connection, batch_id)
        for one in self.drifting.met:
            # What an extract goes on with night after night is told once.
            connection.execute(
                """
                insert into sources.differences
                select $1, $2, $3, $4, $5, $6 where not exists (
                    select 1 from sources.differences
                    where drift in ('new_column', 'reordered', 'byte_order_mark', 'delimiter', 'encoding')
                        and source = $1 and table_name = $2 and drift = $4 and column_name is not distinct from $5
                )
                """,
                [system, name, batch_id, one.case, one.column, one.message],
            )

    def quarantine_marked(self, connection: duckdb.DuckDBPyConnection, batch_id: str) -> None:
        system, name, table = self.extract.system, self.extract.table, self.judging.table
        rules = self.judging.rules
        connection.register("rules", rule_table(rules))
        packed = ", ".join(f'"{column}" := stated."{column}"' for column in table.columns)
        connection.execute(
            f"""
            insert into sources.quarantine
            select ?, ?, ?, row_number, reason, column_name, value, row_json, null
            from (
                select stated._row_number as row_number, concat_ws(': ', rules.reason, broken.spot) as reason, rules.column_name, broken.value,
                    to_json(struct_pack({packed}))::varchar as row_json
                from stated_rows as stated
                inner join rules on stated._broken = rules.place
                left join broken_rows as broken
                    on stated._extract = broken.extract and stated._row_number = broken.row_number and stated._broken = broken.place
                where stated._extract = ?
                union all
                select row_number, reason, column_name, null, to_json(text)::varchar from unreadable_rows where extract = ?
            )
            order by row_number
            """,
            [system, name, batch_id, self.place, self.place],
        )
        connection.execute(
            f"""
            insert into sources.broken_rules
            select ?, ?, ?, column_name, reason, warns, count(*), list(row_number order by row_number)[:{SHOWN}],
                list_distinct(list(shape order by row_number)[:{SHOWN}])
            from (
                select rules.column_name, concat_ws(': ', rules.reason, {ANY_ITEM}) as reason, rules.warns, row_number,
                    {shape_of("value")} as shape
                from broken_rows inner join rules using (place) where extract = ?
                union all
                select column_name, reason, false, row_number, null from unreadable_rows where extract = ?
            )
            group by column_name, reason, warns order by 7 desc, column_name, reason
            """,
            [system, name, batch_id, self.place, self.place],
        )
        connection.unregister("rules")


def numbered(table: Table, stated: str, columns: list[str]) -> str:
    """The `columns` of an extract's rows, in SQL; one that is counted (`number_within`) is counted where the extract does not state it."""
    for name in columns:
        if within := table.columns[name].number_within:
            group = ", ".join(f'"{one}"' for one in within)
            number = f"row_number() over (partition by {group} order by _row_number)::varchar"
            any_stated = f'count("{name}") over () > 0'
            stated = f'select * replace (case when {any_stated} then "{name}" else {number} end as "{name}") from ({stated})'
    return stated


def rule_table(rules: list[Rule]) -> pa.Table:
    return pa.table(
        {
            "place": pa.array(range(len(rules)), pa.int32()),
            "column_name": [rule.column for rule in rules],
            "reason": [rule.reason for rule in rules],
            "warns": [rule.warns for rule in rules],
        }
    ).cast(pa.schema([("place", pa.int32()), ("column_name", pa.string()), ("reason", pa.string()), ("warns", pa.bool_())]))


def shape_of(value: str) -> str:
    """What a value looks like without saying it: letters as a, digits as 9, signs as they are, in SQL."""
    letters = f"regexp_replace({value}, '\\p{{L}}', 'a', 'g')"
    return f"left(regexp_replace({letters}, '\\p{{N}}', '9', 'g'), 24)"
