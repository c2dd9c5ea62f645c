"""Which models have no news, told before dbt is called: one statement asks of all of them what dbt takes 20 to 30 ms each to find out.

dbt writes down what it runs. The main statement of a kept table is the question what differs from its last build (`dbt/macros/kept_inputs.sql`), and that
stays the same as long as the project does: a target folder is of one version of it. A view, as a kept table, bears the hash of its SQL
(`dbt/macros/views.sql`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.warehouse import Warehouse


def without_news(warehouse: Warehouse, target: Path, nodes: Mapping[str, Any], models: set[str]) -> set[str]:
    """Those of `models` (dbt's ids) that a build of these would leave as they are: views of the same SQL, and kept tables of which nothing they read
    has changed, nor will by this build. Whatever cannot be asked has news, and dbt says why."""
    questions = {name: question for name in models for question in questions_of(nodes[name], target)}
    asked = [f"select '{name}' where exists ({question})" for name, question in questions.items()]
    # A table that is gone, or a view that no longer fits what it reads, is found here.
    asked += [f"select '' from {nodes[name]['schema']}.{nodes[name]['alias']} where false" for name in questions]
    try:
        unchanged = set(questions).difference(*warehouse.rows(" union all ".join(asked)) if asked else [])
    except duckdb.Error:
        return set()

    @cache
    def may_change(name: str) -> bool:
        return name in nodes and (name in models - unchanged or any(map(may_change, nodes[name]["depends_on"]["nodes"])))

    return {name for name in unchanged if nodes[name]["config"]["materialized"] == "view" or not may_change(name)}


def is_kept(node: Mapping[str, Any]) -> bool:
    return bool(node["config"]["materialized"] == "kept")


def questions_of(node: Mapping[str, Any], target: Path) -> Iterator[str]:
    """The SQL that gives rows where a model has news; none for a model that always has, or that dbt has not run since the project changed."""
    path = Path(node["package_name"]) / node["original_file_path"]
    if is_kept(node) and (target / "run" / path).exists():
        yield (target / "run" / path).read_text()
    elif node["config"]["materialized"] == "view" and (target / "compiled" / path).exists():
        made_of = hashlib.md5((target / "compiled" / path).read_bytes(), usedforsecurity=False).hexdigest()
        there = f"from duckdb_views() where schema_name = '{node['schema']}' and view_name = '{node['alias']}' and comment = '{made_of}'"
        yield f"select 1 where not exists ({there})"
