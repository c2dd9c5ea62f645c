"""The event log that stays open (docs/decisions/0007): in force, and read by Dagster's own storage as if it had written it."""

from pathlib import Path

import dagster as dg
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from dagster_project.event_log import OpenEventLog
from dagster_project.runs import instance_of
from dagster_project.settings import load


@dg.asset(key=["features", "one"])
def one() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


def test_dagster_yaml_puts_the_open_log_in_force_and_dagsters_own_storage_reads_it(tmp_path: Path) -> None:
    settings = load({"DEARLY_HOME": str(tmp_path)}, "online_retail")
    settings.dagster_home.mkdir(parents=True)
    with instance_of(settings) as instance:
        assert isinstance(instance.event_log_storage, OpenEventLog)
        result = dg.materialize([one], instance=instance)
        # While the writer has its connections open, as the UI reads.
        own = DagsterSqliteStorage.from_local(str(settings.dagster_home))
        log = own.event_log_storage.get_logs_for_run(result.run_id)
        seen = [entry.dagster_event.event_type_value for entry in log if entry.dagster_event is not None]
        assert "ASSET_MATERIALIZATION" in seen
        assert seen[-1] == "PIPELINE_SUCCESS"
        assert own.event_log_storage.has_asset_key(dg.AssetKey(["features", "one"]))
        own.dispose()
