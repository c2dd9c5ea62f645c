"""The house is as the map says: names, grain, columns, bans, and everything that should run does."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest
import sqlglot
import yaml

from dagster_project.checks import generated_files
from dagster_project.faults import ERASURE_POINTS, POINTS
from dagster_project.handbook import MADE, PARTS, pages
from dagster_project.settings import REPOSITORY, Settings, load
from dagster_project.shop import load_shop
from dagster_project.sources.contract import all_systems
from dagster_project.stages import STAGES

MODELS = REPOSITORY / "dbt" / "models"


# Models that others build on: past staging, and no step on the way to one.
PUBLIC = [path for path in sorted(MODELS.rglob("*.sql")) if "staging" not in path.parts and not path.name.startswith("int_")]
DESCRIBED = {model["name"]: model for path in MODELS.glob("*/_*__models.yml") for model in yaml.safe_load(path.read_text())["models"]}


@pytest.mark.parametrize("path", sorted(MODELS.rglob("*.sql")), ids=lambda path: path.stem)
def test_every_model_says_its_grain_in_its_first_line(path: Path) -> None:
    assert re.match(r"-- One row", path.read_text().splitlines()[0]), f"{path.name} begins with '-- One row per <grain>.'"


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.stem)
def test_every_public_model_is_described_and_its_description_ends_with_its_grain(path: Path) -> None:
    model = DESCRIBED[path.stem]
    assert " ".join(model["description"].split()).endswith(path.read_text().splitlines()[0].removeprefix("-- "))
    assert [column["name"] for column in model["columns"] if not column.get("description")] == []


@pytest.mark.whole
@pytest.mark.xdist_group("ten days")
@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.stem)
def test_the_columns_described_are_those_of_the_table(path: Path, backfilled: Settings, rows: Callable[..., list[tuple[str, ...]]]) -> None:
    held = rows(backfilled, "select column_name from information_schema.columns where table_name = ?", path.stem)
    assert {column["name"] for column in DESCRIBED[path.stem]["columns"]} == {name for (name,) in held}


def test_every_asset_says_of_itself_what_it_is() -> None:
    """Tables that are made together do not say the same, and none is described by what its function does or by its name alone."""
    from dagster_project.definitions import build_definitions

    specs = build_definitions(load()).resolve_all_asset_specs()
    said = {spec.key.to_user_string(): (spec.description or "").partition("\n")[0] for spec in specs}
    assert [name for name, description in said.items() if not description or description.startswith("dbt model")] == []
    of_stage = [(name.split("/")[0], description) for name, description in said.items() if not name.startswith("staging/")]
    assert [twice for twice, times in Counter(of_stage).items() if times > 1] == []


def test_stages_have_one_word_everywhere() -> None:
    folders = {path.name for path in MODELS.iterdir() if path.is_dir()}
    assert folders <= set(STAGES)
    configured = yaml.safe_load((REPOSITORY / "dbt" / "dbt_project.yml").read_text())["models"]["dearly"]
    assert all(settings["+schema"] == stage for stage, settings in configured.items())
    packages = {path.name for path in (REPOSITORY / "dagster_project").iterdir() if path.is_dir() and (path / "assets.py").exists()}
    assert packages - {"transform", "delivery"} <= set(STAGES)


def test_every_staging_folder_has_a_source_system_and_its_entities_are_listed() -> None:
    assert {path.name for path in (MODELS / "staging").iterdir() if path.is_dir()} <= set(all_systems())
    listed = yaml.safe_load((REPOSITORY / "dbt" / "dbt_project.yml").read_text())["vars"]
    asked = set(re.findall(r"all_sources\('(\w+)'", "".join(path.read_text() for path in MODELS.rglob("*.sql"))))
    written = {path.stem.split("__")[1] for path in MODELS.glob("staging/*/stg_*__*.sql")}
    assert len(asked) > 10 and asked <= set(listed)
    for entity, systems in listed.items():
        if entity in asked | written and isinstance(systems, list):
            models = {path.stem.split("__")[0].removeprefix("stg_") for path in MODELS.glob(f"staging/*/stg_*__{entity}.sql")}
            assert set(systems) == models, f"vars: {entity} in dbt_project.yml"


def test_files_made_from_others_say_what_those_say() -> None:
    for path, content in generated_files().items():
        assert path.read_text() == content, f"{path}: `dearly check --write`"


def test_every_made_part_of_the_docs_stands_in_a_page_and_one_that_is_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [part for text in pages().values() for _, part, _ in MADE.findall(text)]
    assert sorted(made) == sorted(PARTS)
    monkeypatch.setitem(PARTS, "segments", lambda: "| another |\n")
    behind = [path.name for path, text in pages().items() if text != path.read_text()]
    assert behind == ["segments.md"]


def test_pure_modules_import_no_dagster(tmp_path: Path) -> None:
    """ruff enforces it; here its own control: the ban is red on a pure module that imports Dagster."""
    module = tmp_path / "ml" / "churn.py"
    module.parent.mkdir()
    module.write_text("import dagster\n\nprint(dagster)\n")
    command = [sys.executable, "-m", "ruff", "check", "--config", str(REPOSITORY / "pyproject.toml"), "--select", "TID251", str(module)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "TID251" in result.stdout


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count: they hide a circle, they do not open it. A circle is raised, named module by module."""
    files = {}
    for path in [*(REPOSITORY / "dagster_project").rglob("*.py"), *(REPOSITORY / "ml").rglob("*.py")]:
        files[".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")] = path
    imports: dict[str, set[str]] = {}
    for module, path in files.items():
        nodes = list(ast.walk(ast.parse(path.read_text())))
        named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                # What is imported from a package is a module of it, or a name of its own.
                named |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in files else node.module for alias in node.names}
        imports[module] = named & set(files) - {module}
    assert imports["dagster_project.runs"] >= {"dagster_project.definitions", "dagster_project.sources.extracts"}
    TopologicalSorter(imports).prepare()


def test_no_module_reads_the_wall_clock() -> None:
    clock = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|Timestamp\.now\(|time\.time\(")
    guilty = [
        path
        for folder in ("dagster_project", "ml", "simulator")
        for path in (REPOSITORY / folder).rglob("*.py")
        if clock.search(path.read_text())
    ]
    # Who pulls must know the time; everything after it goes by what the pull was stamped with.
    assert guilty == [REPOSITORY / "dagster_project" / "sources" / "pulling.py"]
    sql = re.compile(r"\b(now\(\)|current_timestamp|current_date|today\(\))", re.IGNORECASE)
    assert [path for path in (REPOSITORY / "dbt").rglob("*.sql") if sql.search(path.read_text())] == []


def test_one_module_reads_the_environment() -> None:
    reading = re.compile(r"os\.getenv|os\.environ\.get|os\.environ\[[^\]]+\](?! = )")
    guilty = [
        path for folder in ("dagster_project", "ml") for path in (REPOSITORY / folder).rglob("*.py") if reading.search(path.read_text())
    ]
    assert guilty == [REPOSITORY / "dagster_project" / "settings.py"]


def test_a_run_goes_by_the_settings_it_is_given_whatever_the_environment_says(bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_project.resources import Store

    monkeypatch.setenv("DEARLY_HOME", "/elsewhere")
    monkeypatch.setenv("DEARLY_ENV", "production")
    store = Store.of(bare)
    store.open()
    assert store.settings == bare


def test_the_code_location_loads_in_an_empty_home(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    environment = {**os.environ, "DEARLY_HOME": str(tmp_path), "DEARLY_SHOP": "small", "HOME": str(tmp_path)}
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def test_the_lineage_has_nine_groups_also_with_systems_that_a_shop_has_not(tmp_path: Path) -> None:
    from dagster_project.definitions import build_definitions

    settings = load({"DEARLY_HOME": str(tmp_path)}, shop="small")
    assert "mailchimp" not in load_shop(settings.shop_folder).sources, "or this shows nothing"
    graph = build_definitions(settings).resolve_asset_graph()
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == set(STAGES)


@pytest.mark.whole
@pytest.mark.xdist_group("ten days")
def test_compiled_models_transpile_to_spark(backfilled: Settings) -> None:
    compiled = sorted((backfilled.store / "dbt").glob("*/compiled/dearly/models/**/*.sql"))
    assert len(compiled) > 20
    for path in compiled:
        (statement,) = sqlglot.transpile(path.read_text(), read="duckdb", write="spark")
        assert statement, path.name


@pytest.mark.whole
@pytest.mark.xdist_group("ten days")
def test_every_dbt_test_ran_as_a_check(backfilled: Settings) -> None:
    from dagster_project.definitions import build_definitions
    from dagster_project.runs import instance_of
    from dagster_project.transform.dbt_build import parse

    tests = [name for name in parse().nodes["nodes"] if name.startswith("test.")]
    graph = build_definitions(backfilled).resolve_asset_graph()
    with instance_of(backfilled) as instance:
        keys = list(graph.asset_check_keys)
        ran = [key for key in keys if instance.event_log_storage.get_asset_check_execution_history(key, limit=1)]
    assert tests
    assert len(keys) >= len(tests), "each dbt test is a check"
    assert set(keys) == set(ran)


@pytest.mark.whole
@pytest.mark.xdist_group("ten days")
def test_the_row_count_of_a_day_is_that_days(backfilled: Settings, rows) -> None:
    """A run of ten days says of the newest one how many rows it has, and beside it how many all have."""
    from dagster_project.runs import instance_of

    with instance_of(backfilled) as instance:
        for name, beside in (("scores.customer_scores", "rows of the run's days"), ("campaigns.campaign_decisions", "rows of all days")):
            event = instance.get_latest_materialization_event(dg.AssetKey(name.split(".")))
            assert event is not None and event.asset_materialization is not None
            told = event.asset_materialization.metadata
            ((of_day, all_days),) = rows(backfilled, f"select count_if(as_of = (select max(as_of) from {name})), count(*) from {name}")
            assert 0 < of_day < all_days
            assert (told["dagster/row_count"].value, told[beside].value) == (of_day, all_days)


@pytest.mark.whole
@pytest.mark.xdist_group("ten days")
def test_no_address_is_in_dagsters_log_or_in_dbts(backfilled: Settings) -> None:
    """Logs, metadata and check results hold counts and row numbers. The control: the warehouse, where addresses may be, has them."""
    address = b"kunde02"
    assert address in backfilled.warehouse.read_bytes()
    for folder in (backfilled.dagster_home, backfilled.store / "dbt"):
        for path in folder.rglob("*"):
            if path.is_file():
                assert address not in path.read_bytes(), path


def test_fault_points_are_all_used() -> None:
    code = "".join(path.read_text() for path in (REPOSITORY / "dagster_project").rglob("*.py") if path.name != "faults.py")
    every = {*POINTS, *ERASURE_POINTS}
    assert {name for name in every if f'fault_point("{name}")' in code} == every


def test_features_come_after_identity_for_which_past_days_are_learned_from_follows_from_the_orders(tmp_path: Path) -> None:
    """Built with the staging of products, before any order is staged, the shelves had no past day, and no category model was ever trained."""
    from dagster_project.definitions import build_definitions

    graph = build_definitions(load({"DEARLY_HOME": str(tmp_path)}, "demo")).resolve_asset_graph()
    features = [key for key in graph.materializable_asset_keys if key.path[0] == "features"]
    assert dg.AssetKey(["features", "int_product_shelves"]) in features
    for key in features:
        assert dg.AssetKey(["identity", "customer_links"]) in graph.get_ancestor_asset_keys(key), key


@pytest.mark.parametrize(
    ("loaded", "waits"),
    [
        ("dagster_project.cli, dagster_project.demo, dagster_project.failures", {"dagster", "dbt"}),
        ("dagster_project.checks", {"dagster", "dbt"}),
        # Of a run: what brought models, APIs, contracts and matching need, and other runs do not.
        ("dagster_project.definitions", {"skops", "dlt", "great_expectations", "splink"}),
    ],
)
def test_what_takes_long_to_load_waits_until_it_is_needed(loaded: str, waits: set[str]) -> None:
    asked = f"import sys, {loaded}; print({waits!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
