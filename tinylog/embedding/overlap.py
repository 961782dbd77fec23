"""How alike two templates are by their words alone: the cosine of their words' weights, nothing learned but how rare each word is.

    weight of a word = log((1 + n) / (1 + how many of the n templates have it)) + 1       (IDF, Sparck Jones 1972)

A word counts half as itself and half by its first letters, so that "authenticate" is near "authentication".
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log, sqrt

from .words import words

STEM = 5  # letters


class Overlap:
    """Known templates, to be compared with."""

    def __init__(self, texts: Sequence[str]) -> None:
        """texts: of the known templates; their places in it are what `nearest` gives."""
        found = [_features(text) for text in texts]
        self._n = len(texts)
        self._has = Counter(feature for features in found for feature in features)
        self._rows: dict[str, list[tuple[int, float]]] = defaultdict(list)  # feature -> templates that have it, and its share in their length
        for i, features in enumerate(found):
            for feature, weight in self._unit(features).items():
                self._rows[feature].append((i, weight))

    def nearest(self, text: str) -> tuple[int, float] | None:
        """Place and cosine of the likest template; None where no word is shared."""
        cosines: Counter[int] = Counter()
        for feature, weight in self._unit(_features(text)).items():
            for i, other in self._rows.get(feature, ()):
                cosines[i] += weight * other
        if not cosines:
            return None
        best = max(cosines, key=lambda i: (cosines[i], -i))
        return best, min(cosines[best], 1.0)

    def _unit(self, features: dict[str, float]) -> dict[str, float]:
        """Features with their weights, of length 1."""
        weights = {feature: share * (log((1 + self._n) / (1 + self._has[feature])) + 1) for feature, share in features.items()}
        length = sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {feature: weight / length for feature, weight in weights.items()}


def _features(text: str) -> dict[str, float]:
    """Words, and beginnings of words, each with its share of a word."""
    found: dict[str, float] = {}
    for word in dict.fromkeys(words(text)):
        found[word] = found.get(word, 0) + 0.5
        found[word[:STEM] + "-"] = 0.5
    return found
