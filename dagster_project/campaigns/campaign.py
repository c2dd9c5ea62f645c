"""templates/campaigns/<slug>/campaign.yaml: a campaign is a folder, and this is what it says.

Consent, suppression and the global holdout are no options: they always apply, whatever a campaign says.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dagster_project.campaigns.brand import LineOfText, Sender
from dagster_project.campaigns.words import Words, WordsByLanguage
from dagster_project.failures import Mistake
from dagster_project.located_yaml import load
from dagster_project.settings import TEMPLATES
from dagster_project.shop import Shop

# The link to unsubscribe as each tool writes it in an href. Rendered mails hold the generic one; `content.for_destination` swaps it.
UNSUBSCRIBE_TAGS = {
    "generic": "{{unsubscribe_url}}",
    "klaviyo": "{% unsubscribe_link %}",
    "mailchimp": "*|UNSUB|*",
    "sendgrid": "{{{unsubscribe}}}",
    "braze": "{{${set_user_to_unsubscribed_url}}}",
    "hubspot": "{{ unsubscribe_link }}",
    "salesforce": "%%unsub_center_url%%",
    "activecampaign": "%UNSUBSCRIBELINK%",
    "listmonk": "{{ UnsubscribeURL }}",
}

Slug = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,49}$")]
Strategy = Literal["for_you", "new_for_you", "similar_to", "similar_to_cart", "goes_with", "bought_again", "trending"]
Block = Annotated[str, Field(pattern="^[a-z][a-z_]*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Utm(Strict):
    source: Slug
    medium: Slug
    campaign: Slug


class Discount(Strict):
    """One code per customer, in a file for the shop: prefix and a part of their own."""

    code_prefix: str = Field(pattern="^[A-Z0-9]{2,12}$")
    percent: int = Field(ge=1, le=90)
    valid_days: int = Field(ge=1, le=365)


class MailCap(Strict):
    """At most so many mails of this campaign to one customer in so many days; the shop's own cap holds too."""

    mails: int = Field(ge=1)
    days: int = Field(ge=1)


class Variant(Strict):
    """One arm of a test: its share of those who are sent to, and what differs."""

    name: Slug
    share: float = Field(gt=0, le=1)
    blocks: tuple[Block, ...] | None = None
    words: WordsByLanguage = {}


class Step(Strict):
    """One mail of the campaign: `after_hours` counts from the trigger, or from entry into the audience."""

    name: Slug
    after_hours: int = Field(ge=0, le=24 * 366)
    blocks: tuple[Block, ...] | None = None
    link: Literal["home", "new", "cart", "category"] | None = None
    recommend: Strategy | None = None
    words: WordsByLanguage = {}
    variants: dict[str, WordsByLanguage] = Field({}, description="variant → what it says otherwise in this step")


class Campaign(Strict):
    """A campaign as its folder states it."""

    slug: Slug
    name: LineOfText
    description: LineOfText
    purpose: Literal["marketing_email"]
    audience: Slug | None = Field(None, description="the segment it is for")
    trigger: Literal["cart_abandoned"] | None = Field(None, description="the event that starts it")
    priority: int = Field(ge=0, le=100, description="the higher wins when a customer could get several")
    sender: Sender | None = Field(None, description="From and Reply-To, where they are not the shop's (brand.yaml)")
    holdout: float = Field(gt=0, le=0.5, description="share of the audience that gets nothing, to measure against")
    languages: tuple[str, ...] = Field(min_length=1, description="the first is for customers of any other language")
    destinations: tuple[Slug, ...] = Field(("generic",), min_length=1)
    unsubscribe_tag: dict[Slug, LineOfText] = Field({}, description="destination → its tag, where it is not the usual one")
    cost_per_mail: Decimal = Field(ge=0)
    discount: Discount | None = None
    expires_after_hours: int = Field(24, ge=1)
    again_after_days: int = Field(90, ge=1, description="a customer may begin the campaign again after so many days")
    cap: MailCap | None = None
    utm: Utm
    link: Literal["home", "new", "cart", "category"] = Field("home", description="where the button leads")
    recommend: Strategy = Field("for_you", description="the recommendations that the products block shows")
    blocks: tuple[Block, ...] = Field(min_length=1)
    variants: tuple[Variant, ...] = Field(min_length=1)
    words: WordsByLanguage = {}
    steps: tuple[Step, ...] = Field(min_length=1)
    folder: Path

    @model_validator(mode="after")
    def _makes_sense(self) -> "Campaign":
        if self.slug != self.folder.name:
            raise ValueError(f"slug must be the folder's name, {self.folder.name}")
        if not self.audience and not self.trigger:
            raise ValueError("say who it is for: audience (a segment), trigger (an event), or both")
        if abs(sum(variant.share for variant in self.variants) - 1) > 1e-9:
            raise ValueError("the variants' shares must add up to 1")
        for kind, names in (("variant", [v.name for v in self.variants]), ("step", [s.name for s in self.steps])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind}s have the same name")
        hours = [step.after_hours for step in self.steps]
        if hours != sorted(set(hours)):
            raise ValueError("each step must come later than the one before it (after_hours)")
        for step in self.steps:
            unknown = set(step.variants) - {variant.name for variant in self.variants}
            if unknown:
                raise ValueError(f"step {step.name} names a variant that does not exist: {min(unknown)}")
            for variant in self.variants:
                blocks = self.blocks_of(step.name, variant.name)
                if "footer" not in blocks:
                    raise ValueError(f"step {step.name} has no footer block; address and unsubscribe link must be in every mail")
                if "offer" in blocks and self.discount is None:
                    raise ValueError(f"step {step.name} shows an offer, so the campaign needs a discount")
        return self

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def variant(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)

    def strategy_of(self, step: str) -> str:
        """The recommendations a step shows."""
        return self.step(step).recommend or self.recommend

    def blocks_of(self, step: str, variant: str) -> tuple[str, ...]:
        """The blocks of a mail, top to bottom: the variant's, else the step's, else the campaign's."""
        return self.variant(variant).blocks or self.step(step).blocks or self.blocks

    def words_of(self, step: str, variant: str, language: str) -> Words:
        """What a mail says in a language: campaign, then step, then variant, then the step's variant; the later wins."""
        at, arm = self.step(step), self.variant(variant)
        layers = (self.words, at.words, arm.words, at.variants.get(variant, {}))
        return {key: chain for layer in layers for key, chain in layer.get(language, {}).items()}

    def language_for(self, language: str | None) -> str:
        """The campaign's language for a customer's (`de-AT` → `de`), else the campaign's first."""
        code = (language or "").replace("_", "-").split("-")[0].lower()
        return code if code in self.languages else self.languages[0]


def load_campaigns(folder: Path) -> list[Campaign]:
    """Every campaign of a templates/campaigns folder, by slug.

    Raises:
        Mistake: all mistakes of all campaigns, a sentence each with file, line and what to do.
    """
    campaigns: list[Campaign] = []
    mistakes: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            try:
                campaigns.append(load(Campaign, path / "campaign.yaml", folder=path))
            except Mistake as error:
                mistakes.append(str(error))
    if mistakes:
        raise Mistake("\n".join(mistakes))
    return campaigns


def campaigns_of(shop: Shop) -> list[Campaign]:
    """The campaigns that this shop runs: all, or those its shop.yaml names.

    Raises:
        Mistake: it names one that there is not.
    """
    there = {campaign.slug: campaign for campaign in load_campaigns(TEMPLATES / "campaigns")}
    unknown = [slug for slug in shop.campaigns or [] if slug not in there]
    if unknown:
        raise Mistake(f"{shop.folder / 'shop.yaml'}: campaigns: there is no {', '.join(unknown)}; there are {', '.join(there)}.")
    return [campaign for slug, campaign in there.items() if shop.campaigns is None or slug in shop.campaigns]
