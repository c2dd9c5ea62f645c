"""What sqlfluff's own Jinja puts in place of dbt's `graph`."""

nodes = {"model.dearly.segment_flags": {"columns": {}}}
