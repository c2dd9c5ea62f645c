"""What to show whom next, and why. See docs/recommendations.md."""

from ml.recommendations.ranker import Ranker, Settings
from ml.recommendations.reasons import SENTENCES, sentence
from ml.recommendations.recommend import STRATEGIES, Recommendations, Request, recommend
from ml.recommendations.rules import Preferences, Rules

__all__ = [
    "SENTENCES",
    "STRATEGIES",
    "Preferences",
    "Ranker",
    "Recommendations",
    "Request",
    "Rules",
    "Settings",
    "recommend",
    "sentence",
]
