"""Left on for long with the worst of logs: memory stays flat, nothing stops it."""
import os
import random
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from tinylog.model import Model

SAME = b"blk_INFOdfs"  # letters that keys and headers are made of


def chunks(n, seed=1):
    """n chunks of 10,000 lines: words that never come again, random bytes, new sessions and old ones, a minute of log time each."""
    rng = random.Random(seed)
    letters = [c for c in range(97, 123) if c not in SAME]

    def line(i):
        words = " ".join("".join(rng.choices("aceghijmnopqrtuvwxyz", k=rng.randrange(1, 12))) for _ in range(rng.randrange(1, 12)))
        text = (words.encode(), rng.randbytes(rng.randrange(1, 80)).replace(b"\n", b"\0"), b"Receiving block", b"\xff\xfe\x00\x1b[31m")[i % 4]
        return b"260301 080000 5 INFO dfs.X: %b blk_%d\n" % (text, rng.randrange(10**15) if i % 2 else i % 500)

    base = b"".join(map(line, range(10_000)))
    for i in range(n):
        mixed = letters[:]
        rng.shuffle(mixed)
        yield base.translate(bytes.maketrans(bytes(letters), bytes(mixed))).replace(
            b"260301 080000", b"2603%02d %02d%02d00" % (1 + i // 1440, i // 60 % 24, i % 60)).replace(b"1 blk_", b"%d blk_" % i)


def resident(process):
    """MiB."""
    with open(f"/proc/{process.pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("state", [False, True])
def test_memory_stays_flat_over_a_million_random_lines(made, tmp_path, state):
    options = ["--threshold", "99", "--session-timeout", "600", "--max-sessions", "20000", *(["--state", tmp_path / "state"] if state else [])]
    command = [sys.executable, "-m", "tinylog.detect", "-m", made.model, *options]
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    sizes = []
    for chunk in chunks(30 if state else 100):
        process.stdin.write(chunk)
        sizes.append(resident(process))
    for _ in range(100):  # a line of 100 MiB
        process.stdin.write(b"x" * (1 << 20))
    process.stdin.write(b"\n")
    sizes.append(resident(process))
    process.stdin.close()
    process.wait(300)
    reader.join(60)
    process.stderr.close()
    text = said[0].decode()
    assert process.returncode == 0 and "Traceback" not in text and "1 cut lines" in text and "templates full" in text, text
    settled = len(sizes) // 3
    assert max(sizes[settled:]) - sizes[settled] < 24 and max(sizes) < 200, sizes


LINES = int(os.environ.get("TINYLOG_SOAK", 1_000_000))  # ten million take minutes: TINYLOG_SOAK=10000000


def short_lines(n, rng):
    """n lines, 10,000 a second of log time, with 1 to 8 random bytes as their message, of a million sessions."""
    rows = np.tile(np.frombuffer(b"260301 08MMSS 5 INFO dfs.X: ........ blk_DDDDDD\n", np.uint8), (10_000, 1))
    digits = np.arange(48, 58, dtype=np.uint8)
    for i in range(n // len(rows)):
        rows[:, 28:36] = rng.integers(11, 256, (len(rows), 8))  # anything that ends no line
        rows[:, 28:36][rng.integers(0, 8, len(rows))[:, None] < np.arange(8)] = 32
        rows[:, 41:47] = rng.choice(digits, (len(rows), 6))
        rows[:, 9:13] = digits[[i // 600 % 6, i // 60 % 10, i // 10 % 6, i % 10]]
        yield rows.tobytes()


@pytest.mark.slow
def test_memory_stays_flat_over_many_short_lines(made, tmp_path):
    """Caches of a sixteenth of their size are full every few thousand lines: what grows for longer than that is no cache."""
    model = Model.load(made.model)
    model.parser.bounds = replace(model.parser.bounds, cache_entries=4096)
    model.save(tmp_path / "m.tinylog")
    command = [sys.executable, "-m", "tinylog.detect", "-m", tmp_path / "m.tinylog", "--threshold", "99", "--session-timeout", "600", "--max-sessions", "5000"]
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    sizes = []
    for chunk in short_lines(LINES, np.random.default_rng(1)):
        process.stdin.write(chunk)
        sizes.append(resident(process))
    said = process.communicate(timeout=900)[1].decode()
    assert process.returncode == 0 and said.startswith(f"tinylog: {LINES} lines (hdfs)") and "Traceback" not in said, said
    half = len(sizes) // 2
    assert max(sizes[half:]) - max(sizes[:half]) < 4 and max(sizes) < 100, (max(sizes[:half]), max(sizes[half:]), sizes[::50])
