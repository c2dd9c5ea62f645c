"""What headers and table names mean that are not English: the headers of shops in six languages, as the English ones that the patterns know."""

import re
import unicodedata
from functools import cache

from dagster_project.onboarding.samples import words_of

# Language → what a header means, in English ← how shops of that language call it, without accents.
HEADERS: dict[str, dict[str, str]] = {
    "de": {
        "deleted at": "geloscht|geloscht am|ist geloscht|loschdatum",
        "order id": "bestellnummer|bestellnr|bestell nr|auftragsnummer|auftragsnr",
        "invoice id": "rechnungsnummer|rechnungsnr",
        "order date": "bestelldatum|auftragsdatum",
        "invoice date": "rechnungsdatum",
        "date": "datum",
        "customer id": "kundennummer|kundennr|kunden nr|kunde|kunden id",
        "email": "e mail adresse",
        "phone": "telefon",
        "first name": "vorname",
        "last name": "nachname",
        "date of birth": "geburtsdatum",
        "gender": "geschlecht|anrede",
        "street": "strasse|strasse",
        "city": "ort|stadt",
        "state": "bundesland",
        "zip": "postleitzahl",
        "country": "land",
        "language": "sprache",
        "product id": "artikelnummer|artikelnr|artikel nr",
        "product name": "artikelbezeichnung|artikel|bezeichnung|produkt",
        "category": "kategorie|warengruppe",
        "brand": "marke|hersteller",
        "quantity": "menge|anzahl|stuck",
        "unit price": "einzelpreis|stuckpreis",
        "price": "preis",
        "line total": "gesamtpreis",
        "total": "gesamtbetrag|gesamtsumme|rechnungsbetrag|bestellwert|summe",
        "gross amount": "bruttobetrag",
        "net amount": "nettobetrag",
        "revenue": "umsatz",
        "amount": "betrag",
        "discount amount": "rabatt",
        "currency": "wahrung",
        "status": "status",
        "stock": "bestand|lagerbestand",
        "newsletter": "newsletter",
        "created at": "angelegt am",
        "customer since": "kunde seit",
        "description": "beschreibung",
        "return id": "retourennummer|retourennr|retouren nr|rucksendenummer",
        "return date": "retourendatum|ruckgabedatum|rucksendedatum|erstattungsdatum|retourniert am",
        "refund amount": "erstattungsbetrag|erstattung|ruckerstattung|gutschrift",
        "signup date": "anmeldedatum|angemeldet am|einwilligungsdatum|eingewilligt am",
        "unsubscribed at": "abmeldedatum|abgemeldet am|widerrufen am|widerrufsdatum",
        "opt in": "einwilligung",
        "channel": "kanal|vertriebskanal",
        "line number": "pos|position|positionsnr",
        "unit cost": "ek preis|einkaufspreis|ek",
        "list price": "vk preis|verkaufspreis|vk",
    },
    "fr": {
        "deleted at": "supprime|supprime le|date de suppression",
        "order id": "numero de commande|no de commande|n commande|commande|id commande|reference commande|num commande",
        "invoice id": "numero de facture|facture|no facture",
        "order date": "date de commande|date commande|commande le",
        "invoice date": "date de facture|date facture",
        "customer id": "code client|numero client|numero de client|id client|client|no client",
        "email": "adresse e mail|adresse email|adresse mail|courriel|mail",
        "phone": "telephone|tel|portable|numero de telephone",
        "first name": "prenom",
        "last name": "nom|nom de famille",
        "full name": "nom complet|nom client|nom du client",
        "date of birth": "date de naissance|ne le",
        "gender": "civilite|sexe|genre",
        "street": "adresse|rue",
        "city": "ville",
        "zip": "code postal|cp",
        "country": "pays",
        "state": "region",
        "language": "langue",
        "product id": "reference article|reference produit|code article|code produit|reference|ref|id produit|ref produit",
        "product name": "designation|article|produit|libelle|nom du produit|nom produit|intitule",
        "category": "categorie|categories|famille|rayon",
        "brand": "marque",
        "quantity": "quantite|qte|nombre",
        "unit price": "prix unitaire|pu",
        "price": "prix|prix de vente|tarif|tarif regulier",
        "sale price": "tarif promo|prix promo",
        "line total": "montant ligne|total ligne|prix total",
        "amount": "montant",
        "total": "montant total|total commande",
        "discount amount": "remise|reduction",
        "currency": "devise",
        "status": "statut|etat",
        "stock": "stock",
        "newsletter": "newsletter|abonne newsletter|optin",
        "created at": "date d inscription|date inscription|date de creation|inscrit le|cree le",
        "return id": "numero de retour|no retour",
        "return date": "date de retour|date retour|date de remboursement|rembourse le",
        "refund amount": "montant rembourse|remboursement|montant du remboursement",
        "unsubscribed at": "date de desinscription|desinscrit le|desabonne le",
        "opt in": "consentement",
        "channel": "canal",
        "unit cost": "prix d achat|prix achat",
    },
    "es": {
        "deleted at": "eliminado|eliminado el|fecha de eliminacion|borrado",
        "order id": "numero de pedido|no pedido|pedido|id pedido|n pedido",
        "invoice id": "numero de factura|factura|no factura",
        "order date": "fecha de pedido|fecha pedido|fecha del pedido|fecha de compra|fecha compra|fecha de venta",
        "invoice date": "fecha de factura|fecha factura",
        "date": "fecha",
        "customer id": "codigo de cliente|codigo cliente|numero de cliente|id cliente|cliente",
        "email": "correo|correo electronico",
        "phone": "telefono|movil",
        "first name": "nombre",
        "last name": "apellidos|apellido",
        "full name": "nombre completo|nombre del cliente|nombre cliente",
        "date of birth": "fecha de nacimiento|fecha nacimiento",
        "gender": "sexo|genero",
        "street": "direccion|calle",
        "city": "ciudad|poblacion",
        "zip": "codigo postal",
        "country": "pais",
        "state": "provincia",
        "language": "idioma",
        "product id": "codigo de producto|codigo producto|id producto|referencia|codigo articulo",
        "product name": "nombre del producto|nombre producto|producto|articulo|descripcion",
        "category": "categoria|familia",
        "brand": "marca",
        "quantity": "cantidad|unidades",
        "unit price": "precio unitario",
        "price": "precio|precio de venta",
        "line total": "importe linea|precio total",
        "amount": "importe|monto",
        "total": "importe total|monto total",
        "discount amount": "descuento",
        "currency": "moneda|divisa",
        "status": "estado",
        "created at": "fecha de alta|fecha alta|fecha de registro",
        "return id": "numero de devolucion|id devolucion",
        "return date": "fecha de devolucion|fecha devolucion|fecha de reembolso",
        "refund amount": "importe reembolsado|reembolso|importe devuelto",
        "unsubscribed at": "fecha de baja|fecha baja",
        "opt in": "consentimiento",
        "channel": "canal",
        "unit cost": "precio de compra|coste",
    },
    "it": {
        "deleted at": "eliminato|eliminato il|data eliminazione|cancellato il",
        "order id": "numero ordine|id ordine|ordine|n ordine",
        "invoice id": "numero fattura|fattura",
        "order date": "data ordine|data acquisto",
        "invoice date": "data fattura",
        "date": "data",
        "customer id": "codice cliente|id cliente|cliente|numero cliente",
        "email": "indirizzo e mail|indirizzo email|posta elettronica",
        "phone": "telefono|cellulare",
        "first name": "nome",
        "last name": "cognome",
        "full name": "nome completo|nome cliente",
        "date of birth": "data di nascita",
        "gender": "sesso",
        "street": "indirizzo|via",
        "city": "citta|comune",
        "zip": "cap",
        "country": "paese|nazione",
        "state": "provincia",
        "language": "lingua",
        "product id": "codice prodotto|codice articolo|id prodotto|codice",
        "product name": "nome prodotto|prodotto|articolo|descrizione",
        "category": "categoria",
        "brand": "marca",
        "quantity": "quantita|qta|pezzi",
        "unit price": "prezzo unitario",
        "price": "prezzo|prezzo di vendita",
        "line total": "totale riga|importo riga",
        "amount": "importo",
        "total": "totale|totale ordine",
        "discount amount": "sconto",
        "currency": "valuta",
        "status": "stato",
        "created at": "data registrazione|registrato il",
        "return id": "numero reso|id reso",
        "return date": "data reso|data di reso|data rimborso",
        "refund amount": "importo rimborsato|rimborso",
        "unsubscribed at": "data cancellazione|disiscritto il",
        "opt in": "consenso",
        "channel": "canale",
    },
    "nl": {
        "deleted at": "verwijderd|verwijderd op",
        "order id": "bestelnummer|ordernummer",
        "invoice id": "factuurnummer",
        "order date": "besteldatum|orderdatum",
        "invoice date": "factuurdatum",
        "date": "datum",
        "customer id": "klantnummer|klant|klant id|klantcode",
        "email": "e mailadres|emailadres",
        "phone": "telefoon|telefoonnummer",
        "first name": "voornaam",
        "last name": "achternaam",
        "date of birth": "geboortedatum",
        "gender": "geslacht",
        "street": "straat|adres",
        "city": "woonplaats|plaats|stad",
        "zip": "postcode",
        "country": "land",
        "state": "provincie",
        "language": "taal",
        "product id": "artikelnummer|productnummer|artikelcode",
        "product name": "productnaam|omschrijving|artikel",
        "category": "categorie|productgroep",
        "brand": "merk",
        "quantity": "aantal",
        "unit price": "stukprijs|prijs per stuk",
        "price": "prijs|verkoopprijs",
        "line total": "regeltotaal",
        "amount": "bedrag",
        "total": "totaalbedrag|totaal",
        "discount amount": "korting",
        "currency": "valuta",
        "stock": "voorraad",
        "newsletter": "nieuwsbrief",
        "created at": "aangemaakt op|klant sinds",
        "return id": "retournummer",
        "return date": "retourdatum",
        "refund amount": "terugbetaald bedrag|terugbetaling",
        "unsubscribed at": "afmelddatum|afgemeld op",
        "signup date": "aanmelddatum|aangemeld op",
        "opt in": "toestemming",
        "channel": "kanaal",
    },
    "pt": {
        "deleted at": "excluido|excluido em|data de exclusao|eliminado em",
        "order id": "numero do pedido|pedido|id pedido|numero pedido|encomenda|numero da encomenda",
        "invoice id": "nota fiscal|numero da fatura|fatura",
        "order date": "data do pedido|data pedido|data da compra|data compra|data da venda|data da encomenda",
        "date": "data",
        "customer id": "codigo do cliente|codigo cliente|id cliente|cliente|numero do cliente",
        "phone": "telefone|celular|telemovel",
        "first name": "nome",
        "last name": "sobrenome|apelido",
        "full name": "nome completo|nome do cliente|nome cliente",
        "date of birth": "data de nascimento",
        "gender": "sexo|genero",
        "street": "endereco|rua|morada",
        "city": "cidade",
        "zip": "cep|codigo postal",
        "country": "pais",
        "state": "estado|uf",
        "language": "idioma",
        "product id": "codigo do produto|codigo produto|id produto",
        "product name": "nome do produto|produto|descricao",
        "category": "categoria",
        "brand": "marca",
        "quantity": "quantidade|qtd|qtde",
        "unit price": "preco unitario|valor unitario",
        "price": "preco",
        "line total": "valor total do item|total do item",
        "amount": "valor",
        "total": "valor total|total do pedido",
        "discount amount": "desconto",
        "currency": "moeda",
        "status": "situacao",
        "stock": "estoque",
        "created at": "data de cadastro|data cadastro|data de registo",
        "return id": "numero da devolucao|id devolucao",
        "return date": "data da devolucao|data devolucao|data do reembolso",
        "refund amount": "valor reembolsado|reembolso",
        "unsubscribed at": "data de cancelamento|descadastrado em",
        "opt in": "consentimento",
        "channel": "canal",
    },
}
TABLES = {
    "orders": "bestellungen|auftrage|commandes|pedidos|ordini|encomendas",
    "order lines": "bestellpositionen|positionen|umsatze|verkaufe|lignes|ventes|lineas|ventas|righe|vendite|vendas|bestelregels|itens",
    "customers": "kunden|clients|clientes|clienti|klanten",
    "returns": "retouren|rucksendungen|ruckgaben|erstattungen|gutschriften|retours|remboursements|avoirs|"
    "devoluciones|reembolsos|resi|rimborsi|devolucoes|retourzendingen|terugbetalingen",
    "consents": "einwilligungen|abonnenten|abonnes|inscrits|consentements|suscriptores|consentimientos|iscritti|consensi|nieuwsbrief|inscritos",
    "unsubscribed": "abmeldungen|desabonnes|bajas|disiscritti|afmeldingen",
    "products": "produkte|artikel|produits|articles|productos|articulos|prodotti|articoli|produtos|producten|artikelen",
}
# What a price holds, in which currency, of which address: said behind the header's own words.
REMARKS = r"\b(ttc|ht|inkl mwst|incl btw|incl tax|excl tax|tax incl|tax excl|iva incl|brutto|netto|(in )?(euros?|eur|usd|dollars?|gbp|brl|inr|cents?|pence))\b"
NUMBER = re.compile(r"^(n|no|nr|num|numero)( de| do| del| da)? ")
SIDE = re.compile(r"^(.*) (billing|shipping)$")


@cache
def meanings() -> dict[str, list[tuple[str, str]]]:
    """A header's words without accents → the languages that know it, with what it means there."""
    known: dict[str, list[tuple[str, str]]] = {}
    for language, headers in HEADERS.items():
        for meaning, spelt in headers.items():
            for words in spelt.split("|"):
                known.setdefault(words, []).append((language, meaning))
    return known


def plain_words(header: str) -> str:
    """The words of a header without accents and remarks; `First name (billing)` as `billing first name`."""
    letters = unicodedata.normalize("NFKD", words_of(header).replace("ß", "ss"))
    words = "".join(letter for letter in letters if not unicodedata.combining(letter))
    side = SIDE.match(words)
    return f"{side.group(2)} {side.group(1)}" if side else words


def meaning_of(header: str) -> str:
    """The header's words in English; as they are where no language knows them."""
    words = plain_words(header)
    bare = " ".join(re.sub(REMARKS, " ", words).split())
    found = known_as(words) or known_as(bare)
    if found:
        return found[0][1]
    # `id_customer`, as PrestaShop has it, is the customer's id.
    return re.sub("^id (.+)$", r"\1 id", bare or words)


def known_as(words: str) -> list[tuple[str, str]]:
    """The languages that know the words; a number may be written `N° client`, `no client`, `num client` or `numéro de client`."""
    number = NUMBER.sub("", words)
    spelt = (words, *(f"{ahead} {number}" for ahead in ("numero", "numero de", "numero do", "id")), number) if number != words else (words,)
    return next((found for one in spelt if (found := meanings().get(one))), [])


def languages_of(header: str) -> set[str]:
    """The languages in which a header says what it does, and English does not."""
    words = plain_words(header)
    return {language for language, meaning in known_as(words) if meaning != words}


def table_meaning(words: str) -> str:
    """The words of a table's name in English."""
    english = {one: meaning for meaning, spelt in TABLES.items() for one in spelt.split("|")}
    plain = plain_words(words).split()
    return " ".join(english.get(word, word) for word in plain)
