"""What readers read: a folder of Parquet files per built day, two kept, and current.json switched to the newest at once."""

import hashlib
import shutil
from pathlib import Path

import pyarrow as pa

from dagster_project.delivery.formats import to_parquet
from dagster_project.files import sync_folder, write_json, write_whole
from dagster_project.moments import Moment
from dagster_project.warehouse import Warehouse

KEPT = 2
# File → the day's rows, in a total order. Identifiers are in customers.parquet only.
TABLES = {
    "customers": """
        select customers.* exclude (as_of), addresses.addresses
        from profile.current_customers as customers
        left join (
            select as_of, customer_id, array_agg(email order by email) as addresses from profile.customer_addresses group by as_of, customer_id
        ) as addresses using (as_of, customer_id)
        where as_of = ?
        order by customer_id
    """,
    "scores": "select * exclude (as_of) from scores.customer_scores where as_of = ? order by customer_id",
    "recommendations": """
        select * exclude (as_of) from scores.customer_recommendations where as_of = ? order by customer_id, strategy, rank
    """,
    "product_relations": """
        select * exclude (as_of) from scores.product_relations where as_of = ? order by product_id, relation, rank
    """,
    "product_bundles": "select * exclude (as_of) from scores.product_bundles where as_of = ? order by rank",
    "segments": "select customer_id, segment from segments.customer_segments where as_of = ? order by customer_id, segment",
    "decisions": "select * from campaigns.delivered_decisions where as_of = ? order by campaign, step, customer_id",
    "suppressions": "select customer_id, channel, reason from profile.customer_suppressions where as_of = ? order by customer_id, channel",
}


def publish(warehouse: Warehouse, folder: Path, moment: Moment) -> str:
    """Write the day's tables and make them current; return the folder's name. The same content is the same folder, and is not written twice."""
    tables = {name: warehouse.read(sql, [moment.as_of]) for name, sql in TABLES.items()}
    files = {f"{name}.parquet": to_parquet([plain(table)]) for name, table in tables.items()}
    hash8 = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for _, content in sorted(files.items()))).hexdigest()[:8]
    name = f"{moment.name}_{hash8}"
    if not (folder / name / "_SUCCESS").exists():
        for file, content in files.items():
            write_whole(folder / name / file, content, is_last=False)
        sync_folder(folder / name)
        write_whole(folder / name / "_SUCCESS", b"")
    write_json(folder / "current.json", {"folder": name, "as_of": moment.name})
    for old in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != name)[: -(KEPT - 1) or None]:
        shutil.rmtree(old)
    return name


def plain(table: pa.Table) -> pa.Table:
    """Without the engine's own schema notes, which say nothing and could differ."""
    return table.replace_schema_metadata(None)
