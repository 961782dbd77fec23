"""Word vectors in NumPy alone: counts, PPMI, truncated SVD (Levy, Goldberg, Dagan, TACL 2015).

    C[w, c]  how often word c stands within `window` words of w, w itself included
    N[g, c]  the sum of C over the words that have the n-gram g (hashed to a bucket as fastText does)
    M = max(0, log(P(row, c) / (P(row) P(c)**0.75 / Z)))      of C above N
    M = U S V',  the vector of a row is U sqrt(S)

A word's vector is the mean of its own row and those of its n-grams, so words of similar use and of similar spelling are
near, and an unknown word gets one from its n-grams. Nothing is drawn: there is no seed.
"""
from __future__ import annotations

from collections import Counter
from typing import Iterable, Sequence

import numpy as np

from ..embedding.subwords import ngram_rows
from ..embedding.vectors import Vectors
from .pca import with_fixed_signs

MAX_WORDS = 2000  # the most frequent; the others get their vectors from n-grams. Bounds time and memory of the SVD


def ppmi_vectors(sentences: Iterable[Sequence[str]], dim: int, *, minn: int, maxn: int, n_buckets: int,
                 window: int = 5) -> Vectors:
    """Vectors (dim,) of the words of the sentences. Components that the data do not have are zero."""
    repeated = Counter(map(tuple, sentences))
    frequency: Counter[str] = Counter()
    for sentence, times in repeated.items():
        frequency.update({word: times * n for word, n in Counter(sentence).items()})
    words = [word for word, _ in sorted(frequency.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS]]
    together = _counts(repeated, words, window)  # (V, V)
    grams = [ngram_rows(word, minn, maxn, n_buckets) for word in words]
    shared = np.zeros((n_buckets, len(words)))  # (S, V)
    for row, buckets in zip(together, grams):
        np.add.at(shared, buckets, row)
    table = _truncated_svd(_ppmi(np.concatenate([together, shared])), dim)  # (V + S, dim)
    word_table = [table[[i, *(len(words) + buckets)]].mean(0) for i, buckets in enumerate(grams)]
    return Vectors(words, np.array(word_table).reshape(len(words), dim), table[len(words):], minn, maxn)


def _counts(sentences: Counter[tuple[str, ...]], words: list[str], window: int) -> np.ndarray:
    index = {word: i for i, word in enumerate(words)}
    counts = np.zeros((len(words), len(words)))
    for sentence, times in sentences.items():
        ids = np.array([index[word] for word in sentence if word in index], np.int64)
        np.add.at(counts, (ids, ids), times)
        for distance in range(1, window + 1):
            np.add.at(counts, (ids[:-distance], ids[distance:]), times)
            np.add.at(counts, (ids[distance:], ids[:-distance]), times)
    return counts


def _ppmi(counts: np.ndarray) -> np.ndarray:
    rows, columns = counts.sum(1, keepdims=True), counts.sum(0) ** 0.75
    expected = rows * (columns / max(columns.sum(), 1e-30))
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=counts > 0)
    return np.log(np.maximum(ratio, 1))


def _truncated_svd(matrix: np.ndarray, dim: int) -> np.ndarray:
    """U sqrt(S), (rows, dim), from the eigenvectors of the small side."""
    squares, directions = np.linalg.eigh(matrix.T @ matrix)  # ascending
    real = np.flatnonzero(squares > 1e-12 * squares.max(initial=0))[::-1][:dim]
    vectors = np.zeros((len(matrix), dim))
    vectors[:, :len(real)] = matrix @ with_fixed_signs(directions[:, real].T).T / squares[real] ** 0.25
    return vectors
