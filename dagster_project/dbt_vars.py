"""The variables of dbt_project.yml: words that the models and Python both read have their one home there."""

from functools import cache
from typing import Any

import yaml

from dagster_project.settings import DBT_PROJECT


@cache
def dbt_vars() -> dict[str, Any]:
    return yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]
