"""What is said: chains of lines, of which the first that fits the customer is taken.

A line fits when its `when` holds, every merge field in it is known, and, for subject and preheader, its length is right. The last line
of a chain needs nothing, so there is always something to say; an empty last line says nothing on purpose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from dagster_project.campaigns.escaping import readable

FIELDS = (
    "first_name", "city", "region", "country_name", "tier_name", "favourite_category", "product_title", "product_category", "product_count",
    "cart_title", "cart_count", "cart_total", "offer_code", "offer_percent", "offer_until", "brand_name",
)  # fmt: skip
ALWAYS_KNOWN = frozenset({"brand_name"})
CONDITIONS = frozenset(
    {"language", "permission", "product_reason", "country", "region", "city", "membership_tier", "favourite_category", *FIELDS}
)
LENGTHS = {"subject": (1, 60), "preheader": (40, 110)}

_FIELD = re.compile(r"\{\{ ?(\w+) ?\}\}")


class Line(BaseModel):
    """One way of saying it. `when`: merge field → the value, or the values, one of which it must have; "*" asks only that it is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    say: str
    when: dict[str, str | list[str]] = {}

    @field_validator("say")
    @classmethod
    def _only_merge_fields(cls, say: str) -> str:
        unknown = [name for name in _FIELD.findall(say) if name not in FIELDS]
        if unknown:
            raise ValueError(f"the merge field {{{{ {unknown[0]} }}}} is not known, use one of {', '.join(FIELDS)}")
        if re.search(r"\{\{|\}\}|\{%|%\}|\[\[|\]\]|[\r\n]", _FIELD.sub("", say)):
            raise ValueError("a line may hold text and merge fields like {{ first_name }}, nothing else")
        return say

    @field_validator("when")
    @classmethod
    def _known_conditions(cls, when: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(when) - CONDITIONS)
        if unknown:
            raise ValueError(f"the condition {unknown[0]} is not known, use one of {', '.join(sorted(CONDITIONS))}")
        return when

    @property
    def fields(self) -> list[str]:
        return _FIELD.findall(self.say)


def _as_chain(value: object) -> object:
    lines = value if isinstance(value, list | tuple) else [value]
    return tuple({"say": line} if isinstance(line, str) else line for line in lines)


class Chain(BaseModel):
    """A text or a list of lines, most particular first; the last line needs nothing."""

    model_config = ConfigDict(frozen=True)

    lines: tuple[Line, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ends_with_a_line_for_everybody(self) -> "Chain":
        last = self.lines[-1]
        if last.when or set(last.fields) - ALWAYS_KNOWN:
            raise ValueError(
                f"the last line ({last.say!r}) must fit everybody: add one without merge fields and conditions, or an empty one"
            )
        return self


def _wrapped(value: object) -> object:
    return value if isinstance(value, Chain) else {"lines": _as_chain(value)}


Words = dict[str, Annotated[Chain, BeforeValidator(_wrapped)]]
WordsByLanguage = dict[str, Words]


@dataclass(frozen=True)
class _Compiled:
    conditions: tuple[tuple[str, frozenset[str]], ...]
    fields: tuple[str, ...]
    text: str  # with %(field)s


def compile_chain(chain: Chain) -> tuple[_Compiled, ...]:
    """The chain in the form that `choose` reads fast."""
    return tuple(
        _Compiled(
            conditions=tuple(
                (name, frozenset(v.lower() for v in ([values] if isinstance(values, str) else values)))
                for name, values in line.when.items()
            ),
            fields=tuple(line.fields),
            text=_FIELD.sub(r"%(\1)s", line.say.replace("%", "%%")),
        )
        for line in chain.lines
    )


def choose(chain: Sequence[_Compiled], merge: Mapping[str, Any], shortest: int = 0, longest: int = 100_000) -> str | None:
    """The first line that fits, with its fields filled in: text, never a template. None where the chain ends in an empty line."""
    for line in chain:
        if any(merge.get(field) is None for field in line.fields):
            continue
        if any(not _holds(merge.get(name), values) for name, values in line.conditions):
            continue
        text = line.text % merge
        if line is chain[-1] or shortest <= len(readable(text)) <= longest:
            return text or None
    return None


def _holds(value: Any, allowed: frozenset[str]) -> bool:
    return value is not None and ("*" in allowed or readable(str(value)).lower() in allowed)
