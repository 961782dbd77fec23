"""Where a parser kept apart what is probably one event: templates that differ in one word, and in that place have many.

Such a word is a value that no mask knows and the statistics did not settle: a user's name, a colour, a queue.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

WILDCARD = "<*>"
LEAST_WORDS = 5  # in one place, that it counts as variable
LEAST_CONSTANT = 2  # words of the template besides
MOST_TEMPLATES, MOST_TOKENS = 5000, 64


class Place(NamedTuple):
    """A place of a template where there should be a <*>."""

    template: str  # with <*> in that place
    words: tuple[str, ...]  # that stand there
    events: tuple[int, ...]  # the templates, by their index


def unmasked(texts: Sequence[str]) -> list[Place]:
    """The places with most words first; each template is in one place at most."""
    places: dict[tuple[int, tuple[str, ...]], dict[str, int]] = defaultdict(dict)
    for event, text in enumerate(texts[:MOST_TEMPLATES]):
        tokens = text.split()
        if LEAST_CONSTANT < len(tokens) <= MOST_TOKENS:
            for i, token in enumerate(tokens):
                if token != WILDCARD:
                    places[i, (*tokens[:i], WILDCARD, *tokens[i + 1:])].setdefault(token, event)
    found, taken = [], set()
    for (_, tokens), words in sorted(places.items(), key=lambda place: -len(place[1])):
        left = {word: event for word, event in words.items() if event not in taken}
        constant = sum(WILDCARD not in token for token in tokens)
        if len(left) >= LEAST_WORDS and constant >= LEAST_CONSTANT:
            taken.update(left.values())
            found.append(Place(" ".join(tokens), tuple(left), tuple(left.values())))
    return found
