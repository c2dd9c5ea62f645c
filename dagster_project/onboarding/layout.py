"""What a stranger's tables are: tables of a system that we know by its columns, or a shop's own tables in the parts of the `sales` system."""

from dataclasses import dataclass, field

from dagster_project.onboarding.known_tables import Known
from dagster_project.onboarding.roles import Part, Reading
from dagster_project.onboarding.samples import Sample, words_of


@dataclass
class Layout:
    """A stranger's tables: those of known systems, those that are read as the shop's own, and those that are left out, with the reason."""

    known: list[Known] = field(default_factory=list)
    own: list[Reading] = field(default_factory=list)
    left_out: list[tuple[Sample, str]] = field(default_factory=list)

    def said_by_known(self) -> list[Reading]:
        """What tables of known systems say of the shop's place in columns that are called so."""
        said = {"currency": "currency", "country": "country", "country code": "country"}
        parts = [
            (known, {said[words]: Part(header) for header in known.sample.headers if (words := words_of(header)) in said})
            for known in self.known
        ]
        return [Reading(known.sample, known.table, stated) for known, stated in parts if stated]

    def own_of(self, kind: str) -> list[Reading]:
        return [reading for reading in self.own if reading.kind == kind]


class NothingToSell(ValueError):
    """No table says who bought what and when; the message says what was looked for."""
