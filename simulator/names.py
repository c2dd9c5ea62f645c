"""Names, places and streets the demo shop's people are made of. Written for this project; no person is meant."""

import unicodedata
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Culture:
    """The given names (female, male) and family names of one naming culture."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]


_FOLDS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ı": "i", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
)


def fold(text: str) -> str:
    """The text in ASCII letters as people type it into forms that refuse others: `Jürgen Groß` → `Juergen Gross`."""
    folded = unicodedata.normalize("NFKD", text.translate(_FOLDS))
    return folded.encode("ascii", "ignore").decode()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


CULTURES: dict[str, Culture] = {
    "german": Culture(
        _words(
            "Anna Lena Lea Sophie Marie Julia Laura Katharina Johanna Clara Frieda Ida Greta Mathilda Charlotte Emilia "
            "Hannah Mia Paula Theresa Franziska Susanne Petra Sabine Monika Andrea Birgit Claudia Heike Ute Ursula Renate "
            "Brigitte Gisela Jasmin Nadine Stefanie Christina Melanie Sandra Verena Miriam Käthe Jördis Sönje Bärbel "
            "Annelie Rosa Lotte Merle Svenja Antje"
        ),
        _words(
            "Lukas Jonas Leon Paul Felix Maximilian Moritz Jakob Anton Emil Oskar Theo Karl Friedrich Johannes Matthias "
            "Andreas Thomas Michael Stefan Christian Markus Jürgen Günter Jörg Klaus Wolfgang Bernd Uwe Ralf Holger "
            "Sebastian Tobias Florian Dominik Fabian Julian Niklas Tim Jan Björn Sören Torsten Hendrik Konrad Valentin "
            "Benedikt Leonhard Kaspar Götz Rüdiger Till"
        ),
        _words(
            "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein "
            "Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Lehmann "
            "Schmid Maier Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn "
            "Schubert Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster "
            "Simon Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich "
            "Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Voigt Sauer Arnold "
            "Wolff Pfeiffer Süß Nußbaum Hübner Gößwein von_Berg Müller-Lüdenscheidt Schäfer-Kühn Oehler Überall"
        ),
    ),
    "french": Culture(
        _words(
            "Camille Chloé Léa Manon Inès Zoé Éloïse Anaïs Océane Amélie Hélène Aurélie Céline Solène Maëlys Margaux "
            "Juliette Louise Jeanne Alice Noémie Clémence Mathilde Pauline Sylvie Nathalie Isabelle Véronique Françoise "
            "Geneviève Brigitte Élise Agathe Capucine"
        ),
        _words(
            "Louis Gabriel Raphaël Jules Hugo Théo Léo Maël Noël Étienne François Gérard Jérôme Frédéric Sébastien Benoît "
            "Loïc Cédric Rémi Aurélien Mathieu Antoine Baptiste Bastien Clément Damien Guillaume Julien Laurent Pascal "
            "Olivier Thibault Xavier Yves"
        ),
        _words(
            "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia "
            "David Bertrand Roux Vincent Fournier Morel Girard André Lefèvre Mercier Dupont Lambert Bonnet François "
            "Legrand Garnier Faure Rousseau Blanc Guérin Müller Henry Roussel Nicolas Perrin Morin Mathieu Clément Gauthier "
            "Dumont Lopez Fontaine Chevalier Robin Masson Sanchez Gérard Nguyễn Boyer Denis Lemaire Duval Joly Béranger "
            "Crépin Lefrançois d'Aubigné L'Hôpital"
        ),
    ),
    "english": Culture(
        _words(
            "Olivia Amelia Isla Ava Emily Sophia Grace Lily Freya Jessica Charlotte Alice Poppy Evie Ruby Daisy Harriet "
            "Eleanor Georgina Rebecca Sarah Emma Claire Helen Margaret Susan Karen Fiona Siobhán Niamh Rhiannon Megan "
            "Zoë Chloe Imogen"
        ),
        _words(
            "Oliver George Harry Noah Jack Charlie Oscar William James Thomas Henry Alfie Arthur Edward Samuel Daniel "
            "Benjamin Matthew Andrew David Robert Stephen Simon Ian Callum Rhys Seán Ruairí Nigel Graham Stuart Duncan "
            "Alistair Barnaby"
        ),
        _words(
            "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Roberts "
            "Green Hall Wood Jackson Clarke Patel Khan Lewis James Phillips Mason Mitchell Rose Davis Hughes Cooper King "
            "Baker Harris Morgan Bell Murphy O'Brien O'Connor MacDonald McCarthy Fitzgerald Campbell Stewart Reid Murray "
            "Graham Bennett Cox Richardson Ward Fox Gray Shaw Holmes Knight Webb Palmer Singh Begum Ó_Súilleabháin "
            "Smythe-Jones"
        ),
    ),
    "turkish": Culture(
        _words("Ayşe Fatma Emine Zeynep Elif Merve Büşra Özlem Gülşen Çiğdem Şule Ebru Defne Yağmur Nurgül İrem"),
        _words("Mehmet Mustafa Ahmet Ali Hüseyin Murat Ömer Emre Burak Çağlar Gökhan Oğuz Tolga Kağan Yiğit Şükrü"),
        _words(
            "Yılmaz Kaya Demir Şahin Çelik Yıldız Yıldırım Öztürk Aydın Özdemir Arslan Doğan Kılıç Aslan Çetin Kara Koç "
            "Kurt Özkan Şimşek Polat Korkmaz Güneş Erdoğan Bulut Tekin"
        ),
    ),
    "polish": Culture(
        _words("Agnieszka Małgorzata Katarzyna Magdalena Joanna Zofia Żaneta Bożena Jadwiga Łucja Aleksandra Ewa Beata"),
        _words("Paweł Łukasz Michał Krzysztof Andrzej Stanisław Tomasz Piotr Wojciech Grzegorz Zbigniew Jarosław Bartosz"),
        _words(
            "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski "
            "Kozłowski Jankowski Mazur Kwiatkowski Krawczyk Piotrowski Grabowski Zając Pawłowski Król Wróbel Błaszczyk"
        ),
    ),
    "dutch": Culture(
        _words("Emma Julia Sanne Fleur Lotte Anouk Femke Maaike Daniëlle Renée Noor Saar Esmée Mieke Ilse Marijke"),
        _words("Daan Sem Bram Thijs Ruben Lars Jeroen Joost Maarten Wouter Pieter Sjoerd Koen Niels Joris André"),
        _words(
            "de_Jong Jansen de_Vries van_den_Berg Bakker van_Dijk Visser Janssen Smit Meijer de_Boer Mulder de_Groot Bos "
            "Vos Peters Hendriks van_Leeuwen Dekker Brouwer de_Wit Dijkstra Smits de_Graaf van_der_Meer Kok Vermeulen"
        ),
    ),
    "southern": Culture(
        _words("Giulia Chiara Francesca Lucía María Núria Sofía Inês Conceição Eleni Ioanna Jelena Ana Ivana Željka Zorana"),
        _words("Marco Luca José Jesús Íñigo Andrés João Gonçalo Nikos Dimitrios Dragan Željko Ivan Mateo Nicolò Ángel"),
        _words(
            "Rossi Russo Ferrari Esposito Bianchi García Fernández González Rodríguez López Martínez Peña Núñez Silva "
            "Gonçalves Araújo Papadopoulos Georgiou Petrović Kovačević Jovanović Horvat Marić D'Angelo De_Luca"
        ),
    ),
    "eastern": Culture(
        _words("Olena Nataliia Svitlana Anastasia Oksana Linh Thảo Mai Yuki Sakura Fatima Leila Amina Priya Ananya Aaliyah"),
        _words("Oleksandr Dmytro Andriy Serhiy Ivan Minh Đức Hùng Kenji Omar Youssef Ahmad Arjun Ravi Karim Samir"),
        _words(
            "Shevchenko Kovalenko Bondarenko Tkachenko Nguyễn Trần Phạm Lê Hoàng Tanaka Satō Haddad El-Amrani Al-Sayed "
            "Sharma Gupta Hosseini Rahimi Ivanova Popov Đặng"
        ),
    ),
}

# Country: share of people, share of each naming culture, languages with their shares, zone.
COUNTRIES: dict[str, dict[str, Any]] = {
    "DE": {
        "share": 0.55,
        "cultures": {"german": 0.74, "turkish": 0.08, "polish": 0.06, "southern": 0.06, "eastern": 0.06},
        "languages": {"de": 0.93, "en": 0.07},
        "zone": "Europe/Berlin",
        "name": "Germany",
    },
    "AT": {
        "share": 0.11,
        "cultures": {"german": 0.78, "southern": 0.12, "turkish": 0.06, "eastern": 0.04},
        "languages": {"de": 0.95, "en": 0.05},
        "zone": "Europe/Vienna",
        "name": "Austria",
    },
    "CH": {
        "share": 0.09,
        "cultures": {"german": 0.58, "french": 0.26, "southern": 0.16},
        "languages": {"de": 0.66, "fr": 0.28, "en": 0.06},
        "zone": "Europe/Zurich",
        "name": "Switzerland",
    },
    "FR": {
        "share": 0.11,
        "cultures": {"french": 0.82, "southern": 0.08, "eastern": 0.10},
        "languages": {"fr": 0.95, "en": 0.05},
        "zone": "Europe/Paris",
        "name": "France",
    },
    "NL": {
        "share": 0.06,
        "cultures": {"dutch": 0.82, "turkish": 0.08, "eastern": 0.10},
        "languages": {"en": 0.8, "de": 0.2},
        "zone": "Europe/Amsterdam",
        "name": "Netherlands",
    },
    "GB": {
        "share": 0.08,
        "cultures": {"english": 0.84, "polish": 0.06, "eastern": 0.10},
        "languages": {"en": 1.0},
        "zone": "Europe/London",
        "name": "United Kingdom",
    },
}

# City, region, postal code pattern (# is a digit), weight, urbanity.
CITIES: dict[str, tuple[tuple[str, str, str, float, str], ...]] = {
    "DE": (
        ("Berlin", "Berlin", "10###", 5, "urban"),
        ("Hamburg", "Hamburg", "20###", 3, "urban"),
        ("München", "Bayern", "80###", 3, "urban"),
        ("Köln", "Nordrhein-Westfalen", "506##", 2, "urban"),
        ("Düsseldorf", "Nordrhein-Westfalen", "402##", 1.2, "urban"),
        ("Frankfurt am Main", "Hessen", "603##", 1.5, "urban"),
        ("Leipzig", "Sachsen", "041##", 1.2, "urban"),
        ("Nürnberg", "Bayern", "904##", 1, "urban"),
        ("Würzburg", "Bayern", "970##", 0.6, "suburban"),
        ("Göttingen", "Niedersachsen", "370##", 0.6, "suburban"),
        ("Lübeck", "Schleswig-Holstein", "235##", 0.6, "suburban"),
        ("Freiburg im Breisgau", "Baden-Württemberg", "791##", 0.7, "suburban"),
        ("Bad Tölz", "Bayern", "83646", 0.3, "rural"),
        ("Husum", "Schleswig-Holstein", "25813", 0.3, "rural"),
        ("Görlitz", "Sachsen", "028##", 0.3, "rural"),
    ),
    "AT": (
        ("Wien", "Wien", "1##0", 4, "urban"),
        ("Graz", "Steiermark", "80##", 1.2, "urban"),
        ("Linz", "Oberösterreich", "40##", 1, "urban"),
        ("Salzburg", "Salzburg", "50##", 0.8, "suburban"),
        ("Bad Ischl", "Oberösterreich", "4820", 0.3, "rural"),
    ),
    "CH": (
        ("Zürich", "Zürich", "80##", 3, "urban"),
        ("Genève", "Genève", "12##", 1.5, "urban"),
        ("Bern", "Bern", "30##", 1, "urban"),
        ("Lausanne", "Vaud", "10##", 1, "suburban"),
        ("Davos", "Graubünden", "7260", 0.3, "rural"),
    ),
    "FR": (
        ("Paris", "Île-de-France", "750##", 4, "urban"),
        ("Lyon", "Auvergne-Rhône-Alpes", "690##", 1.5, "urban"),
        ("Strasbourg", "Grand Est", "670##", 1.2, "urban"),
        ("Besançon", "Bourgogne-Franche-Comté", "250##", 0.6, "suburban"),
        ("Saint-Malo", "Bretagne", "35400", 0.4, "rural"),
    ),
    "NL": (
        ("Amsterdam", "Noord-Holland", "10## AB", 2, "urban"),
        ("Utrecht", "Utrecht", "35## CD", 1, "urban"),
        ("Maastricht", "Limburg", "62## EK", 0.7, "suburban"),
        ("’s-Hertogenbosch", "Noord-Brabant", "52## GH", 0.4, "suburban"),
    ),
    "GB": (
        ("London", "England", "N# #AB", 3, "urban"),
        ("Manchester", "England", "M# #QX", 1, "urban"),
        ("Edinburgh", "Scotland", "EH# #TG", 0.8, "urban"),
        ("Llanfairpwll", "Wales", "LL61 #YR", 0.2, "rural"),
    ),
}

STREETS: dict[str, tuple[str, ...]] = {
    "DE": _words(
        "Hauptstraße Schillerstraße Goethestr. Bahnhofstraße Gartenweg Lindenallee Am_Mühlbach Bergstraße Kirchplatz "
        "Rosenweg Schloßstraße Ahornring Uferstraße Mozartstraße Zum_Grünen_Winkel Feldstraße"
    ),
    "FR": _words("Rue_de_la_Paix Avenue_Jean-Jaurès Rue_Victor-Hugo Place_de_l'Église Chemin_des_Prés Boulevard_Gambetta"),
    "NL": _words("Dorpsstraat Kerkstraat Keizersgracht Molenweg Stationsplein Beatrixlaan"),
    "GB": _words("High_Street Church_Road Station_Road Victoria_Terrace Mill_Lane King's_Crescent"),
}
STREETS["AT"] = STREETS["DE"]
STREETS["CH"] = STREETS["DE"][:8] + STREETS["FR"][:4]

MAIL_HOSTS: dict[str, dict[str, float]] = {
    "DE": {"gmail.com": 0.34, "gmx.de": 0.2, "web.de": 0.2, "t-online.de": 0.1, "outlook.de": 0.06, "icloud.com": 0.1},
    "AT": {"gmail.com": 0.44, "gmx.at": 0.3, "aon.at": 0.1, "icloud.com": 0.16},
    "CH": {"gmail.com": 0.4, "bluewin.ch": 0.3, "gmx.ch": 0.15, "icloud.com": 0.15},
    "FR": {"gmail.com": 0.42, "orange.fr": 0.25, "free.fr": 0.18, "laposte.net": 0.15},
    "NL": {"gmail.com": 0.55, "ziggo.nl": 0.2, "kpnmail.nl": 0.1, "icloud.com": 0.15},
    "GB": {"gmail.com": 0.5, "outlook.com": 0.2, "btinternet.com": 0.15, "icloud.com": 0.15},
}

# Country calling code, mobile prefix choices, digits that follow.
PHONES: dict[str, tuple[str, tuple[str, ...], int]] = {
    "DE": ("49", ("151", "152", "160", "170", "171", "175", "176", "179"), 8),
    "AT": ("43", ("664", "676", "660"), 7),
    "CH": ("41", ("76", "78", "79"), 7),
    "FR": ("33", ("61", "63", "66", "68"), 7),
    "NL": ("31", ("61", "62", "64"), 7),
    "GB": ("44", ("7400", "7500", "7800"), 6),
}

INTERESTS = (
    "cooking",
    "hiking",
    "gardening",
    "reading",
    "fashion",
    "dogs",
    "cats",
    "barista",
    "sustainability",
    "travel",
    "yoga",
    "interior",
    "baking",
    "kids",
)
VALUES = ("sustainability", "price", "quality", "local", "animal welfare", "tradition", "innovation")
