"""CSV, row by row: a row that is none goes to quarantine, a file that is cut off stops."""

import csv
import itertools
from collections.abc import Iterator

from dagster_project.sources.drift import UnreadableExtract, place_columns
from dagster_project.sources.reading.chunks import CHUNK_ROWS, Chunk, Reading, Unreadable, text_table
from dagster_project.sources.reading.text_lines import encodable, text_lines

DELIMITERS = (",", ";", "\t", "|")
# A field may be as long as it likes; Python's own limit is 128 KB.
csv.field_size_limit(2**31 - 1)


def csv_chunks(reading: Reading) -> Iterator[Chunk]:
    source = Remembering(text_lines(reading, newline=""))
    head = next(source, "")
    if not head.strip():
        raise UnreadableExtract(f"{reading.path}: the file is empty, it has not even a header; pull it again.")
    source.give_back(head)
    reader = csv.reader(source, delimiter=delimiter_of(reading, head), strict=True)
    try:
        header = next(reader)
    except csv.Error as error:
        raise UnreadableExtract(f"{reading.path}: the header cannot be read ({error}); pull it again.") from None
    places = place_columns(reading.drifting, [name.strip() for name in header])
    columns: dict[str, list[str | None]] = {name: [] for name in reading.table.columns}
    numbers: list[int] = []
    unreadable: list[Unreadable] = []
    for number, row, text in csv_rows(reading, source, reader):
        because = broken(reading, number, row, text, len(header))
        if because or isinstance(row, csv.Error):
            text = text.encode("utf-8", "backslashreplace").decode().rstrip("\r\n")
            unreadable.append(Unreadable(number, None, because, text))
        else:
            numbers.append(number)
            for name, values in columns.items():
                values.append(row[places[name]] or None if name in places else None)
        if len(numbers) + len(unreadable) >= CHUNK_ROWS:
            yield Chunk(text_table(columns, numbers), unreadable)
            columns, numbers, unreadable = {name: [] for name in columns}, [], []
    yield Chunk(text_table(columns, numbers), unreadable)


def csv_rows(reading: Reading, source: "Remembering", reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str] | csv.Error, str]]:
    """Each row that is not empty: its number from 1, its fields or why it has none, and its text."""
    for number in itertools.count(1):
        source.taken.clear()
        row: list[str] | csv.Error | None
        try:
            row = next(reader, None)
        except csv.Error as error:
            if source.is_spent:
                raise UnreadableExtract(
                    f"{reading.path}: a quoted field does not end ({error}); the file is cut off, pull it again."
                ) from None
            row = error
        if row is None:
            return
        if row:
            yield number, row, "".join(source.taken)


def broken(reading: Reading, number: int, row: list[str] | csv.Error, text: str, fields: int) -> str:
    """Why what came is not a row of the file; empty where it is one."""
    encoding = reading.table.encoding
    if isinstance(row, csv.Error):
        return f"is not CSV ({row})"
    if len(row) != fields:
        if not text.endswith(("\n", "\r")):
            raise UnreadableExtract(
                f"{reading.path}: the last row has {len(row)} of {fields} fields and no line end; the file is cut off, pull it again."
            )
        return f"has {len(row)} fields, the header has {fields}"
    if not encodable(text):
        reading.drifting.meet("not_decodable", None, f"has bytes that are not {encoding} (row {number})")
        return f"is not {encoding.upper()}"
    return ""


class Remembering:
    """Lines as csv.reader takes them, with those of the current row at hand."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.taken: list[str] = []
        self.given_back: list[str] = []
        self.is_spent = False

    def __iter__(self) -> "Remembering":
        return self

    def __next__(self) -> str:
        try:
            line = self.given_back.pop() if self.given_back else next(self.lines)
        except StopIteration:
            self.is_spent = True
            raise
        self.taken.append(line)
        return line

    def give_back(self, line: str) -> None:
        self.given_back.append(line)


def delimiter_of(reading: Reading, head: str) -> str:
    """The delimiter that makes most declared columns of the header; the declared one unless another makes more."""
    declared = reading.table.delimiter
    known = {name for names in reading.table.names.values() for name in names}

    def found(delimiter: str) -> int:
        return len(known & {name.strip().strip('"') for name in head.split(delimiter)})

    best = max([declared, *DELIMITERS], key=found)
    if found(best) > found(declared):
        reading.drifting.meet("delimiter", None, f"is separated by {best!r}, declared is {declared!r}")
        return best
    return declared
