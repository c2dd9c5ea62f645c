"""An extract that lies where no table is would never be read: it is named, by the run and by `dearly check`."""

import shutil
from pathlib import Path

import pytest

from dagster_project.checks import findings
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.sources.contract import load_system
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.extracts import find_extracts


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(SHOPS / "small", tmp_path / "small")
    return load({"DEARLY_HOME": str(tmp_path / "home")}, shop=str(tmp_path / "small"))


def test_a_file_outside_its_tables_folder_is_named(settings: Settings) -> None:
    folder = settings.shop_folder / "extracts" / "hubspot"
    stray = folder / "contacts_20260311T050000Z.csv"
    shutil.copy(folder / "contacts" / stray.name, stray)
    with pytest.raises(UnreadableExtract, match=r"in no table's folder, so nobody would read it; move it to .*/hubspot/contacts"):
        find_extracts(folder, load_system("hubspot"))
    assert next(one for one in findings(settings) if "move it to" in one).startswith(str(stray))


def test_a_folder_of_another_name_than_the_table_is_named(settings: Settings) -> None:
    folder = settings.shop_folder / "extracts" / "hubspot"
    (folder / "contacts").rename(folder / "people")
    assert f"{folder}: no extract of hubspot is here; one lies in {folder / 'contacts'} or another table's folder." in findings(settings)


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("path: extracts/hubspot", "path: extracts/hubspott", "sources: hubspot: there is no folder"),
        ("zone: Europe/Berlin", "zone: Europe/Berln", "there is no time zone Europe/Berln; did you mean Europe/Berlin?"),
        ("name: ", "holdout: 5\nname: ", "holdout"),
    ],
)
def test_what_a_shop_says_and_cannot_be_is_found_before_the_night(settings: Settings, right: str, wrong: str, finding: str) -> None:
    path = settings.shop_folder / "shop.yaml"
    said = path.read_text()
    assert right in said
    assert findings(settings) == []
    path.write_text(said.replace(right, wrong, 1))
    (found,) = findings(settings)
    assert finding in found
    assert str(path) in found
