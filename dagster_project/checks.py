"""What `dearly check` looks at: everything a person writes by hand, before a night depends on it."""

from pathlib import Path

from dagster_project.campaigns.assets import campaigns_of
from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.lint import lint_all
from dagster_project.campaigns.located_yaml import ContentError
from dagster_project.settings import DBT_PROJECT, TEMPLATES, Settings
from dagster_project.shop import load_shop
from dagster_project.sources.contract import SYSTEMS, all_systems, dbt_source


def generated_files() -> dict[Path, str]:
    """Files made from others, with what they should say."""
    return {
        DBT_PROJECT / "models" / "staging" / name / f"_{name}__sources.yml": dbt_source(system) for name, system in all_systems().items()
    }


def write_generated() -> list[Path]:
    """Write the generated files that are missing or old; return them."""
    written = []
    for path, content in generated_files().items():
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            written.append(path)
    return written


def findings(settings: Settings) -> list[str]:
    """One sentence per mistake; empty when all is in order."""
    found: list[str] = []
    try:
        shop = load_shop(settings.shop_folder)
        declared = all_systems()
    except ValueError as error:
        return [str(error)]
    unknown = [system for system in shop.sources if system not in declared]
    found += [f"{settings.shop_folder / 'shop.yaml'}: source {name} has no {SYSTEMS / name / 'source.yaml'}." for name in unknown]
    for path, content in generated_files().items():
        if not path.exists() or path.read_text() != content:
            found.append(f"{path} does not say what source.yaml says; `dearly check --write` writes it.")
    try:
        brand = load_brand(settings.shop_folder)
        found += [str(finding) for finding in lint_all(TEMPLATES, campaigns_of(shop), brand, [])]
    except ContentError as error:
        found += str(error).splitlines()
    return found
