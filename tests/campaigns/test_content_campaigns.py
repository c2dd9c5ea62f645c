"""A campaign is a folder: what it may say, and what a mistake in it is answered with."""

import shutil
from pathlib import Path

import pytest
from content_samples import BRAND, CAMPAIGNS, TEMPLATES, known_customer

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS, Campaign, MailCap, load_campaigns
from dagster_project.campaigns.content import compile_template, render
from dagster_project.campaigns.merge_fields import CustomerRow
from dagster_project.campaigns.preview import picture, preview_html
from dagster_project.campaigns.words import FIELDS
from dagster_project.checks import audience_findings, cap_findings, destination_findings
from dagster_project.delivery.destinations import DESTINATIONS
from dagster_project.failures import Mistake
from dagster_project.settings import SHOPS
from dagster_project.shop import Cap, load_shop


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))


def edit(templates: Path, old: str, new: str, slug: str = "cart_recovery") -> Path:
    path = templates / "campaigns" / slug / "campaign.yaml"
    source = path.read_text(encoding="utf-8")
    assert old in source
    path.write_text(source.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_campaigns_are_for_the_people_they_name() -> None:
    assert {each.slug: each.audience or each.trigger for each in CAMPAIGNS}.items() >= {
        "win_back": "lapsing_buyers",
        "cart_recovery": "cart_abandoned",
        "new_arrivals_vip": "vip",
    }.items()
    steps = {each.slug: [step.after_hours for step in each.steps] for each in CAMPAIGNS}
    assert steps["win_back"] == [0, 72] and steps["cart_recovery"] == [0, 24, 48]
    assert all(0 < each.holdout <= 0.5 for each in CAMPAIGNS)


@pytest.mark.parametrize(
    ("old", "new", "line_of", "says"),
    [
        ("priority: 90", "priority: 900", "priority: 900", "priority"),
        ("priority: 90", "prioritty: 90", "prioritty", "did you mean `priority`?"),
        ("priority: 90", "priority: 90\npriority: 80", "priority: 80", "there twice"),
        ("priority: 90", "priority: 90\nignore_consent: true", "ignore_consent", "is no option"),
        ("holdout: 0.10", "holdout: 0", "holdout: 0", "holdout"),
        ("    after_hours: 24", "    after_hours: tomorrow", "after_hours: tomorrow", "steps.1.after_hours"),
        ("    after_hours: 24", "    after_hours: 0", "slug: ", "must come later"),
        ("share: 1.0", "share: 0.4", "slug: ", "add up to 1"),
        ("{{ first_name }}, your", "{{ frist_name }}, your", "frist_name", "{{ frist_name }} is not known"),
        ("{{ first_name }}, your", "{% if x %}, your", "{% if x", "nothing else"),
        (', "Your basket is still here"]', "]", "{{ first_name }}, your", "must fit everybody"),
        ("blocks: [header, hero, greeting, cart, call_to_action, footer]", "blocks: [header, hero]", "slug: ", "no footer block"),
        ("discount: {code_prefix: KORB, percent: 10, valid_days: 5}\n", "", "slug: ", "needs a discount"),
        (
            "priority: 90",
            'priority: 90\nsender: {name: A, email: "a@b.example\\r\\nBcc: x@y.example", reply_to: a@b.example}',
            "sender",
            "sender.email",
        ),
        ("name: Cart recovery", "name: [", "", "not valid YAML"),
    ],
)
def test_a_mistake_names_file_line_and_what_to_do(templates: Path, old: str, new: str, line_of: str, says: str) -> None:
    path = edit(templates, old, new)
    with pytest.raises(Mistake) as error:
        load_campaigns(templates / "campaigns")
    numbers = [number for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1) if line_of in text]
    assert says in str(error.value)
    assert any(f"{path}:{number}: " in str(error.value) for number in numbers)


def test_a_campaign_is_deleted_and_added_by_its_folder_alone(templates: Path) -> None:
    shutil.rmtree(templates / "campaigns" / "win_back")
    shutil.copytree(templates / "campaigns" / "new_arrivals_vip", templates / "campaigns" / "spring")
    edit(templates, "slug: new_arrivals_vip", "slug: spring", "spring")
    loaded = load_campaigns(templates / "campaigns")
    assert [each.slug for each in loaded] == ["cart_recovery", "new_arrivals_vip", "spring"]
    (rendered,) = render(compile_template(loaded[2], "preview", "a", "de", BRAND), [known_customer()]).to_pylist()
    assert rendered["subject"] == "Jürgen, neu bei Kaffee: zuerst für dich"


def test_missing_words_and_broken_templates_are_said_before_anything_is_rendered(templates: Path) -> None:
    edit(templates, "    button: Zurück zum Warenkorb", "    knopf: Zurück zum Warenkorb")
    campaign = load_campaigns(templates / "campaigns")[0]
    with pytest.raises(Mistake, match="no words for `button` in de"):
        compile_template(campaign, "reminder", "a", "de", BRAND)
    (templates / "blocks" / "hero.mjml.j2").write_text("<mj-section><mj-column></mj-section>")
    with pytest.raises(Mistake, match="does not compile"):
        compile_template(campaign, "reminder", "a", "en", BRAND)


def test_a_template_that_writes_an_empty_field_is_refused(templates: Path) -> None:
    block = templates / "blocks" / "greeting.mjml.j2"
    block.write_text(block.read_text(encoding="utf-8").replace("{{ words.greeting }}", "{{ first_name }}"), encoding="utf-8")
    compiled = compile_template(load_campaigns(templates / "campaigns")[0], "reminder", "a", "en", BRAND)
    with pytest.raises(Mistake, match="does not have"):
        render(compiled, [{"customer_id": "c1"}])


def test_a_template_cannot_reach_python(templates: Path) -> None:
    block = templates / "blocks" / "greeting.mjml.j2"
    block.write_text("<mj-section><mj-column><mj-text>{{ ''.__class__.__mro__ }}</mj-text></mj-column></mj-section>", encoding="utf-8")
    compiled = compile_template(load_campaigns(templates / "campaigns")[0], "reminder", "a", "en", BRAND)
    with pytest.raises(Mistake, match="unsafe"):
        render(compiled, [{"customer_id": "c1"}])


def test_another_wording_is_another_version(templates: Path) -> None:
    before = compile_template(load_campaigns(templates / "campaigns")[0], "reminder", "a", "en", BRAND).version
    edit(templates, "Still thinking about it?", "Still thinking?")
    after = compile_template(load_campaigns(templates / "campaigns")[0], "reminder", "a", "en", BRAND).version
    assert before != after


def test_a_brand_with_a_wrong_colour_names_the_line(tmp_path: Path) -> None:
    source = (TEMPLATES.parent / "shops" / "demo" / "brand.yaml").read_text(encoding="utf-8").replace('page: "#F6F1EA"', "page: beige")
    (tmp_path / "brand.yaml").write_text(source, encoding="utf-8")
    with pytest.raises(Mistake, match=r"brand.yaml:12: `colours.light.page`"):
        load_brand(tmp_path)


def test_a_preview_asks_no_server_and_shows_the_scheme_that_was_chosen() -> None:
    (rendered,) = render(compile_template(CAMPAIGNS[0], "similar", "a", "de", BRAND), [known_customer()]).to_pylist()
    for scheme, media in (("light", "not all"), ("dark", "@media all")):
        shown = preview_html(rendered["html"], scheme)  # type: ignore[arg-type]
        assert 'src="https:' not in shown and shown.count('src="data:image/svg+xml,') == rendered["html"].count("<img")
        assert media in shown and "prefers-color-scheme" not in shown and "{{unsubscribe_url}}" not in shown


def test_the_same_product_is_drawn_the_same_and_its_title_cannot_break_the_drawing() -> None:
    assert picture("Espresso", "coffee") == picture("Crema", "coffee") != picture("Sencha", "tea")
    assert not {'"', "<", ">"} & set(picture('"><script>', '"><x'))


def test_the_docs_name_every_merge_field_key_and_block() -> None:
    documented = (TEMPLATES.parent / "docs" / "content.md").read_text(encoding="utf-8")
    blocks = (TEMPLATES / "blocks" / "README.md").read_text(encoding="utf-8")
    assert not [
        name
        for name in (*FIELDS, *CustomerRow.__annotations__, *Campaign.model_fields)
        if name != "folder" and f"`{name}`" not in documented
    ]
    assert not [tag for tag in UNSUBSCRIBE_TAGS.values() if f"`{tag}`" not in documented]
    named = {path.name.split(".")[0] for path in (TEMPLATES / "blocks").glob("*.mjml.j2")}
    assert not [name for name in named if f"`{name}`" not in blocks]
    assert named == {path.name.split(".")[0] for path in (TEMPLATES / "text").glob("*.txt.j2")} - {"base"}


def test_a_campaign_for_a_segment_that_there_is_not_is_found_before_it_mails_nobody() -> None:
    assert audience_findings(CAMPAIGNS) == []
    misspelt = next(each for each in CAMPAIGNS if each.slug == "win_back").model_copy(update={"audience": "lapsed_buyers"})
    (finding,) = audience_findings([misspelt])
    assert "win_back/campaign.yaml" in finding and "no segment lapsed_buyers" in finding


def test_steps_that_a_cap_leaves_to_nobody_are_said_with_their_line() -> None:
    shop = load_shop(SHOPS / "demo")
    (recovery,) = [each for each in CAMPAIGNS if each.slug == "cart_recovery"]
    assert cap_findings(CAMPAIGNS, shop) == []
    path = recovery.folder / "campaign.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if text.strip() == "after_hours: 48")
    (finding,) = cap_findings([recovery], shop.model_copy(update={"cap": Cap(mails=2, days=7)}))
    assert finding.startswith(f"{path}:{line}: step code will be capped: the shop's cap is 2 mails in 7 days")
    (finding,) = cap_findings([recovery.model_copy(update={"cap": MailCap(mails=1, days=2)})], shop)
    assert "step similar will be capped: its own cap is 1 mails in 2 days" in finding
    # A day later the first mail no longer counts.
    assert cap_findings([recovery], shop.model_copy(update={"cap": Cap(mails=2, days=2)})) == []


def test_a_campaign_may_have_a_sender_of_its_own(templates: Path) -> None:
    before = load_campaigns(templates / "campaigns")[0]
    edit(
        templates,
        "priority: 90",
        "priority: 90\nsender: {name: Anna Holler, email: anna@mail.hollerbusch.example, reply_to: anna@hollerbusch.example}",
    )
    after = load_campaigns(templates / "campaigns")[0]
    assert before.sender is None
    assert after.sender is not None
    assert after.sender.name == "Anna Holler"


def test_a_campaign_for_a_tool_or_an_event_that_there_is_not_is_said(tmp_path: Path) -> None:
    away = CAMPAIGNS[0].model_copy(update={"destinations": ("generic", "klavio")})
    demo = load_shop(SHOPS / "demo")
    (said,) = destination_findings([away, *CAMPAIGNS[1:]], demo)
    assert said.endswith(f"{away.slug}/campaign.yaml: destinations: there is no klavio; there are {', '.join(DESTINATIONS)}.")
    (nowhere, *_) = destination_findings(CAMPAIGNS, demo.model_copy(update={"destinations": ("mailchimp",)}))
    assert nowhere.endswith("is one of demo (mailchimp): nobody will get it.")
    shutil.copytree(TEMPLATES / "campaigns" / "cart_recovery", tmp_path / "cart_recovery")
    path = tmp_path / "cart_recovery" / "campaign.yaml"
    path.write_text(path.read_text().replace("trigger: cart_abandoned", "trigger: cart_abandonned"))
    with pytest.raises(Mistake, match=r"campaign.yaml:\d+: `trigger`: Input should be 'cart_abandoned'"):
        load_campaigns(tmp_path)
