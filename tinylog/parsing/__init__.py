"""Lines to event ids: canonical keys, caches, seeds, Drain and Spell. `Parser` has the two verbs: `match` and `learn`."""
from .parser import Parser

__all__ = ["Parser"]
