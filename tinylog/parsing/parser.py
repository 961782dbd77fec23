"""The parser: bytes of whole lines to event ids, by seeds, then Drain or Spell, behind three caches.

    line -zeroed-> line -cache-> id                                       nearly every line ends here
                    +-canonical, reduced-> key -cache-> id                numbers of other lengths, another UUID
                                            +-content_of-> content -cache-> id        another header
                                                            +-seeds-> id              templates of the user
                                                            +-tokens-> words -Drain, Spell-> id

Each step sees only what the one before leaves of the canonical key, so the id of a line is a function of that key,
with the caches or without them. What a cache does not know goes to the next step as one chunk. Seeds are matched
letter by letter, so where there are any, keys keep their identifiers.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..records import FIRST_EVENT, UNKNOWN, Template
from .cached import Cache
from .canonical import canonical, reduced, zeroed
from .drain import ANY, Drain
from .masks import WILDCARD
from .seeds import Seeds
from .spell import Spell, shown
from .templates import pieces, values
from .tokens import Line, Tokeniser, Words

ContentOf = Callable[[bytes], bytes]
KINDS = ("drain", "spell")


@dataclass(frozen=True)
class Bounds:
    """What a parser may grow to, whatever the log."""

    max_templates: int = 20_000  # before `freeze`, seeds included
    max_newcomers: int = 1_000  # after it
    max_children: int = 200  # first words told apart, per number of words
    max_tokens: int = 128  # of a line; the rest is one <*>
    cache_entries: int = 65_536  # of each of the three caches
    cache_bytes: int = 16 << 20


class Parser:
    """Event ids of lines. `templates[event_id]` is the text of an event; 0 and 1 are PAD and UNKNOWN, the seeds follow.

    `content_of` strips the header of a canonical line (default: there is none). `counters` says what was hit and what
    was full. `kind`: "drain" or "spell". Raises InputError where two seeds share a name, ConfigError for another kind; an
    unknown bound is a TypeError.
    """

    def __init__(self, content_of: ContentOf | None = None, seeds: Sequence[Template] = (), kind: str = "drain", **bounds: int) -> None:
        if kind not in KINDS:
            raise ConfigError(f"no parser named {kind!r}; there are: {', '.join(KINDS)}")
        self.kind = kind
        self.bounds = Bounds(**bounds)
        self.counters: Counter[str] = Counter()
        self.templates: list[Template] = [Template("PAD", ""), Template("UNKNOWN", ""), *seeds]
        self._content_of = content_of
        self._seeds, self._first_learned = Seeds(seeds), len(self.templates)
        self._frozen_at: int | None = None
        self.version = 0  # grows whenever a template comes or changes
        self.added: list[tuple[int, Words]] = []  # what was learned since `freeze`, in order; see newcomers.py
        self.free: list[int] = []  # ids of newcomers that were forgotten
        self.met = 0  # newcomers, also those that were forgotten
        self._tokens = Tokeniser(self.bounds.max_tokens)
        self._groups: Drain | Spell = Drain(self.bounds.max_children) if kind == "drain" else Spell()
        size = self.bounds.cache_entries, self.bounds.cache_bytes, self.counters
        self._lines, self._keys, self._contents = (Cache(name, *size) for name in ("line_cache", "key_cache", "content_cache"))
        self._caches = self._lines, self._keys, self._contents
        self._seeded, self._seed_names = bool(seeds), {template.name for template in seeds}

    @property
    def n_known(self) -> int:
        """Event ids below it are known: those of `freeze`, or all there are before it."""
        return len(self.templates) if self._frozen_at is None else self._frozen_at

    def learn(self, data: bytes) -> np.ndarray:
        """(N,) int32 event ids of whole lines; what matches nothing becomes a template while there is room, else
        UNKNOWN."""
        for cache in self._caches:
            cache.forget_unknown()
        return self._ids(self._learn_contents, False, data)

    def event_id(self, line: bytes) -> int:
        """What `learn` says of one line without newline, in a fifth of the time where its like is known."""
        event_id = self._lines.get(zeroed(line))
        return int(self.learn(line + b"\n")[0]) if event_id is None else event_id

    def match(self, data: bytes) -> np.ndarray:
        """(N,) int32 event ids of whole lines, UNKNOWN where nothing matches. Changes nothing but the caches."""
        return self._ids(self._match_contents, True, data)

    def consolidate(self) -> dict[int, int]:
        """Join the events that are one, now that all is seen, and number them anew without gaps: old ids to new.
        Part of training.

        What was learned as `i` matches as `new[i]` from here on. Raises ValueError behind `freeze`: known ids never
        shift.
        """
        if self._frozen_at is not None:
            raise ValueError("consolidate() comes before freeze()")
        self._groups.settle()
        root = list(range(len(self.templates)))
        text_of = list(root)
        for event, wider in self._groups.merges():
            a, b = _root(root, event), _root(root, wider)
            low, high = min(a, b), max(a, b)
            root[high], text_of[low] = low, text_of[b]
        kept = [event for event in range(len(root)) if root[event] == event]
        place = {event: i for i, event in enumerate(kept)}
        texts = [self.templates[text_of[event]].text for event in kept]
        del self.templates[self._first_learned:]
        for text in texts[self._first_learned:]:
            self._append(text)
        new = {event: place[_root(root, event)] for event in range(len(root))}
        self._groups = self._groups.renumbered(new)
        for cache in self._caches:
            cache.clear()
        return new

    def freeze(self) -> None:
        """From here on all templates stay as they are and are known; `learn` only adds newcomers, with ids from
        `n_known` on."""
        self._frozen_at = len(self.templates)

    def introduce(self, template: Template) -> int:
        """The id of an event that comes as a name, from a file of event ids: no line matches it. UNKNOWN where there is no room."""
        if self._full():
            self.counters["templates_full"] += 1
            return UNKNOWN
        self.version += 1
        self.templates.append(template)
        return len(self.templates) - 1

    def values(self, content: bytes, event_id: int) -> list[bytes]:
        """What stands in the original content at each <*> of the event's template, in order; [] where it does not
        match.

        A line whose values are placed otherwise than the template shows has all that stands between the event's words.
        """
        found = values(pieces(self.templates[event_id].text.encode()), content)
        if found is not None or event_id < self._first_learned:
            return found or []
        for words in self._groups.of(event_id):
            text = WILDCARD.join([b"", *[WILDCARD if word == ANY else word for word in words], b""])
            found = values(pieces(text), content)
            if found is not None:
                return [value for value in found if value]
        return []

    def to_json(self) -> dict[str, Any]:
        """All that it needs to match the same, as JSON values; small where there are few templates."""
        return {
            "kind": self.kind,
            "bounds": asdict(self.bounds),
            "n_seeds": self._first_learned - FIRST_EVENT,
            "frozen_at": self._frozen_at,
            "templates": [list(template) for template in self.templates[FIRST_EVENT:]],
            "patterns": [[event, _to_text(pattern)] for pattern, event in self._groups.patterns],
            "words": [[event, _to_text(words)] for words, event in self._groups.events.items()],
        }

    @classmethod
    def from_json(cls, state: dict[str, Any], content_of: ContentOf | None = None) -> Parser:
        """The parser that `to_json` described. Raises KeyError, TypeError or ValueError for what it did not write."""
        if not all(type(bound) is int and 0 <= bound < 1 << 31 for bound in state["bounds"].values()):
            raise ValueError("a bound is no whole number that can be")
        templates = [Template(name, text) for name, text in state["templates"]]
        for text in chain.from_iterable(templates):
            str.encode(text)  # TypeError for what is no text, ValueError for half of a surrogate pair
        kind = state.get("kind", "drain")  # the first models do not say
        parser = cls(content_of, templates[:state["n_seeds"]], kind, **state["bounds"])
        parser.templates += templates[state["n_seeds"]:]
        parser._frozen_at = state["frozen_at"]
        for event, text in state["patterns"] + state["words"]:
            if not parser._first_learned <= event < len(parser.templates):
                raise ValueError(f"event {event} has no template")
            parser._groups.add(tuple(text.encode("latin-1").split(b" ")) if text else (), event)
        return parser

    def _ids(self, parse: Callable[[list[bytes]], list[int]], keep_unknown: bool, data: bytes) -> np.ndarray:
        def of_contents(contents: list[bytes]) -> list[int]:
            self.counters["parsed"] += len(contents)
            return parse(contents)

        def of_keys(keys: list[bytes]) -> list[int]:
            if self._content_of is None:
                return of_contents(keys)
            return self._contents.ids(list(map(self._content_of, keys)), of_contents, keep_unknown)

        def of_lines(lines: list[bytes]) -> list[int]:
            keys = canonical(b"\n".join(lines))
            return self._keys.ids((keys if self._seeded else reduced(keys)).split(b"\n"), of_keys, keep_unknown)

        lines = zeroed(data).split(b"\n")
        lines.pop()  # what stands behind the last newline
        return np.fromiter(self._lines.ids(lines, of_lines, keep_unknown), np.int32, len(lines))

    def _match_contents(self, contents: list[bytes]) -> list[int]:
        return [UNKNOWN if event is None else event for event, _ in self._matched(contents)]

    def _learn_contents(self, contents: list[bytes]) -> list[int]:
        return [self._learned(raw) if event is None else event for event, raw in self._matched(contents)]

    def _matched(self, contents: list[bytes]) -> Iterator[tuple[int | None, list[bytes]]]:
        """Of each content the event, UNKNOWN where there is nothing, None where nothing matches; and its tokens. The words of all are
        found at once, their events one by one, as what is learned from one may match the next."""
        raws, match = self._tokens.split(contents), self._groups.match
        seeds = map(self._seeds.match, contents) if self._seeded else repeat(None)
        for raw, words, seed in zip(raws, self._tokens.words(raws), seeds):
            yield (match(words) if seed is None else FIRST_EVENT + seed) if raw else UNKNOWN, raw

    def _learned(self, raw: list[bytes]) -> int:
        """A new event for what matches nothing, or one that is widened."""
        if self._full():
            self.counters["templates_full"] += 1
            return UNKNOWN
        line = self._tokens.line(raw)
        first_open = self._first_learned if self._frozen_at is None else self._frozen_at
        pattern, event = self._groups.propose(line.words, first_open)
        text = _text(line, pattern) if self.kind == "drain" else shown(line, pattern)
        self.version += 1
        if event is None:
            event = self._append(text)
        else:
            self.templates[event] = self.templates[event]._replace(text=text)
        self._groups.see(line, event)
        for words in (line.words,) if pattern == line.words else (line.words, pattern):
            self._groups.add(words, event)
            if self._frozen_at is not None:
                self.added.append((event, words))
        return event

    def _full(self) -> bool:
        if self._frozen_at is None:
            return len(self.templates) >= self.bounds.max_templates
        return len(self.templates) - self._frozen_at - len(self.free) >= self.bounds.max_newcomers

    def _append(self, text: str) -> int:
        """The id of a new template. It is called by its id (as long as none was forgotten), unless a seed has that name: then with a
        plus in front.
        """
        name = str(len(self.templates) if self._frozen_at is None else self._frozen_at + self.met)
        self.met += self._frozen_at is not None
        template = Template("+" + name if name in self._seed_names else name, text)
        if self.free:
            event = self.free.pop()
            self.templates[event] = template
            return event
        self.templates.append(template)
        return len(self.templates) - 1


def _text(line: Line, pattern: Words) -> str:
    """The masked tokens as the text of a template, with <*> where the pattern takes any word."""
    shown = line.tokens
    if ANY in pattern:
        shown, of_words = list(shown), iter(pattern)
        for i, word in enumerate(line.kept):
            if word and next(of_words) == ANY:
                shown[i] = word[:word.find(b"=") + 1] + WILDCARD  # user=root: its name stays
    return b" ".join(shown).decode("utf-8", "backslashreplace")


def _to_text(words: Words) -> str:
    return b" ".join(words).decode("latin-1")  # any byte has a character


def _root(parents: list[int], event: int) -> int:
    while parents[event] != event:
        event = parents[event]
    return event
