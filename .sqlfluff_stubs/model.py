"""What sqlfluff's own Jinja puts in place of dbt's `model`."""

config = {"meta": {}}
