"""What a stranger has: each file or database table as text in one DuckDB, ready to be looked at."""

import codecs
import io
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from dagster_project.sources.reading.text_lines import open_bytes

# How a DuckDB file begins, behind a checksum.
DUCKDB = b"DUCK"
DATABASES = (".duckdb", ".ddb", ".db")
ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
READ_ROWS = 20_000


class CannotRead(ValueError):
    """A file is none that we can read; the message says which and what to do."""


@dataclass(frozen=True)
class Sample:
    """One table of the stranger's: its name, where its rows are (a relation of the connection, all text), its headers and number of rows."""

    name: str
    relation: str
    headers: tuple[str, ...]
    rows: int
    path: Path | None = None
    encoding: str = "utf-8"
    schema: str | None = None
    # Rows below the table that said nothing, and were left out.
    empty: int = 0
    # What a header means where its own words do not say it (keys.py).
    means: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return words_of(self.name)


def words_of(name: str) -> str:
    """A name as lower-case words: InvoiceNo → invoice no, t_dat → t dat."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.findall(r"[^\W_]+", spaced.lower()))


def files_in(folder: Path) -> list[Path]:
    """The readable files of a folder (or the one file that is named).

    Raises:
        CannotRead: there is none.
    """
    found = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    readable = [path for path in found if path.name.removesuffix(".gz").endswith(ENDINGS)]
    if not readable:
        sheets = [path.name for path in found if path.suffix in (".xlsx", ".xls")]
        hint = f"; save {sheets[0]} as CSV" if sheets else ""
        raise CannotRead(f"{folder} has no file that can be read ({', '.join(ENDINGS)}, also .gz){hint}.")
    return readable


def databases_in(folder: Path) -> list[str]:
    """What to say of the DuckDB files of a folder, which are read alone and not among files."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in DATABASES) if folder.is_dir() else []
    return [
        f"{path.name} is a database, and is read alone: name it in --from, and bring what the files say into it as tables"
        for path in found
        if is_duckdb(path)
    ]


def is_duckdb(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[8:] == DUCKDB


def read_file(connection: duckdb.DuckDBPyConnection, path: Path, number: int) -> Sample:
    """A file as a table of texts.

    Raises:
        CannotRead: whatever it is called, it is no table.
    """
    relation = f"sample_{number}"
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1].replace("jsonl", "json").replace("ndjson", "json")
    is_text = ending not in ("parquet", "json")
    encoding = encoding_of(path) if is_text else "utf-8"
    with tempfile.TemporaryDirectory() as folder:
        readable = path if encoding == "utf-8" else as_utf8(path, encoding, Path(folder) / "sample.csv")
        source = "'" + str(readable).replace("'", "''") + "'"
        whole = f"header = true, all_varchar = true, sample_size = {READ_ROWS}, max_line_size = 16777216"
        # As it came; then without the rows that are no rows (the contract quarantines them).
        attempts = {
            "parquet": [f"read_parquet({source})"],
            "json": [f"read_json({source}, maximum_depth = 1, sample_size = -1)"],
        }.get(ending, [f"read_csv({source}, {whole})", f"read_csv({source}, {whole}, ignore_errors = true)"])
        trouble, empty = "", 0
        for attempt in attempts:
            try:
                # `\N` is how a database's export writes what is not there.
                connection.execute(
                    f"create or replace table {relation} as select nullif(cast(columns(*) as varchar), '\\N') from {attempt}"
                )
                break
            except duckdb.Error as error:
                trouble = str(error).split("\n")[0]
        else:
            raise CannotRead(f"{path} cannot be read as a table: {trouble}")
        if is_text:
            cut_at_blanks(connection, relation)
            empty = leave_out_nothing(connection, relation)
    name = re.sub(r"\.(gz|csv|tsv|txt|jsonl?|ndjson|parquet)$", "", path.name.removesuffix(".gz"))
    return replace(described(connection, relation, name, path, encoding), empty=empty)


def leave_out_nothing(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Take out what a spreadsheet leaves beside and below a table: columns of no name and no value, and rows without any; how many rows those were."""
    headers = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description or []]
    counts = ", ".join(f"count({quoted(header)})" for header in headers)
    says_nothing = " and ".join(f"{quoted(header)} is null" for header in headers)
    rows, *said = connection.execute(f"select count(*) filter (where {says_nothing}), {counts} from {relation}").fetchone() or (0,)
    # What a header leaves empty DuckDB calls column7.
    kept = [header for header, stated in zip(headers, said, strict=True) if stated or not re.fullmatch(r"column\d+", header)]
    if kept and (rows or len(kept) < len(headers)):
        columns = ", ".join(map(quoted, kept))
        connection.execute(
            f"create or replace table {relation} as select {columns} from {relation} where not ({says_nothing}) order by rowid"
        )
    return int(rows)


def cut_at_blanks(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Columns that stand in blanks come as one: where every row has as many words as the header, each word is a column."""
    headers = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description or []]
    names = headers[0].split()
    if len(headers) > 1 or len(names) < 2:
        return
    words = "regexp_split_to_array(trim(columns(*)), '\\s+')"
    row = connection.execute(f"select min(len(words)), max(len(words)) from (select {words} as words from {relation})").fetchone()
    if row == (len(names), len(names)):
        columns = ", ".join(f"words[{place}] as {quoted(name)}" for place, name in enumerate(names, 1))
        connection.execute(f"create or replace table {relation} as select {columns} from (select {words} as words from {relation})")


def quoted(header: str) -> str:
    return '"' + header.replace('"', '""') + '"'


def encoding_of(path: Path) -> str:
    """UTF-16 where a byte order mark says so, UTF-8 where the bytes are, else what Windows writes in the west."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def as_utf8(path: Path, encoding: str, written: Path) -> Path:
    """The text of a file, written anew in UTF-8, which is what DuckDB reads."""
    with (
        open_bytes(path) as file,
        io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="") as text,
        written.open("w", encoding="utf-8", newline="") as out,
    ):
        shutil.copyfileobj(text, out, 1 << 20)
    return written


def described(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    name: str,
    path: Path | None = None,
    encoding: str = "utf-8",
    schema: str | None = None,
) -> Sample:
    result = connection.execute(f"select * from {relation} limit 0")
    headers = tuple(column[0] for column in result.description or [])
    if len(headers) > 1 and all(re.fullmatch(r"[\d.,:/ -]*", header) for header in headers):
        raise CannotRead(
            f"{path or name} begins with values ({', '.join(headers[:4])}) and not with the names of its columns: add a first line of names."
        )
    ((rows,),) = connection.execute(f"select count(*) from {relation}").fetchall()
    return Sample(name, relation, headers, rows, path, encoding, schema)
