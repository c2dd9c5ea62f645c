"""shops/<shop>/brand.yaml: how a shop looks, where its pages are, and how it signs."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dagster_project.located_yaml import load

Colour = Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$")]
Address = Annotated[str, Field(pattern=r"^[^@\s<>\"']+@[a-z0-9.-]+\.[a-z]{2,}$")]
LineOfText = Annotated[str, Field(pattern=r"^[^\r\n]+$")]
Https = Annotated[str, Field(pattern=r"^https://[a-z0-9.-]+/\S*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Palette(Strict):
    """One scheme: page behind, surface of a block, tint of a band, ink and muted text, lines, the accent and the text on it."""

    page: Colour
    surface: Colour
    tint: Colour
    ink: Colour
    muted: Colour
    line: Colour
    accent: Colour
    on_accent: Colour


class Colours(Strict):
    light: Palette
    dark: Palette


class Fonts(Strict):
    """Font stacks of what readers have; nothing is loaded."""

    title: str
    text: str


class Urls(Strict):
    """The shop's own pages; `category` holds {category}, `images` is what relative picture addresses start from."""

    home: Https
    new: Https
    cart: Https
    category: Https
    preferences: Https
    images: Https


class Place(Strict):
    name: str
    url: Https


class Sender(Strict):
    """From and Reply-To."""

    name: LineOfText
    email: Address
    reply_to: Address


class Brand(Strict):
    """How a shop looks and signs."""

    name: str = Field(min_length=1, max_length=60)
    logo_text: str = Field(min_length=1, max_length=30)
    tagline: dict[str, str]
    fonts: Fonts
    colours: Colours
    urls: Urls
    hosts: tuple[str, ...] = Field(min_length=1, description="hosts that links and pictures may lead to, with everything below them")
    address: tuple[str, ...] = Field(min_length=2, description="postal address, a line each; the law wants it in every mail")
    sender: Sender = Field(description="From and Reply-To of its mails; a campaign may have its own")
    social: tuple[Place, ...] = ()
    categories: dict[str, dict[str, str]] = Field({}, description="category as the catalogue writes it, lower case → its name by language")


def load_brand(shop_folder: Path) -> Brand:
    """Read and check a shop's brand.yaml.

    Raises:
        Mistake: a sentence per mistake, with file and line.
    """
    return load(Brand, shop_folder / "brand.yaml")
