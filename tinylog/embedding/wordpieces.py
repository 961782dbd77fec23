"""Word pieces (Wu 2016; BERT): a text as ids of a vocabulary in which every word can be spelled.

    "chdir failed"  ->  [CLS] ch ##dir failed [SEP]      a piece within a word begins with ##

A word is cut from its beginning, each time by the longest piece there is; one that cannot be cut is [UNK]. The vocabulary
is that of a BERT (vocab.txt, a piece a line), or is learned: it begins with all characters, and the two neighbours that
are together most often become a piece, until there are enough pieces or every word is one.
"""
from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import InputError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_LETTERS = 100  # of a word, as in BERT: a longer one is [UNK]


class WordPieces:
    """A vocabulary. `pieces[id]` is the text of a piece; `pad`, `unknown`, `begin`, `end` and `mask` are ids."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """InputError where one of the five special pieces is missing."""
        self.pieces = list(pieces)
        self._id = {piece: i for i, piece in enumerate(self.pieces)}
        missing = [piece for piece in SPECIAL if piece not in self._id]
        if missing:
            raise InputError(f"the vocabulary of {len(self.pieces)} word pieces lacks {', '.join(missing)}")
        self.pad, self.unknown, self.begin, self.end, self.mask = (self._id[piece] for piece in SPECIAL)
        self._longest = max(map(len, self.pieces))
        self._words: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.pieces)

    @classmethod
    def learn(cls, texts: Iterable[str], n: int) -> WordPieces:
        """At most n pieces (more only if there are more characters), from the words of the texts."""
        counts = Counter(word for text in texts for word in text.split() if len(word) <= MAX_LETTERS)
        return cls([*SPECIAL, *_merged(counts, n - len(SPECIAL))])

    @classmethod
    def read(cls, path: str | os.PathLike) -> WordPieces:
        """A vocab.txt. InputError where it cannot be read or is none."""
        try:
            with open(path, encoding="utf-8", newline="\n") as file:
                return cls([line.rstrip("\r\n") for line in file])
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the vocabulary {os.fspath(path)} cannot be read: {error}") from None
        except InputError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from None

    def ids(self, text: str) -> list[int]:
        """The pieces of a text's words, without [CLS] and [SEP]."""
        return [i for word in text.split() for i in self._word(word)]

    def encode(self, texts: Sequence[str], tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """ids (n, L) int32 with [CLS] and [SEP], [PAD] behind, L at most `tokens`; and which texts lost their end, (n,) bool."""
        rows = [self.ids(text) for text in texts]
        room = tokens - 2
        ids = np.full((len(rows), 2 + min(room, max(map(len, rows), default=0))), self.pad, np.int32)
        for out, row in zip(ids, rows):
            row = [self.begin, *row[:room], self.end]
            out[:len(row)] = row
        return ids, np.array([len(row) > room for row in rows], bool)

    def _word(self, word: str) -> list[int]:
        found = self._words.get(word)
        if found is None:
            found = self._words[word] = self._cut(word)
        return found

    def _cut(self, word: str) -> list[int]:
        """Greedy, longest match first."""
        ids: list[int] = []
        begin = 0
        while begin < len(word) <= MAX_LETTERS:
            start = "##" if begin else ""
            ends = range(min(len(word), begin + self._longest), begin, -1)
            end = next((end for end in ends if start + word[begin:end] in self._id), None)
            if end is None:
                return [self.unknown]
            ids.append(self._id[start + word[begin:end]])
            begin = end
        return ids or [self.unknown]


def _merged(counts: Counter[str], n: int) -> list[str]:
    """Characters, then pieces in the order in which they were made; ties by alphabet, so that it is reproducible."""
    words = [[letter if i == 0 else "##" + letter for i, letter in enumerate(word)] for word in counts]
    often = list(counts.values())
    pieces = dict.fromkeys(sorted({piece for word in words for piece in word}))
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)  # words that have, or had, the pair
    for i, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += often[i]
            where[pair].add(i)
    while len(pieces) < n and pairs:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = best[0] + best[1].removeprefix("##")
        pieces[joined] = None
        for i in where.pop(best):
            before, words[i] = words[i], _joined(words[i], best, joined)
            for pair in zip(before, before[1:]):
                pairs[pair] -= often[i]
            for pair in zip(words[i], words[i][1:]):
                pairs[pair] += often[i]
                where[pair].add(i)
        pairs = +pairs  # without those that no word has any more
    return list(pieces)


def _joined(word: list[str], pair: tuple[str, str], joined: str) -> list[str]:
    """The word with each occurrence of the pair as one piece."""
    result: list[str] = []
    i = 0
    while i < len(word):
        both = tuple(word[i:i + 2]) == pair
        result.append(joined if both else word[i])
        i += 1 + both
    return result
