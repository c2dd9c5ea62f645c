"""Parquet, every value as text, nested ones as JSON."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.sources.drift import UnreadableExtract, place_columns
from dagster_project.sources.reading.chunks import CHUNK_ROWS, Chunk, Reading
from dagster_project.sources.reading.engine import engine


def parquet_chunks(reading: Reading) -> Iterator[Chunk]:
    path, table = reading.path, reading.table
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableExtract(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); pull it again.") from None
    with file:
        schema = file.schema_arrow
        places = place_columns(reading.drifting, schema.names)
        for name, place in places.items():
            if table.columns[name].type == "text" and pa.types.is_nested(schema.field(place).type):
                reading.drifting.meet("type_changed", name, f"column {schema.names[place]!r} is nested, declared is a text", stop=True)
        fields = ", ".join(parquet_field(schema, places.get(name), name) for name in table.columns)
        at = 0
        try:
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                numbers = pa.array(range(at + 1, at + 1 + len(batch)), pa.int64())
                with engine().cursor() as connection:
                    connection.register("content", pa.Table.from_batches([batch]).append_column("_row_number", numbers))
                    rows = connection.execute(f"select {fields}, _row_number from content order by _row_number").to_arrow_table()
                at += len(batch)
                yield Chunk(rows, [])
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableExtract(f"{path}: a part cannot be read ({str(error).splitlines()[0]}); pull it again.") from None


def parquet_field(schema: pa.Schema, place: int | None, name: str) -> str:
    if place is None:
        return f'null::varchar as "{name}"'
    source = '"{}"'.format(schema.names[place].replace('"', '""'))
    return f'to_json({source})::varchar as "{name}"' if pa.types.is_nested(schema.field(place).type) else f'{source}::varchar as "{name}"'
