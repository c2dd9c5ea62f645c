"""The shop's ten shelves: brands, wares, packs, prices, refill cycles and return rates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A shelf. `cycle_days` is the typical days until it is bought again (0: it is not used up)."""

    name: str
    brands: tuple[str, ...]
    things: tuple[str, ...]
    kinds: tuple[str, ...]
    options: tuple[str, ...]
    option_name: str
    base_price: float
    cycle_days: float
    refund_rate: float
    vat_percent: int
    vegan_share: float


FOOD = ("250 g", "500 g", "1 kg")
SIZES = ("XS", "S", "M", "L", "XL")
CATEGORIES: tuple[Category, ...] = (
    Category(
        "Coffee",
        ("Röstwerk", "Kiez Kaffee", "Montaña", "Finca Alta"),
        ("Espresso", "Filterkaffee", "Crema", "Cold Brew", "Decaf"),
        ("Yirgacheffe", "Santos", "Huila", "Sidamo", "Hausmischung", "Antigua", "Bio"),
        FOOD,
        "Weight",
        11.9,
        32,
        0.01,
        7,
        1.0,
    ),
    Category(
        "Tea",
        ("Teehaus Nord", "Maison Thé", "Leaf & Co"),
        ("Grüntee", "Earl Grey", "Rooibos", "Chai", "Kräutertee"),
        ("Sencha", "Bio", "Vanille", "Abendruhe", "Première"),
        ("100 g", "250 g"),
        "Weight",
        8.5,
        45,
        0.01,
        7,
        1.0,
    ),
    Category(
        "Sweets",
        ("Zuckerbär", "Chocolatier Noël", "Naschwerk"),
        ("Schokolade", "Nougat", "Pralinen", "Marzipan", "Cookies"),
        ("70 % Kakao", "Haselnuss", "Meersalz", "Himbeer", "Vegan"),
        ("100 g", "300 g"),
        "Weight",
        6.9,
        0,
        0.01,
        7,
        0.4,
    ),
    Category(
        "Pet Food",
        ("Pfote", "Wilder Wolf", "Mieze"),
        ("Trockenfutter", "Nassfutter", "Kausnacks", "Welpenfutter"),
        ("Huhn & Reis", "Lachs", "Rind", "Insekten", "Getreidefrei"),
        ("1 kg", "5 kg", "12 kg"),
        "Weight",
        17.9,
        35,
        0.02,
        7,
        0.0,
    ),
    Category(
        "Skin Care",
        ("Aurélie", "Nordlicht", "Purité", "Honeybee"),
        ("Tagescreme", "Serum", "Reinigungsgel", "Handcreme", "Sonnenschutz"),
        ("Hyaluron", "Aloe", "Ringelblume", "Sensitive", "LSF 30"),
        ("30 ml", "50 ml"),
        "Volume",
        19.9,
        42,
        0.03,
        19,
        0.6,
    ),
    Category(
        "Kitchen",
        ("Kupferkessel", "Stahl & Sohn", "La Cuisine"),
        ("Handmühle", "French Press", "Pfanne", "Wasserkocher", "Küchenmesser"),
        ("Classic", "Pro", "Emaille", "Nussholz", "Mini"),
        ("One size",),
        "Size",
        44.0,
        0,
        0.05,
        19,
        0.0,
    ),
    Category(
        "Home Textiles",
        ("Leinenhaus", "Schlafgut", "Atelier Lin"),
        ("Bettwäsche", "Kissenhülle", "Wolldecke", "Badetuch", "Tischläufer"),
        ("Leinen", "Waffelpiqué", "Merino", "Streifen", "Natur"),
        ("S", "L"),
        "Size",
        39.0,
        0,
        0.07,
        19,
        0.5,
    ),
    Category(
        "Clothing",
        ("Fjällmo", "Atelier Lin", "Werktag", "Plus Belle"),
        ("T-Shirt", "Hemd", "Strickjacke", "Regenjacke", "Hose", "Kleid"),
        ("Bio-Baumwolle", "Leinen", "Merino", "Gestreift", "Oversize"),
        SIZES,
        "Size",
        49.0,
        0,
        0.15,
        19,
        0.5,
    ),
    Category(
        "Outdoor",
        ("Fjällmo", "Bergzeit", "Grand Air"),
        ("Rucksack", "Trinkflasche", "Stirnlampe", "Zelt", "Isomatte"),
        ("Ultralight", "20 L", "Trail", "Gipfel", "Kids"),
        ("One size",),
        "Size",
        59.0,
        0,
        0.06,
        19,
        0.3,
    ),
    Category(
        "Stationery",
        ("Papierlust", "Tinte & Co", "Carnet"),
        ("Notizbuch", "Füller", "Kalender", "Briefpapier", "Tusche"),
        ("A5", "Leder", "Liniert", "Botanik", "Nachtblau"),
        ("One size",),
        "Size",
        16.0,
        0,
        0.03,
        19,
        0.8,
    ),
)
BANDS = ("budget", "core", "premium")
