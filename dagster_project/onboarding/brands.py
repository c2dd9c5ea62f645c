"""A plain brand for a shop that has stated none yet: its name, quiet colours, addresses that lead nowhere."""

BRAND = """# REVIEW everything: a plain brand, so that mails can be looked at. Colours are checked for contrast (4.5:1) by `dearly check`.
name: {name}
logo_text: {name}
tagline:
  en: Good to have you here
  de: Schön, dass Sie da sind
fonts:
  title: Georgia, 'Times New Roman', serif
  text: "'Helvetica Neue', Helvetica, Arial, sans-serif"
colours:
  light:
    page: "#F4F4F2"
    surface: "#FFFFFF"
    tint: "#E6EAEE"
    ink: "#22262B"
    muted: "#5A626C"
    line: "#DCDFE3"
    accent: "#24476B"
    on_accent: "#FFFFFF"
  dark:
    page: "#14161A"
    surface: "#1E2126"
    tint: "#2B3138"
    ink: "#F1F3F5"
    muted: "#B6BEC8"
    line: "#3D444D"
    accent: "#A9C8EA"
    on_accent: "#14263A"
urls:
  home: https://www.shop.example/
  new: https://www.shop.example/new
  cart: https://www.shop.example/cart
  category: https://www.shop.example/category/{{category}}
  preferences: https://www.shop.example/account/preferences
  images: https://www.shop.example/
# Links and pictures of any other host are not put into a mail.
hosts: [shop.example]
# From and Reply-To: a domain that your tool may send for.
sender: {{name: {name}, email: post@mail.shop.example, reply_to: hello@shop.example}}
address:
  - {name}
  - Street and number
  - Postcode and town
social: []
categories: {{}}
"""


def brand_of(shop: str) -> str:
    """The brand.yaml of a shop by its folder's name."""
    return BRAND.format(name=shop.replace("_", " ").replace("-", " ").title())
