"""Word vectors of a log: fastText (Bojanowski et al., TACL 2017) where it is installed, else `ppmi`.

fastText runs in a process of its own. Only one thread is reproducible, and then version 0.9.3 gives starting values to
the first tenth of its table alone: the rest is whatever malloc returns, often NaN ("Encountered NaN."), and
MALLOC_PERTURB_=255 makes that zeros (glibc). Warnings of its import and prints of its C++ stay in there too. What it
learned is read back from its own file.
"""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Iterable, Sequence

import numpy as np

from ..embedding.vectors import Vectors
from ..embedding.words import words as words_of
from ..errors import InputError
from .ppmi import ppmi_vectors
from .vector_files import read_fasttext

_CHILD = """
import json, sys
job = json.load(sys.stdin)
sys.path[:] = job["path"]
import fasttext
fasttext.train_unsupervised(**job["arguments"]).save_model(job["output"])
"""


def train_word_vectors(sentences: Iterable[Sequence[str]], dim: int, seed: int, *, minn: int = 3, maxn: int = 5,
                       n_buckets: int = 1000, tokens: int = 300_000) -> Vectors:
    """Vectors (dim,) of the words of the sentences, each a list of words. Equal sentences and seed: equal vectors.

    Few sentences are read as often as makes `tokens` words. Known are the words that occur; others have their n-grams
    (of more than vector_files.KEEP_ALL buckets, those that occur). InputError: no sentence has a word.
    """
    sentences = [list(sentence) for sentence in sentences]
    if not any(sentences):
        raise InputError("the templates have no words to learn vectors from; give vectors of your own or none")
    return (fasttext_vectors(sentences, dim, seed, minn=minn, maxn=maxn, n_buckets=n_buckets, tokens=tokens)
            or ppmi_vectors(sentences, dim, minn=minn, maxn=maxn, n_buckets=n_buckets))


def with_idf(vectors: Vectors, texts: Sequence[str]) -> Vectors:
    """The same vectors, words weighted by log((1 + n) / (1 + how many of the n texts have it)) + 1."""
    occurs = Counter(word for text in texts for word in set(words_of(text)))
    weights = np.array([math.log((1 + len(texts)) / (1 + occurs[word])) + 1 for word in vectors.words], np.float32)
    return vectors.changed(weights=weights, unknown_weight=math.log(1 + len(texts)) + 1)


def fasttext_vectors(sentences: Sequence[Sequence[str]], dim: int, seed: int, *, minn: int, maxn: int, n_buckets: int,
                     tokens: int) -> Vectors | None:
    """What `train_word_vectors` does with fastText; None where that is not installed or fails."""
    order = np.random.default_rng(seed).permutation(len(sentences))  # fastText's own seed is fixed
    epochs = max(1, math.ceil(tokens / sum(map(len, sentences))))
    with tempfile.TemporaryDirectory() as folder:
        text, model = Path(folder, "sentences.txt"), Path(folder, "model.bin")
        text.write_text("".join(" ".join(sentences[i]) + "\n" for i in order), encoding="utf-8")
        arguments = {"input": str(text), "dim": dim, "minn": minn, "maxn": maxn, "bucket": n_buckets, "epoch": epochs,
                     "minCount": 1, "thread": 1, "verbose": 0, "t": 0.01}
        job = {"path": sys.path, "arguments": arguments, "output": str(model)}
        environment = {**os.environ, "MALLOC_PERTURB_": "255", "PYTHONWARNINGS": "ignore"}
        try:
            subprocess.run([sys.executable or "python3", "-c", _CHILD], input=json.dumps(job).encode(), env=environment,
                           capture_output=True, check=True)
            return read_fasttext(model, sorted({word for sentence in sentences for word in sentence}))
        except (OSError, subprocess.CalledProcessError, InputError):
            return None
