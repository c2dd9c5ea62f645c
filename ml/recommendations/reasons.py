"""Why a product is shown: a short code for machines, a sentence for the mail; neither says anything about a person."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "bought_before": "you have bought this before",
    "viewed_before": "you looked at this",
    "due_again": "it may be time for this again",
    "bought_with_yours": "often chosen together with what you have",
    "chosen_with_viewed": "often chosen together with what you looked at",
    "taste_like_yours": "chosen by people with a taste like yours",
    "popular_now": "much bought at the moment",
    "new_arrival": "new, and like what you chose before",
    "similar_to_bought": "similar to what you bought",
    "similar_to_viewed": "similar to what you looked at",
    "goes_with_order": "bought with what you ordered",
    "trending": "trending in the shop",
    "trending_category": "trending in a category you like",
    "shop_choice": "picked for you by the shop",
}

# A reason's number, as the rows of millions of lists hold it.
NUMBER = {code: number for number, code in enumerate(SENTENCES)}


def sentence(code: str) -> str:
    """The sentence of a reason code; an unknown code is a KeyError."""
    return SENTENCES[code]
