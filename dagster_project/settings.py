"""The one reader of the environment (prefix DEARLY_). Everything runs with nothing set."""

import os
import resource
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DBT_PROJECT = REPOSITORY / "dbt"
TEMPLATES = REPOSITORY / "templates"
SHOPS = REPOSITORY / "shops"
# Below DEARLY_HOME: the copies of stores in which a plan is made.
PLANS = ".plan"

# Telemetry of every tool is off, whatever the machine's own settings say.
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DBT_ENGINE_HINTS_ENABLED": "false",
}


@dataclass(frozen=True)
class Settings:
    """Where a shop's files are and how the machine may be used."""

    shop_folder: Path
    home: Path
    environment: str
    threads: int
    pseudonym_key: str | None

    @property
    def shop(self) -> str:
        return self.shop_folder.name

    @property
    def named(self) -> str:
        """What to say after `--shop` for this shop."""
        return self.shop if self.shop_folder == SHOPS / self.shop else str(self.shop_folder)

    @property
    def store(self) -> Path:
        """The folder that is one shop's store."""
        return self.home / self.shop

    @property
    def warehouse(self) -> Path:
        return self.store / "warehouse.duckdb"

    @property
    def dagster_home(self) -> Path:
        return self.store / "dagster"

    @property
    def artifacts(self) -> Path:
        """The files of models that scores and links are made with."""
        return self.store / "mlartifacts"

    @property
    def tracking_uri(self) -> str:
        """MLflow's own records, whose files lie in `tracked_files`."""
        return f"sqlite:///{self.store / 'mlflow.db'}"

    @property
    def tracked_files(self) -> Path:
        return self.store / "mlflow"

    @property
    def exports(self) -> Path:
        return self.store / "exports"

    @property
    def published(self) -> Path:
        return self.store / "published"

    @property
    def report(self) -> Path:
        return self.store / "report" / "index.html"

    @property
    def delivers_outside(self) -> bool:
        return self.environment == "production"


def load(environment: Mapping[str, str] = os.environ, shop: str | None = None) -> Settings:
    """Read the settings; `shop` (a name in shops/ or a path) goes before DEARLY_SHOP.

    Raises:
        FileNotFoundError: the shop's folder has no shop.yaml.
        ValueError: a setting is not what it has to be.
    """
    threads = environment.get("DEARLY_THREADS", "2")
    if not threads.isdigit() or not int(threads):
        raise ValueError(f"DEARLY_THREADS is {threads!r}: it says on how many processor cores a run may work, as in 2.")
    name = shop or environment.get("DEARLY_SHOP", "demo")
    folder = SHOPS / name if (SHOPS / name / "shop.yaml").is_file() else Path(name).expanduser().resolve()
    if not (folder / "shop.yaml").is_file():
        known = ", ".join(sorted(path.parent.name for path in SHOPS.glob("*/shop.yaml")))
        raise FileNotFoundError(f"There is no shop {name!r}: name a folder with a shop.yaml, or one of {known}.")
    return Settings(
        shop_folder=folder,
        home=Path(environment.get("DEARLY_HOME", REPOSITORY / "data")).expanduser().resolve(),
        environment=environment.get("DEARLY_ENV", "development"),
        threads=int(threads),
        pseudonym_key=environment.get("DEARLY_PSEUDONYM_KEY"),
    )


@cache
def memory_megabytes() -> int:
    """What DuckDB may take of the memory: DEARLY_MEMORY (MB), else two fifths of what this process may have. The rest is Python's and its frames'."""
    stated = os.environ.get("DEARLY_MEMORY")
    if stated:
        return int(stated)
    # Of an address space half is taken by libraries and by what is set aside and never used.
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), resource.getrlimit(resource.RLIMIT_AS)[0] // 2]
    for path in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if path.is_file() and path.read_text().strip().isdigit():
            limits.append(int(path.read_text()))
    return max(450, int(min(limit for limit in limits if limit > 0) * 0.4) >> 20)


def variable(name: str) -> str:
    """What an environment variable that a person names holds; empty where it is not set."""
    return os.environ.get(name, "")


def secret(name: str) -> str:
    """What an environment variable named in shop.yaml holds: an address with its password, or a token. It is never printed.

    Raises:
        ValueError: it is not set.
    """
    if not variable(name):
        raise ValueError(f"The environment variable {name}, which shop.yaml names, is not set.")
    return variable(name)


def kill_at() -> str | None:
    """The point at which a test has this process killed (`faults.py`)."""
    return os.environ.get("DEARLY_KILL_AT")


def silence_telemetry() -> None:
    """Turn off what the libraries would send home; call before they are imported. Their notes on beta parameters are not for our users."""
    os.environ.update(TELEMETRY_OFF)
    warnings.filterwarnings("ignore", message=".*is currently in beta.*")
    warnings.filterwarnings("ignore", message=".*SupersessionWarning.*")
