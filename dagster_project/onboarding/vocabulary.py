"""What shops call things: the words of headers, of tables, and of answers about consent. A new word of a language belongs here."""

WHO = "(customer|user|client|member|buyer|shopper|household|account|cust|visitor|person|consumer|guest|patron|contact)"
WHAT = "(product|item|article|stock|goods|material|sku|asin|isbn|variant|prod)"
ORDER = "(order|invoice|transaction|basket|receipt|bill|purchase|ticket|trans|txn|sale|sales|cart|booking)"
BACK = "(return(ed|s)?|refund(ed|s)?|credit(ed)?|rma|credit (note|memo))"
WHEN = "(created|processed|received|registered|sign ?up|signed up|joined|confirmed)? ?(at|on|date( add(ed)?)?|time|timestamp|datetime|day)"
# When somebody came to a list, whatever they answered since.
OF_COMING = "(created|registered|sign ?up|signed up|joined) ?(at|on|date|time|timestamp|datetime|day)|date add(ed)?"
# How somebody stands on a tool's list, where the words are those of consent (answers.py): active, unsubscribed, bounced.
ON_A_LIST = "((contact|subscriber|member|e ?mail) )?(status|state)"
ORDERS_NUMBER = f"{ORDER} (id|no|nr|num|number|key|code|nbr|identifier)"
# In order of preference; matched on the header's words as a whole.
NAMES: dict[str, tuple[str, ...]] = {
    # A marketplace numbers each line's transaction beside its order.
    "order_id": (
        f"(?!trans|txn){ORDERS_NUMBER}",
        ORDERS_NUMBER,
        f"{ORDER}id",
        f"{ORDER}",
        "order name|increment id|name",
    ),
    "line_number": (
        f"({ORDER}|line) (item|line|detail)s? ?(id|no|nr|num|number|seq|sequence)|({ORDER} )?(line|row) ?(id|no|nr|num|number|seq|sequence)",
        "order line( id)?",
    ),
    "ordered_at": (
        f"(?!invoice|bill){ORDER}( purchase| created| placed)? ?(timestamp|datetime|date time|date|dat|dt|at|time|ts|day|on)( time)?",
        "(created|purchased|ordered|placed) ?(at|on|date|time|timestamp)",
        "(processed|paid|sold|bought) ?(at|on|date|time|timestamp)",
        "t dat|event time|timestamp|datetime|date time|date|time|day|when|(create|creation) (date|time)|date ?(add(ed)?|created)|working date",
        # An order that is never paid may have no invoice.
        "(invoice|bill) ?(timestamp|datetime|date time|date|dat|dt|at|time|ts|day|on)( time)?",
    ),
    "customer_id": (
        f"({WHO} )?{WHO} (id|no|nr|num|number|key|code|nbr|identifier)",
        f"{WHO}id",
        f"{WHO} unique id|{WHO}",
        f"(square|stripe|shopify) {WHO} id",
        "card ?(id|no|number)|loyalty card.*",
    ),
    "login_id": (f"{WHO} unique id",),
    # Addresses are known by themselves, whatever their header says.
    "email": ("e ?mail( address)?", f"{WHO} e ?mail( address)?", "contact e ?mail", "(billing|shipping) e ?mail", ".*"),
    "phone": ("(mobile |cell |tele)?phone( ?(number|no))?", "mobile( number)?", f"{WHO} phone", "(billing|shipping) phone"),
    "full_name": (f"{WHO} ?(full )?name", "full name", "(billing|shipping) name", "contact name", "name"),
    "first_name": (f"({WHO} |billing )?(first|given|fore) ?name", "fname|firstname|first|given"),
    "last_name": (f"({WHO} |billing )?(last|family|sur) ?name", "lname|lastname|surname|last|family"),
    "gender": (f"({WHO} )?(gender|sex)",),
    "birth_date": ("(date of birth|birth ?date|birthday|dob)", f"{WHO} (birth ?date|date of birth|dob)"),
    "national_id": (
        f"({WHO} )?(national|personal|citizen|identity|social security|fiscal|tax|tax payer|taxpayer) (id|no|nr|num|number|code|identifier)",
        f"({WHO} )?(ssn|nif|nie|dni|cpf|bsn|pesel|nino|personnummer|fodselsnummer|codice fiscale|steuer ?id|national insurance number)",
    ),
    "street": (
        "(street|address)( ?line)?( ?1)?( address)?",
        "(billing|shipping|default)( address)? (address ?1|street|address( line)? ?1)",
        "address address 1",
    ),
    "city": (f"({WHO} |billing |shipping |ship |address |default address )?(city|town)",),
    "region": (f"({WHO} |billing |shipping |ship |default address )?(state|province|region|county|state province|province name)( code)?",),
    "postal_code": (
        f"({WHO} |billing |shipping |ship |default address )?(postal ?code|zip|zip ?code|postcode|post code|plz|pin ?code)( prefix)?",
    ),
    "country": (f"({WHO} |billing |shipping |ship |default address )?(country code|country|nation|country name|market)",),
    "language": (f"({WHO} |preferred )?(language|locale|lang)",),
    "membership_tier": ("(club member status|membership ?(tier|level|status)?|loyalty ?(tier|level)|tier|customer segment|segment)",),
    # Who has confirmed has agreed; who has only asked may be somebody else.
    "accepts_marketing": (
        "(double|confirmed) ?opt ?in",
        "e ?mail subscription (status|state)",
        "(accepts?|email|e mail)? ?marketing ?(opt ?in|consent|status|state|accepted)?( email)?",
        "(newsletter|(email )?opt(ed)? ?in|subscribed|is subscribed|email subscriber|accepts email marketing)( status)?",
        "newsletter ?(opt ?in|consent|subscribed|subscriber|subscription|sign ?up|accepted)",
        "(accepts?|agreed|agrees|consents?|subscribed|opted in) ?(to|for)? ?(newsletters?|e ?mails?|marketing)",
        ON_A_LIST,
    ),
    "created_at": (
        f"({WHO} )?(created|registered|signed up|joined|registration|sign ?up|join|account created|create|enrol+ment|added) ?(at|on|date|time|timestamp)?",
        "member since|customer since|date ?(add(ed)?|created)",
    ),
    "product_id": (
        f"{WHAT} (id|no|nr|num|number|key|code|nbr|identifier)",
        f"{WHAT}id",
        "stock ?code|sku( code)?|lineitem sku",
        f"{WHAT}",
        "handle|upc|ean|barcode",
    ),
    "product_name": (
        f"({WHAT}|lineitem) ?(name|title|description|desc|display name)",
        "prod name",
        "title|description",
        "product|item|article|name",
    ),
    "category": (
        f"({WHAT} )?(category( name)?|categories)",
        f"({WHAT} )?(type|group|subclass|class|collection)( name)?",
        f"({WHAT} )?(category|genre|department|type|group|class|family|aisle)( name| code| ?id)?",
        f"{WHAT} (category|type|group) .*|sub ?category|section name|category.*|product (type|group) name|product category name",
    ),
    "brand": ("brand( name)?|vendor|manufacturer|label|maker",),
    "quantity": (
        "(order |lineitem |item |product )?(quantity|qty|units|pieces|pcs)( ordered| sold| purchased| refund)?",
        "(number|num|no) of \\w+|num items|count",
    ),
    "unit_price": (
        "(unit|each|item|lineitem|selling|per unit) ?price|price ?(per unit|each|unit)|unit cost price|item cost",
        "price|sale price|selling price|retail price|item price|product price|variant price|original price|list price|mrp",
    ),
    # Gross sales are before discounts.
    "line_amount": (
        "net sales",
        "(line|item|row|ext|extended) ?(total|amount|price total|sales|value)|(total|sales|net|gross) ?(purchase )?(amount|price|sales|value|revenue|amt)",
        "sales|revenue|amount|total|turnover|amt|spend|payment( value| amount)?|value|sales ?price|grand total|dollars|subtotal",
        "transaction (amount|value)|(purchase|order) (amount|value|total)( usd| inr| eur| gbp)?",
    ),
    "order_discount_amount": (f"{ORDER} discounts?( (amount|value|total))?|(total )?discounts?( (amount|value|total))?",),
    "discount_share": ("discount( rate| share| percent| pct)?",),
    "discount_amount": (
        "(line |item |total |lineitem )?discount ?(amount|amt|value)|(line|item|lineitem) discount|(total|lineitem) discount|discount amount",
        "discount",
        "(order|cart|basket|coupon|voucher) discount( (amount|amt|value|total))?",
    ),
    "refunded_amount": (f"({ORDER} )?(total )?refund(ed)? ?(total|amount|value|sum)|({ORDER} )?(total|amount|value) refund(ed)?",),
    "status": (
        f"({ORDER} )?(status|financial status)( name)?",
        f"({ORDER} |current )?(state|status)( name| id)?|is (returned|cancelled|canceled)|returned",
    ),
    "order_cancelled_at": (f"({ORDER} )?(cancell?ed|cancell?ation) (at|on|date|time|timestamp)|date cancell?ed|is cancell?ed",),
    "channel": ("(sales |order )?channel( id)?|source( name)?|platform|store type|medium",),
    "discount_code": ("(discount|coupon|promo|voucher)( code| name)?",),
    "currency": ("(order )?currency( code| iso)?",),
    "total_amount": (
        "(order |grand |invoice )?(total|amount|value)( price| amount| paid| value| usd)?|total ?(price|sales|revenue|spent)|order total",
        "amount|sales|revenue|payment( value| amount)?|subtotal( price)?|gross amount|net amount|price|dollars|spend",
    ),
    "items_count": ("(num|number|no|count) of items?|items( count)?|item count|quantity|qty|units|num of item",),
    # A price for a while stands beside the usual one, and is empty where there is none.
    "price": ("((list|retail|unit|regular|variant|selling|actual) )?price|msrp|mrp", "(sale|special|discounted) ?price"),
    "unit_cost": ("(unit |item |variant )?(cost|cost price|standard cost)( per item)?",),
    "sku": ("(variant )?sku( code)?|stock ?code",),
    "description": ("(product |item |detail )?(description|desc|body html|body|about product|detail desc)",),
    "image_url": ("(image|img|picture|photo)s?( ?(src|url|link|path))?|product image url",),
    "handle": ("handle|slug",),
    "tags": ("tags",),
    "stock": ("(stock|inventory|units in stock|variant inventory qty|available|quantity in stock|stock quantity|inventory quantity)",),
    "is_sold": ("(is |product )?(published|active|enabled|sold|for sale)", "(product )?status"),
    "visitor_id": (
        "(visitor|anonymous|anon|cookie) ?(id|no|number)?|(browser|device) ?(id|no|number)|(user )?pseudo id|fullvisitorid",
        "session id|user session|session",
        f"{WHO} ?(id|no|number)?",
    ),
    "happened_at": ("event ?(time|timestamp|date|datetime|at)|timestamp|time ?stamp|created at|datetime|date time|date|time",),
    "event": ("event( ?(type|name))?|event ?type|action( type)?|behaviou?r( type)?|activity|type",),
    "session_id": ("(user |visit )?session( id)?|visit ?id",),
    "page": ("uri|url|page( url| path)?|path",),
    "device": ("device( type| category)?",),
    "return_id": (f"{BACK} (id|no|nr|num|number|key|code)|rma",),
    "returned_at": (f"{BACK} ?(at|on|date|time|timestamp|day)( time)?",),
    "return_amount": (f"{BACK} ?(total|amount|value|sum|price)|(total|amount|value) {BACK}",),
    "return_status": (f"{BACK} ?(status|state)|returned|refunded",),
    "consent": (
        "(double|confirmed) ?opt ?in",
        "((e ?mail|marketing) )*(consent|opt ?in|opted in|subscription|marketing|permission|newsletter|e ?mail)( opt ?in| status| state| given| granted| consent)?",
        "(is )?subscribed|accepts( e ?mail)? marketing|granted|agreed|subscriber status",
        ON_A_LIST,
    ),
    "withdrawn_at": (
        "(unsubscri(bed|ption)|opt(ed)? out|withdrawn|revoked|withdrawal|consent withdrawn|sign ?off) ?(at|on|date|time|timestamp)",
    ),
    # Not to be written to, whatever else is said: a word or a moment.
    "refuses_marketing": (
        "((is|has|was|email|e mail|marketing|newsletter|global) )*(black ?listed|block ?listed|suppressed|unsubscribed?|opt(ed)? ?out|complained"
        "|suppressions?( reason)?|(hard )?bounced?|do not (e ?mail|mail|contact)|no ?(e ?mails?|marketing|newsletter))( (at|on|date|time|status|flag|email))*",
    ),
    "consent_at": (
        "change status at|((e ?mail|marketing) )*(consent(ed)?|subscri(bed|ption)|opt(ed)? in|newsletter|permission|granted|agreed) ?(at|on|date|time|timestamp)",
    ),
    # Fivetran's, Airbyte's, Singer's, dlt's and Debezium's marks, and what shops call theirs.
    "deleted_at": (
        "((fivetran|ab cdc|sdc|dlt|soft|is) )?deleted( (at|on|date|time|timestamp|flag))?|(deletion|delete) (date|time|timestamp|flag)",
        "date deleted|(is|was) removed|removed (at|on)",
    ),
    "purpose": ("(consent |processing )?purpose( name)?|(consent|permission|subscription) (type|name)|(mailing )?list( name)?|topic",),
}
# Whose addresses are not the customer's.
OTHERS = r"\b(rep|agent|staff|employee|seller|vendor|supplier|merchant|manager|owner|from|sender|support|refer\w*|friend|recipient)\b"
MOMENTS = {"ordered_at", "created_at", "happened_at", "consent_at", "withdrawn_at", "returned_at"}
AMOUNTS = {
    "discount_share",
    "quantity",
    "unit_price",
    "line_amount",
    "discount_amount",
    "order_discount_amount",
    "total_amount",
    "items_count",
    "price",
    "unit_cost",
    "stock",
    "return_amount",
    "refunded_amount",
}
# What a table of a kind is told by: the words of its name, and the columns that it needs, each one of several.
KINDS: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "events": (r"events?|clicks?|views|behaviou?r|sessions?", (("visitor_id",), ("happened_at",), ("event",))),
    "returns": (
        r"returns?|returned|refunds?|refunded|(credit|order) (notes?|memos?|slips?)|rmas?",
        (("order_id", "customer_id"), ("returned_at", "return_amount", "return_id", "return_status")),
    ),
    "lines": (
        r"(order|line|transaction|invoice|sales?)? ?(items?|lines?|details?|products)|sales|transactions?|retail|invoices?",
        (("order_id",), ("product_id", "product_name", "category"), ("quantity", "unit_price", "line_amount")),
    ),
    "purchases": (
        r"transactions?|sales|purchases?|orders?",
        (("customer_id",), ("ordered_at",), ("unit_price", "line_amount", "quantity")),
    ),
    "orders": (r"orders?|transactions?|invoices?|sales|receipts?|purchases?", (("order_id",), ("customer_id", "email"), ("ordered_at",))),
    "customers": (
        r"customers?|users?|members?|clients?|people|persons?|contacts?|accounts?|profiles?|buyers?|shoppers?|demographics?",
        (
            ("customer_id",),
            ("email", "full_name", "first_name", "city", "country", "gender", "birth_date", "region", "postal_code", "created_at"),
        ),
    ),
    "products": (
        r"products?|items?|articles?|catalog(ue)?|inventory|skus?|goods|menu",
        (("product_id",), ("product_name", "category", "price", "brand")),
    ),
    "consents": (
        r"newsletters?|subscri\w+|consents?|opt ?ins?|opt ?outs?|unsubscri\w+|permissions?|suppress\w+|mailing list",
        (("customer_id", "email"), ("consent", "consent_at", "listed_at", "withdrawn_at")),
    ),
}
# What plain headers mean in a table whose name says what it is: kind, words of the name where only some are meant, column → header.
CALLED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("orders", "", {"order_id": "id|entity id"}),
    ("customers", "", {"customer_id": "id|entity id"}),
    ("products", "", {"product_id": "id|entity id", "product_name": "name|title", "category": "categories"}),
    ("lines", "", {"line_number": "id"}),
    (
        "returns",
        "",
        {"return_id": "id", "returned_at": WHEN, "return_amount": "amount|total|value|price|line total", "return_status": "status"},
    ),
    ("consents", r"unsubscri\w+|opt ?outs?|suppress\w+", {"withdrawn_at": WHEN}),
    ("consents", "", {"consent": "status|state|answer|value", "consent_at": WHEN}),
)

# Columns that are asked for first: what they leave is what the others may take.
FIRST = (
    "order_id",
    "login_id",
    "visitor_id",
    "customer_id",
    "ordered_at",
    "happened_at",
    "event",
    "product_id",
    "email",
    "quantity",
    "unit_price",
    "price",
)
