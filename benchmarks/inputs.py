"""Lines to measure with: the real logs of ../shared/data, repeated to size, their numbers redrawn in each repetition.

A repetition maps the ten digits of all contents by one permutation: addresses, block ids and sizes are others, lines of one session
stay together, headers stay as they are. What is not real, the never-seen words, is named so.
"""
from __future__ import annotations

import gzip
import random
import re
import string
import uuid
from collections.abc import Sequence
from functools import lru_cache

from train_ref.datasets import find

from tinylog.reading.formats import FORMATS

FILES = {"hdfs": "hdfs/raw_dev/HDFS_raw_dev.log.gz", "bgl": "bgl/BGL_first100k.log.gz", "openstack": "loghub2k/OpenStack_2k.log.gz",
         "iotdb": "throughput/iotdb_60k.log.gz", "linux": "throughput/linux_25k.log.gz"}
FORMAT_OF = {"hdfs": "hdfs", "bgl": "bgl", "openstack": "openstack", "iotdb": "logback", "linux": "syslog"}
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@lru_cache(maxsize=3)
def lines(name: str, n: int, seed: int = 0) -> tuple[bytes, ...]:
    """n lines of a log, without newlines: real ones first, then repetitions."""
    with gzip.open(find(FILES[name])) as file:
        real = file.read().splitlines()
    form, rng, made = FORMATS[FORMAT_OF[name]], random.Random(seed), list(real[:n])
    heads = [line[:len(line) - len(form.content(line))] for line in real]
    while len(made) < n:
        digits = list(b"0123456789")
        rng.shuffle(digits)
        table = bytes.maketrans(b"0123456789", bytes(digits))
        made += [head + line[len(head):].translate(table) for head, line in zip(heads, real)]
    return tuple(made[:n])


def with_new_words(some: tuple[bytes, ...], share: float, seed: int = 0) -> list[bytes]:
    """The same lines, in `share` of which one word, the middle one, is letters that occur nowhere else."""
    rng, changed = random.Random(seed), []
    for line in some:
        if rng.random() < share:
            words = line.split(b" ")
            words[len(words) // 2] = "".join(rng.choices(string.ascii_lowercase, k=10)).encode()
            line = b" ".join(words)
        changed.append(line)
    return changed


def with_new_uuids(some: Sequence[bytes], seed: int = 0) -> list[bytes]:
    """The same lines, each UUID one that occurs nowhere else."""
    rng = random.Random(seed)
    return [_UUID.sub(lambda _: str(uuid.UUID(int=rng.getrandbits(128))).encode(), line) for line in some]


def adversarial(n: int, seed: int = 0) -> dict[str, list[bytes]]:
    """Lines that nobody logs: what a parser would rather not see."""
    rng = random.Random(seed)
    word = lambda k: "".join(rng.choices(string.ascii_letters, k=k))  # noqa: E731
    prefix = "request of service gateway was handled by"
    return {"all different": [" ".join(word(6) for _ in range(8)).encode() for _ in range(n)],
            "very long": [(" ".join(word(5) for _ in range(40)) + " x" * 2000).encode() for _ in range(n // 50)],
            "one token": [word(12).encode() for _ in range(n)],
            "a UUID in every line": [b"instance " + str(uuid.UUID(int=rng.getrandbits(128))).encode() + b" destroyed" for _ in range(n)],
            "a thousand templates with one prefix": [f"{prefix} handler{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)} in {rng.randrange(9999)} ms".encode()
                                                     for i in (rng.randrange(1000) for _ in range(n))]}


def as_file(some: list[bytes] | tuple[bytes, ...]) -> bytes:
    """The bytes of a log file."""
    return b"\n".join(some) + b"\n"
