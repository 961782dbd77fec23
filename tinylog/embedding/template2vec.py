"""template2vec (Meng et al., IJCAI 2019): the vector of a template is the mean of the vectors of its words.

    v(template) = sum over its n words of E[word] / n                     E is centred: an average template has a v of 0
    cos(template, known) = v . k / (|k| sqrt(|v|^2 + u r^2 / n^2))        u words without a vector; r, the mean |E[word]|

A word without a vector counts as orthogonal to all others: a template of which half is known is nobody's twin. Words
are kept as FNV-1a hashes, not as text. What E is learned from is prepared here, pairs of words and what the lists of
contrast.py say; the learning itself is in detectors/loganomaly.py.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .contrast import ANTONYMS, SYNONYMS, opposed
from .subwords import fnv1a
from .words import words as words_of


class Lesson(NamedTuple):
    """What skip-gram and contrast are learned from: V words, P pairs, C contrasts."""

    words: list[str]  # those of the templates first, then listed partners of them
    shares: np.ndarray  # (V,) float64, how often each is drawn as a negative
    pairs: np.ndarray  # (P, 2) int64: a word, and one at most `span` words from it
    weights: np.ndarray  # (P,) float32
    contrasts: np.ndarray  # (C, 2) int64: synonyms or antonyms
    signs: np.ndarray  # (C,) float32: 1 for synonyms, -1 for antonyms


def lesson(texts: Sequence[str], counts: np.ndarray, span: int) -> Lesson:
    """Of n templates and how often each occurred (n,); a template weighs log(1 + that)."""
    sentences = [words_of(text) for text in texts]
    index = {word: i for i, word in enumerate(dict.fromkeys(word for sentence in sentences for word in sentence))}
    own = len(index)
    listed = [(pair, sign) for some, sign in ((SYNONYMS, 1), (ANTONYMS, -1)) for pair in some
              if pair[0] in index or pair[1] in index]
    for pair, _ in listed:
        for word in pair:
            index.setdefault(word, len(index))
    pairs, weights, total = [], [], np.zeros(len(index))
    for sentence, weight in zip(sentences, np.log1p(counts)):
        ids = [index[word] for word in sentence]
        np.add.at(total, ids, weight)
        near = [(a, b) for i, a in enumerate(ids) for j, b in enumerate(ids) if 0 < abs(i - j) <= span]
        pairs += near
        weights += [weight] * len(near)
    shares = total ** 0.75
    contrasts = np.array([[index[word] for word in pair] for pair, _ in listed], np.int64).reshape(-1, 2)
    return Lesson(list(index), shares / shares[:own].sum() if own else shares, np.array(pairs, np.int64).reshape(-1, 2),
                  np.array(weights, np.float32), contrasts, np.array([sign for _, sign in listed], np.float32))


def contrast(E: np.ndarray, pairs: np.ndarray, signs: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of - sign cos(E[a], E[b]) over pairs (C, 2), and dE (V, D): synonyms closer, antonyms further apart."""
    if not len(pairs):
        return 0.0, np.zeros_like(E)
    norms = np.maximum(np.linalg.norm(E, axis=1, keepdims=True), 1e-8)
    unit = E / norms
    a, b = unit[pairs[:, 0]], unit[pairs[:, 1]]
    cosines, share = (a * b).sum(1, keepdims=True), (-signs / len(signs))[:, None].astype(E.dtype)
    dE = np.zeros_like(E)
    # forward: cos = a . b / (|a| |b|)
    np.add.at(dE, pairs[:, 0], share * (b - cosines * a))
    np.add.at(dE, pairs[:, 1], share * (a - cosines * b))
    return float((share * cosines).sum()), dE / norms


def least_cosine(vectors: np.ndarray, least: float) -> float:
    """What a match must have: as near as half of the templates (K, D) are to what is nearest to them, and `least` anyway.

    Templates with the same vector do not count as near each other: they would be the nearest wherever a log has two.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-8)
    cosines = unit @ unit.T
    return max(least, float(np.median(np.where(cosines > 0.9999, -1, cosines).max(1))))


class WordVectors:
    """V words as sorted hashes (V,) uint32 and their vectors (V, D) float32."""

    def __init__(self, hashes: np.ndarray, E: np.ndarray):
        self.hashes, self.E = hashes, E
        self.length = float(np.linalg.norm(E, axis=1).mean()) if len(E) else 1.0

    @classmethod
    def of(cls, words: Sequence[str], E: np.ndarray, texts: Sequence[str]) -> WordVectors:
        """Centred on the mean of the texts' vectors, and of such a size that a number of a text's vector is about 1."""
        hashes = np.array([fnv1a(word.encode()) for word in words], np.uint32)
        order = np.argsort(hashes, kind="stable")
        raw = cls(hashes[order], E[order])
        vectors = np.stack([raw.vector(text)[0] for text in texts if words_of(text)])
        centre = vectors.mean(0)
        scale = float(np.sqrt(((vectors - centre) ** 2).mean()))
        return cls(raw.hashes, ((raw.E - centre) / max(scale, 1e-8)).astype(np.float32))

    def vector(self, text: str) -> tuple[np.ndarray, float]:
        """(D,) float32 of a template, and the length that it would have with vectors for all of its words. Zeros: no word is known."""
        words = words_of(text)
        asked = np.array([fnv1a(word.encode()) for word in words], np.uint32)
        rows = np.minimum(np.searchsorted(self.hashes, asked), max(len(self.hashes) - 1, 0))
        rows = rows[self.hashes[rows] == asked] if len(self.hashes) else rows[:0]
        if not len(rows):
            return np.zeros(self.E.shape[1], np.float32), 0.0
        vector = self.E[rows].sum(0) / len(words)
        unknown = len(words) - len(rows)
        return vector, float(np.sqrt(vector @ vector + unknown * (self.length / len(words)) ** 2))

    def nearest(self, text: str, known: Sequence[str], vectors: np.ndarray) -> tuple[int, float]:
        """Which of the known texts, whose vectors are (K, D), is most like this one, and their cosine; (-1, -1.0) where there is
        none but opposites of it.
        """
        words, (vector, length) = words_of(text), self.vector(text)
        if not length:
            return -1, -1.0
        cosines = vectors @ vector / np.maximum(length * np.linalg.norm(vectors, axis=1), 1e-8)
        for i in np.argsort(-cosines, kind="stable"):
            if not opposed(words, words_of(known[i])):
                return int(i), float(cosines[i])
        return -1, -1.0
