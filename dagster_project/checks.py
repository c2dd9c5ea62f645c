"""What `dearly check` looks at: everything a person writes by hand, before a night depends on it."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import Campaign, MailCap, Step, campaigns_of
from dagster_project.campaigns.lint import lint_all
from dagster_project.delivery.destinations import DESTINATIONS
from dagster_project.failures import Mistake
from dagster_project.handbook import SEGMENTS, described, pages, segment_rules
from dagster_project.located_yaml import line_of
from dagster_project.settings import DBT_PROJECT, TEMPLATES, Settings
from dagster_project.shop import Cap, Shop, load_shop
from dagster_project.sources.contract import SYSTEMS, all_systems, dbt_source
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.extracts import find_extracts
from dagster_project.sources.mapping import contracts_of

FEATURES = DBT_PROJECT / "models" / "features"


def generated_files() -> dict[Path, str]:
    """Files made from others, with what they should say."""
    staged = {
        DBT_PROJECT / "models" / "staging" / name / f"_{name}__sources.yml": dbt_source(system) for name, system in all_systems().items()
    }
    return staged | pages()


def segment_findings() -> list[str]:
    """Columns of segment_flags without a description, and the other way round: a segment is both."""
    model, words = SEGMENTS / "segment_flags.sql", SEGMENTS / "_segments__models.yml"
    written = segment_rules()
    told = [name for name, _ in described(words, "segment_flags")]
    found = [
        f"{model}: {name} is no segment before {words.name} describes it; the description is what a marketer reads."
        for name in written
        if name not in told
    ]
    return found + [f"{words}: {name} is described, but {model.name} has no such column." for name in told if name not in written]


def audience_findings(campaigns: Sequence[Campaign]) -> list[str]:
    """Campaigns for a segment that there is not; clusters have their names from the data, so any may come."""
    told = [name for name, _ in described(SEGMENTS / "_segments__models.yml", "segment_flags")]
    return [
        f"{TEMPLATES / 'campaigns' / one.slug / 'campaign.yaml'}: audience: there is no segment {one.audience}; docs/segments.md lists them."
        for one in campaigns
        if one.audience and one.audience not in told and not one.audience.startswith("cluster_")
    ]


def destination_findings(campaigns: Sequence[Campaign], shop: Shop) -> list[str]:
    """Campaigns for a tool that there is not, or for none that the shop has: nobody would miss their files."""
    nowhere = [
        f"{TEMPLATES / 'campaigns' / one.slug / 'campaign.yaml'}: destinations: none of {', '.join(one.destinations)} is one of "
        f"{shop.name} ({', '.join(shop.destinations)}): nobody will get it."
        for one in campaigns
        if shop.destinations and not set(one.destinations) & set(shop.destinations)
    ]
    return nowhere + [
        f"{TEMPLATES / 'campaigns' / one.slug / 'campaign.yaml'}: destinations: there is no {name}; there are {', '.join(DESTINATIONS)}."
        for one in campaigns
        for name in one.destinations
        if name not in DESTINATIONS
    ]


def cap_findings(campaigns: Sequence[Campaign], shop: Shop) -> list[str]:
    """Campaigns whose later steps come when a customer has had as many mails as a cap allows: they would be sent to nobody."""
    found = []
    for one in campaigns:
        path = TEMPLATES / "campaigns" / one.slug / "campaign.yaml"
        for whose, cap in (("the shop's cap", shop.cap), ("its own cap", one.cap)):
            late = cap and next(
                (later for first, later in zip(one.steps, one.steps[cap.mails :], strict=False) if _within(cap, first, later)), None
            )
            if cap and late:
                place = ("steps", one.steps.index(late), "after_hours")
                found.append(
                    f"{line_of(path, place)}: step {late.name} will be capped: {whose} is {cap.mails} mails in {cap.days} days, "
                    "and as many steps come before it in that time; raise the cap or space out the steps."
                )
    return found


def _within(cap: Cap | MailCap, first: Step, later: Step) -> bool:
    """Whether two steps of a journey come within the days of a cap."""
    return later.after_hours - first.after_hours < cap.days * 24


def brought_findings(settings: Settings, shop: Shop) -> list[str]:
    """Columns that a model trained elsewhere is to be given, and that the features do not have."""
    files = {"order_features": FEATURES / "_order_features__models.yml", "customer_features": FEATURES / "_features__models.yml"}
    found = []
    for name, model in shop.brought_models.items():
        table = model.features.split(".")[-1]
        known = [column for column, _ in described(files[table], table)]
        absent = sorted(set(model.columns.values()) - set(known))
        found += [
            f"{settings.shop_folder / 'shop.yaml'}: brought_models: {name}: {model.features} has no column {column}"
            + (f"; did you mean {near[0]}?" if (near := get_close_matches(column, known, 1)) else f"; {files[table]} lists them.")
            for column in absent
        ]
    return found


def write_generated() -> list[Path]:
    """Write the generated files that are missing or old; return them."""
    written = []
    for path, content in generated_files().items():
        if not path.exists() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            written.append(path)
    return written


def extract_findings(settings: Settings, shop: Shop) -> list[str]:
    """Extracts that no run would read: files outside their table's folder, or a folder that holds none of the system's tables."""
    found = []
    for name, system in (contracts_of(shop) if set(shop.sources) <= set(all_systems()) else {}).items():
        folder = shop.extracts(name, settings.store)
        try:
            # What lies in the store is made there; a shop's own files are somebody's to put there.
            if shop.sources[name].kind == "files" and not folder.is_dir() and not folder.is_relative_to(settings.store):
                found.append(f"{settings.shop_folder / 'shop.yaml'}: sources: {name}: there is no folder {folder}.")
            if shop.sources[name].kind == "files" and folder.is_dir() and not find_extracts(folder, system):
                found.append(
                    f"{folder}: no extract of {name} is here; one lies in {folder / next(iter(system.tables))} or another table's folder."
                )
        except UnreadableExtract as error:
            found.append(str(error))
    return found


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
    found += extract_findings(settings, shop)
    absent = [name for name in shop.destinations if name not in DESTINATIONS]
    if absent:
        found.append(
            f"{settings.shop_folder / 'shop.yaml'}: destinations: there is no {', '.join(absent)}; there are {', '.join(DESTINATIONS)}."
        )
    try:
        for path, content in generated_files().items():
            if not path.exists() or path.read_text() != content:
                found.append(f"{path} is not what it is made from; `dearly check --write` writes it.")
        found += segment_findings()
        found += brought_findings(settings, shop)
    except ValueError as error:
        return [*found, str(error)]
    try:
        brand = load_brand(settings.shop_folder)
        campaigns = campaigns_of(shop)
        found += audience_findings(campaigns) + destination_findings(campaigns, shop) + cap_findings(campaigns, shop)
        found += [str(finding) for finding in lint_all(TEMPLATES, campaigns, brand, [])]
    except Mistake as error:
        found += str(error).splitlines()
    return found
