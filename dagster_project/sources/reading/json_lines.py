"""JSON lines: an object a line, numbers and texts as they are written."""

from collections.abc import Iterator

import pyarrow as pa

from dagster_project.sources.drift import UnreadableExtract, place_columns
from dagster_project.sources.reading.chunks import CHUNK_ROWS, Chunk, Reading, Unreadable
from dagster_project.sources.reading.engine import engine
from dagster_project.sources.reading.text_lines import encodable, text_lines


def jsonl_chunks(reading: Reading) -> Iterator[Chunk]:
    numbers: list[int] = []
    lines: list[str] = []
    unreadable: list[Unreadable] = []
    rows = 0
    for number, line in enumerate(text_lines(reading, newline="\n"), start=1):
        if not line.strip():
            continue
        rows += 1
        if encodable(line):
            lines.append(line)
            numbers.append(number)
        else:
            reading.drifting.meet("not_decodable", None, f"has bytes that are not {reading.table.encoding} (line {number})")
            text = line.rstrip("\n").encode("utf-8", "backslashreplace").decode()
            unreadable.append(Unreadable(number, None, f"is not {reading.table.encoding.upper()}", text))
        if len(lines) + len(unreadable) >= CHUNK_ROWS:
            yield json_chunk(reading, numbers, lines, unreadable)
            numbers, lines, unreadable = [], [], []
    yield json_chunk(reading, numbers, lines, unreadable)
    # What ends with a whole object has not been cut.
    reading.drifting.unended = False
    if reading.headers:
        place_columns(reading.drifting, reading.headers, ordered=False, rows=rows)


def json_chunk(reading: Reading, numbers: list[int], lines: list[str], unreadable: list[Unreadable]) -> Chunk:
    """Rows of JSON objects; numbers and texts as they are written, nested values as JSON."""
    table = reading.table
    incoming = pa.table({"_row_number": pa.array(numbers, pa.int64()), "line": pa.array(lines, pa.string())})

    # Every name that a column may have is looked up in one go: a line is parsed once for its values and once for their kinds.
    places: dict[str, list[int]] = {name: [] for name in table.columns}
    paths: list[str] = []
    for name, names in table.names.items():
        for one in names:
            paths.append("""'$."{}"'""".format(one.replace("'", "''")))
            places[name].append(len(paths))
    listed = ", ".join(paths)
    fields = ", ".join(f'coalesce({", ".join(f"stated[{place}]" for place in places[name])}) as "{name}"' for name in places)
    texts = [name for name, column in table.columns.items() if column.type == "text"]
    nested = " ".join(f"when kinds[{place}] in ('OBJECT', 'ARRAY') then {n}" for n, name in enumerate(texts) for place in places[name])
    with engine().cursor() as connection:
        connection.register("lines", incoming)
        connection.execute(
            f"""
            create temp table parsed as
            select *, case when is_object then json_extract_string(line, [{listed}]) end as stated,
                case when is_object then json_type(line, [{listed}]) end as kinds
            from (select *, case when json_valid(line) then json_type(line) = 'OBJECT' else false end as is_object from lines)
            """
        )
        connection.execute(f"create temp table judged as select *, case {nested or 'when false then 0'} end as nested from parsed")
        refused = connection.execute(
            "select _row_number, line, nested from judged where not is_object or nested is not null order by _row_number"
        ).fetchall()
        keys = connection.execute("select distinct unnest(json_keys(line)) from judged where is_object order by 1").fetchall()
        rows = connection.execute(
            f"select {fields}, _row_number from judged where is_object and nested is null order by _row_number"
        ).to_arrow_table()
    reading.headers += [key for (key,) in keys if key not in reading.headers]
    for number, line, place in refused:
        text = line.rstrip("\r\n")
        if place is None and not line.endswith("\n"):
            raise UnreadableExtract(f"{reading.path}: the last line is not a whole JSON object; the file is cut off, pull it again.")
        column, reason = (None, "is not a JSON object") if place is None else (texts[place], "is nested, declared is a text")
        unreadable.append(Unreadable(number, column, reason, text))
    return Chunk(rows, unreadable)
