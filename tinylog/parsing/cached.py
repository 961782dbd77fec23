"""The fast path in front of any parser: a key that was seen has its id in a dict. Bounded in entries and in bytes.

A whole chunk is answered by one `map` over its keys; only keys that are not there reach the parser, each once a chunk.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import repeat

import numpy as np

from ..records import PAD, UNKNOWN

_ENTRY_BYTES = 120  # a slot of the dict and the head of a bytes object


class Cache:
    """Key to event id. When it is full it starts anew, counted as `<name>_full`: a log that never repeats costs an
    insertion a line.

    UNKNOWN is remembered while nothing is learned: `forget_unknown` comes before learning, which does not keep it.
    """

    def __init__(self, name: str, max_entries: int, max_bytes: int, counters: Counter[str]) -> None:
        self.name, self.max_entries, self.max_bytes, self.counters = name, max_entries, max_bytes, counters
        self._ids: dict[bytes, int] = {}
        self._bytes = 0
        self._unknown = False  # whether any entry says UNKNOWN

    def ids(self, keys: list[bytes], parse: Callable[[bytes], int], keep_unknown: bool) -> np.ndarray:
        """(N,) int32 event ids of the keys, of those not here by asking `parse`."""
        ids = np.fromiter(map(self._ids.get, keys, repeat(PAD)), np.int32, len(keys))
        missing = np.flatnonzero(ids == PAD)
        fresh: dict[bytes, int] = {}
        for i in missing.tolist():
            key = keys[i]
            event_id = fresh.get(key)
            if event_id is None:
                event_id = fresh[key] = parse(key)
                if keep_unknown or event_id != UNKNOWN:
                    self.put(key, event_id)
            ids[i] = event_id
        self.counters[f"{self.name}_hits"] += len(keys) - len(missing)
        self.counters[f"{self.name}_misses"] += len(missing)
        return ids

    def get(self, key: bytes) -> int:
        """The id of the key, PAD where it is not here."""
        return self._ids.get(key, PAD)

    def put(self, key: bytes, event_id: int) -> None:
        """Remember an id; a key that is too large for the bounds alone is not kept."""
        size = len(key) + _ENTRY_BYTES
        if size > self.max_bytes or not self.max_entries:
            return
        if len(self._ids) >= self.max_entries or self._bytes + size > self.max_bytes:
            self.clear()
            self.counters[f"{self.name}_full"] += 1
        self._bytes += 0 if key in self._ids else size
        self._ids[key] = event_id
        self._unknown |= event_id == UNKNOWN

    def forget_unknown(self) -> None:
        """Drop the keys that are unknown: what is learned next may match them."""
        if self._unknown:
            self._ids = {key: event_id for key, event_id in self._ids.items() if event_id != UNKNOWN}
            self._bytes = sum(map(len, self._ids)) + _ENTRY_BYTES * len(self._ids)
            self._unknown = False

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._bytes, self._unknown = 0, False
