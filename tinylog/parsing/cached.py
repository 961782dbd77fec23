"""The fast path in front of any parser: a key that was seen has its id in a dict. Bounded in entries and in bytes.

A whole chunk is answered by one `map` over its keys; those that are not there are asked for together, each once a chunk.
Where nearly none is there the cache only costs: it stands aside for a while, and then tries again.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import compress, repeat
from operator import not_

from ..records import PAD, UNKNOWN

_ENTRY_BYTES = 120  # a slot of the dict and the head of a bytes object
SAMPLE, _POOR, REST = 8192, 0.1, 16  # with fewer than _POOR hits among SAMPLE keys it lets REST times as many pass

Parse = Callable[[list[bytes]], list[int]]


class Cache:
    """Key to event id. When it is full it starts anew, counted as `<name>_full`: a log that never repeats costs an
    insertion a line.

    UNKNOWN is remembered while nothing is learned: `forget_unknown` comes before learning, which does not keep it.
    """

    def __init__(self, name: str, max_entries: int, max_bytes: int, counters: Counter[str]) -> None:
        self.name, self.max_entries, self.max_bytes, self.counters = name, max_entries, max_bytes, counters
        self._hits = name + "_hits"
        self._ids: dict[bytes, int] = {}
        self._bytes = 0
        self._unknown = False  # whether any entry says UNKNOWN
        self._asked = self._found = 0  # keys, and hits, of the sample
        self._aside = 0  # keys to let pass

    def ids(self, keys: list[bytes], parse: Parse, keep_unknown: bool) -> list[int]:
        """The event ids of the keys, of those not here by asking `parse`."""
        if self._aside > 0:
            self._aside -= len(keys)
            self.counters[f"{self.name}_aside"] += len(keys)
            return parse(keys)
        ids = list(map(self._ids.get, keys, repeat(PAD)))
        if all(ids):
            self.counters[self._hits] += len(keys)
            return ids
        absent = list(compress(keys, map(not_, ids)))
        self.counters[self._hits] += len(keys) - len(absent)
        self.counters[f"{self.name}_misses"] += len(absent)
        fresh = dict.fromkeys(absent)
        fresh.update(zip(fresh, parse(list(fresh))))
        self.put(fresh if keep_unknown else {key: event_id for key, event_id in fresh.items() if event_id != UNKNOWN})
        self._judge(len(keys), len(keys) - len(fresh))
        answers = map(fresh.__getitem__, absent)
        return [event_id or next(answers) for event_id in ids]

    def get(self, key: bytes) -> int | None:
        """The id of one key, None where it is not here or unknown: then `ids` is to be asked."""
        event_id = self._ids.get(key)
        if event_id is None or event_id == UNKNOWN:
            return None
        self.counters[self._hits] += 1
        self._asked += 1
        self._found += 1
        return event_id

    def put(self, fresh: dict[bytes, int]) -> None:
        """Remember ids of keys that are not here; more than the bounds alone allow are not kept."""
        size = _size(fresh)
        if len(fresh) > self.max_entries or size > self.max_bytes:
            return
        if len(self._ids) + len(fresh) > self.max_entries or self._bytes + size > self.max_bytes:
            self.clear()
            self.counters[f"{self.name}_full"] += 1
        self._bytes += size
        self._ids.update(fresh)
        self._unknown = self._unknown or UNKNOWN in fresh.values()

    def _judge(self, asked: int, found: int) -> None:
        self._asked, self._found = self._asked + asked, self._found + found
        if self._asked >= SAMPLE:
            self._aside = REST * self._asked if self._found < _POOR * self._asked else 0
            self._asked = self._found = 0

    def forget_unknown(self) -> None:
        """Drop the keys that are unknown: what is learned next may match them."""
        if self._unknown:
            self._ids = {key: event_id for key, event_id in self._ids.items() if event_id != UNKNOWN}
            self._bytes = _size(self._ids)
            self._unknown = False

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._bytes, self._unknown = 0, False


def _size(ids: dict[bytes, int]) -> int:
    return sum(map(len, ids)) + _ENTRY_BYTES * len(ids)
