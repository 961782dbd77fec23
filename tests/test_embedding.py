"""Hashes against stored fastText numbers, vectors against fastText itself, and learning with and without it."""
import io
import math
import os
import struct
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tinylog.embedding.subwords import ngram_rows
from tinylog.embedding.vectors import Vectors
from tinylog.embedding.words import MAX_WORDS, bucket_ids, words
from tinylog.errors import InputError, ModelFileError
from tinylog.training import pca, vector_files, word_vectors
from tinylog.training.ppmi import ppmi_vectors

TEXTS = [
    "Receiving block <*> src: <*> dest: <*>",
    "Received block <*> of size <*> from <*>",
    "PacketResponder <*> for block <*> terminating",
    "PacketResponder <*> for block <*> interrupted",
    "BLOCK* ask <*> to delete <*>",
    "BLOCK* ask <*> to replicate <*> to <*>",
    "machine check interrupt",
    "cannot access <*>: No such file or directory",
]
UNSEEN = ["Receives blocks <*>", "größere Blöcke", "日志 terminated", "x"]


def random_vectors(seed=0, **arguments):
    """All kinds of numbers at once: 6 known words, n-grams of 2 to 4, weights."""
    rng = np.random.default_rng(seed)
    known = ["block", "of", "size", "receiving", "machine", "größere"]
    return Vectors(known, rng.normal(size=(6, 5)), rng.normal(size=(40, 5)), 2, 4, weights=rng.uniform(1, 3, 6),
                   unknown_weight=2.5, mean=rng.normal(size=5)).changed(**arguments)


@pytest.mark.parametrize("text, expected", [
    ("PacketResponder <*> for block blk_<*> terminating", "packet responder for block blk terminating"),
    ("BLOCK* NameSystem.addStoredBlock: blockMap updated", "block name system add stored block block map updated"),
    ("ciod: chdir(/p/gb1/8M_5000K/t800) failed: IOException", "ciod chdir p failed io exception"),
    ("HTTPServer x86_64 0xdeadbeef L3 ddrSize", "http server ddr size"),
    ("<*>src:<*>dest:<*>", "src dest"),
    ("größe=日志", "größe 日志"),
    ("a" * 65 + " " + "b" * 64, "b" * 64),
    ("<*> 17 -- \udcff \0", ""),
    ("", ""),
])
def test_words_of_a_template(text, expected):
    assert words(text) == expected.split()


def test_words_of_a_template_are_bounded():
    assert len(words("word " * 1000)) == MAX_WORDS


def test_bucket_ids_are_these_on_every_machine():
    got = bucket_ids(["receiving block", "", "größe größe <*>"], 400)
    assert got.tolist() == [[-102, -275], [0, 0], [299, 0]] and got.dtype == np.int32
    assert bucket_ids([""], 5).shape == (1, 1) and bucket_ids([], 5).shape == (0, 1)


def test_bucket_ids_fill_the_buckets_with_both_signs():
    letters = "abcdefgh"
    ids = bucket_ids([a + b + c for a in letters for b in letters for c in letters], 20)[:, 0]
    assert set(np.abs(ids)) == set(range(1, 21))
    assert 0.4 < (ids > 0).mean() < 0.6


@pytest.mark.parametrize("word, minn, maxn, n_buckets, expected", [  # model.get_subwords of fasttext 0.9.3
    ("block", 3, 6, 2000000, [725269, 115470, 549527, 694324, 1579532, 87997, 1480674, 313556, 1404317, 637378, 1558196,
                              1246148, 706318, 1808735]),
    ("größe", 3, 6, 2000000, [606866, 525807, 149953, 148140, 1605985, 925915, 799898, 1592364, 114038, 1900137, 639861,
                              1147321, 342149, 679512]),
    ("日志", 3, 6, 2000000, [1841228, 1380470, 899976]),
    ("x", 3, 6, 2000000, [1414917]),
    ("block", 1, 2, 97, [23, 28, 34, 56, 94, 70, 74, 14, 9, 29, 57]),
    ("日志", 1, 2, 97, [3, 3, 25, 14, 56]),
    ("größe", 5, 5, 1000, [953, 898, 861]),
    ("x", 5, 5, 1000, []),
    ("block", 3, 6, 0, []),
    ("block", 0, 0, 50, []),
])
def test_ngram_rows_are_those_of_fasttext(word, minn, maxn, n_buckets, expected):
    assert ngram_rows(word, minn, maxn, n_buckets).tolist() == expected


def test_vector_is_the_weighted_mean_of_its_words():
    v = random_vectors()
    grams = v.subword_table[ngram_rows("zzz", 2, 4, 40)].mean(0)
    expected = (2 * v.weights[0] * v.word_table[0] + 2.5 * grams) / (2 * v.weights[0] + 2.5) - v.mean
    np.testing.assert_allclose(v.vector("block <*> zzz Block"), expected, atol=1e-6)
    assert v.vector("block").dtype == np.float32


def test_vectors_are_vector_one_by_one():
    v = random_vectors()
    np.testing.assert_array_equal(v.vectors(TEXTS + UNSEEN), [v.vector(text) for text in TEXTS + UNSEEN])


def test_template_without_words_is_average():
    assert not random_vectors().vector("<*> 17").any()
    assert random_vectors().vectors([]).shape == (0, 5)


def test_words_without_any_row_do_not_count():
    v = random_vectors(subword_table=np.zeros((0, 5)), n_buckets=0, subword_ids=None)
    np.testing.assert_array_equal(v.vector("block zzz"), v.vector("block"))
    assert not v.vector("zzz").any()


def test_absent_ngram_rows_do_not_count():
    whole = random_vectors()
    ids = np.array([3, 8, 21, 22])
    part = whole.changed(subword_ids=ids, subword_table=whole.subword_table[ids])
    buckets = ngram_rows("directory", 2, 4, 40)
    kept = buckets[np.isin(buckets, ids)]
    assert 0 < len(kept) < len(buckets)
    np.testing.assert_allclose(part.word_vector("directory"), whole.subword_table[kept].mean(0), atol=1e-6)


@pytest.mark.parametrize("dim", [3, 5])
def test_mean_then_project_is_project_then_mean(dim):
    v = random_vectors()
    fitted = pca.fit(v.vectors(TEXTS), dim)
    small = v.projected(fitted.mean, fitted.axes)
    assert small.word_table.dtype == np.float32 and small.vector("block").shape == (dim,)
    np.testing.assert_allclose(small.vectors(TEXTS + UNSEEN), fitted.project(v.vectors(TEXTS + UNSEEN)), atol=1e-5)


@pytest.mark.parametrize("part", [False, True])
def test_vectors_survive_the_model_file(part):
    v = random_vectors()
    if part:
        v = v.changed(subword_ids=np.arange(7, 17), subword_table=v.subword_table[7:17])
    tensors = v.tensors()
    assert ("subword_ids" in tensors) == part
    again = Vectors.from_tensors(tensors, v.meta())
    assert again.words == v.words
    np.testing.assert_array_equal(again.vectors(TEXTS + UNSEEN), v.vectors(TEXTS + UNSEEN))
    empty = v.changed(words=[], word_table=np.zeros((0, 5)), weights=None)
    assert Vectors.from_tensors(empty.tensors(), empty.meta()).words == []


@pytest.mark.parametrize("name, value", [
    ("words", np.frombuffer(b"one", np.uint8)), ("words", np.array([255], np.uint8)), ("mean", np.zeros(4)),
    ("weights", np.ones(5)), ("weights", np.zeros(6)), ("subword_table", np.zeros((3, 5))), ("word_table", np.zeros(6)),
    ("subword_ids", np.zeros(40)), ("subword_ids", np.arange(40)), ("subword_ids", np.array(3)), ("mean", None),
    ("mean", np.array(0.0)), ("mean", np.zeros((5, 1))), ("n_buckets", 10**12), ("n_buckets", "many"), ("minn", None),
    ("unknown_weight", math.nan),
])
def test_tables_that_do_not_fit_are_refused(name, value):
    v = random_vectors()
    tensors, meta = v.tensors(), v.meta()
    changed = meta if name in meta else tensors
    changed[name] = value
    if value is None:
        del changed[name]
    with pytest.raises(ModelFileError, match="word vectors of the model are damaged"):
        Vectors.from_tensors(tensors, meta)


def test_pca_axes_are_orthonormal_and_ordered():
    x = np.random.default_rng(1).normal(size=(30, 6)) * [1, 5, 2, 4, 3, 6] + 7
    fitted = pca.fit(x, 4)
    np.testing.assert_allclose(fitted.axes @ fitted.axes.T, np.eye(4), atol=1e-12)
    y = fitted.project(x)
    np.testing.assert_allclose(y.var(0, ddof=1), np.sort(np.linalg.eigvalsh(np.cov(x.T)))[:1:-1], rtol=1e-10)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)


def test_pca_signs_are_fixed():
    x = np.random.default_rng(2).normal(size=(9, 5))
    axes = pca.fit(x, 5).axes
    assert (np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1) > 0).all()
    np.testing.assert_allclose(pca.fit(-x, 5).axes, axes, atol=1e-9)


def test_pca_of_all_directions_keeps_distances():
    x = np.random.default_rng(3).normal(size=(9, 5))
    fitted = pca.fit(x, 5)
    np.testing.assert_allclose(fitted.project(x) @ fitted.axes + fitted.mean, x, atol=1e-12)


def test_pca_axes_beyond_the_data_are_zero():
    x = np.random.default_rng(4).normal(size=(3, 5))
    assert pca.fit(x, 8).axes.any(1).tolist() == [True] * 2 + [False] * 6
    assert not pca.fit(x[:1], 2).axes.any()


def cosines(vectors):
    x = vectors.vectors(TEXTS)
    x = x - x.mean(0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def check_sense(vectors):
    """Templates that share words are nearer than those that share none; an unseen word is near what it is made of."""
    near = cosines(vectors)
    assert min(near[2, 3], near[4, 5]) > 0.4 > 0.1 > max(near[0, 6], near[2, 7], near[4, 6])
    x = vectors.vectors([*TEXTS, "machines checked"])
    x = x - x[:-1].mean(0)
    assert (x[:-1] @ x[-1] / np.linalg.norm(x[:-1], axis=1)).argmax() == 6


def test_ppmi_makes_sense():
    sentences = [words(text) for text in TEXTS]
    vectors = ppmi_vectors(sentences, 6, minn=3, maxn=5, n_buckets=500)
    assert vectors.word_table.shape == (len({*sum(sentences, [])}), 6) and vectors.subword_table.shape == (500, 6)
    check_sense(vectors)
    again = ppmi_vectors(reversed(sentences), 6, minn=3, maxn=5, n_buckets=500)
    np.testing.assert_allclose(vectors.vectors(TEXTS), again.vectors(TEXTS), atol=1e-5)


def test_ppmi_of_little_is_finite():
    vectors = ppmi_vectors([["one"], ["one", "one", "two"]], 4, minn=3, maxn=5, n_buckets=10)
    assert np.isfinite(vectors.vectors(["one two three"])).all() and vectors.word_table.any()
    assert not vectors.word_table[:, 2:].any()  # two words span two directions


def test_without_fasttext_ppmi_is_used(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    sentences = [words(text) for text in TEXTS]
    got = word_vectors.train_word_vectors(sentences, 6, 0, n_buckets=100)
    expected = ppmi_vectors(sentences, 6, minn=3, maxn=5, n_buckets=100)
    np.testing.assert_array_equal(got.vectors(TEXTS), expected.vectors(TEXTS))


def test_templates_without_words_are_an_error():
    with pytest.raises(InputError, match="no words"):
        word_vectors.train_word_vectors([[], []], 4, 0)


def test_idf_weighs_rare_words_more():
    v = word_vectors.with_idf(random_vectors(), TEXTS)
    weight = dict(zip(v.words, v.weights))
    assert weight["block"] == pytest.approx(math.log(9 / 7) + 1)
    assert weight["size"] == weight["machine"] == pytest.approx(math.log(9 / 2) + 1)
    assert weight["größere"] == pytest.approx(v.unknown_weight) == math.log(9) + 1


def has_fasttext():
    command = [sys.executable, "-W", "ignore", "-c", "import fasttext"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def fasttext_model(tmp_path_factory):
    """A `.bin` that fastText wrote and what it says of some words, from a process of its own (see word_vectors.py)."""
    if not has_fasttext():
        pytest.skip("the package fasttext is not installed")
    folder = tmp_path_factory.mktemp("fasttext")
    known = sorted({word for text in TEXTS for word in words(text)})
    asked = [*known, *(word for text in UNSEEN for word in words(text))]
    (folder / "text").write_text("".join(" ".join(words(text)) + "\n" for text in TEXTS) * 50)
    script = """if True:
        import sys, fasttext, numpy
        text, binary, answers, *asked = sys.argv[1:]
        model = fasttext.train_unsupervised(text, dim=7, minn=2, maxn=4, bucket=60, minCount=1, thread=1, verbose=0)
        model.save_model(binary)
        numpy.save(answers, [model.get_word_vector(word) for word in asked])"""
    files = [folder / "text", folder / "m.bin", folder / "a.npy"]
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, *files, *asked], check=True, capture_output=True,
                   env={**os.environ, "MALLOC_PERTURB_": "255"})
    return SimpleNamespace(path=folder / "m.bin", answers=dict(zip(asked, np.load(folder / "a.npy"))))


def test_vectors_are_those_of_fasttext(fasttext_model):
    vectors = vector_files.read_word_vectors(fasttext_model.path, TEXTS)
    for word, expected in fasttext_model.answers.items():
        np.testing.assert_allclose(vectors.word_vector(word), expected, atol=1e-6)
    fitted = pca.fit(vectors.vectors(TEXTS), 3)
    small = vectors.projected(fitted.mean, fitted.axes)
    for text in TEXTS + UNSEEN:  # known words, unknown words and both
        plain = np.mean([fasttext_model.answers[word] for word in words(text)], axis=0)
        np.testing.assert_allclose(small.vector(text), fitted.project(plain), atol=1e-5)


def test_fasttext_is_trained_reproducibly():
    if not has_fasttext():
        pytest.skip("the package fasttext is not installed")
    sentences = [words(text) for text in TEXTS]
    options = {"minn": 3, "maxn": 5, "n_buckets": 300, "tokens": 20_000}
    first, again, other = (word_vectors.fasttext_vectors(sentences, 8, seed, **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.word_table, again.word_table)
    np.testing.assert_array_equal(first.subword_table, again.subword_table)
    assert (first.word_table != other.word_table).any()
    check_sense(first)


def binary_file(path, known, dim=3, bucket=9, minn=3, maxn=5, version=12, quantised=0, columns=None):
    """A fastText file written by hand; returns its two tables."""
    rng = np.random.default_rng(len(known))
    table = rng.normal(size=(len(known) + bucket, dim)).astype("<f4")
    out = io.BytesIO()
    out.write(struct.pack("<14id", 793712314, version, dim, 5, 5, 1, 5, 1, 2, 2, bucket, minn, maxn, 100, 1e-4))
    out.write(struct.pack("<3i2q", len(known), len(known), 0, 99, -1))
    for word in known:
        out.write(word.encode() + b"\0" + struct.pack("<qb", 3, 0))
    out.write(struct.pack("<?2q", quantised, len(table), dim if columns is None else columns) + table.tobytes())
    out.write(struct.pack("<?2q", 0, 0, dim))
    path.write_bytes(out.getvalue())
    return table[:len(known)], table[len(known):]


def test_binary_file_gives_the_words_of_the_templates(tmp_path):
    rows, grams = binary_file(tmp_path / "m.bin", ["</s>", "block", "elsewhere", "größe"])
    vectors = vector_files.read_word_vectors(tmp_path / "m.bin", ["block größe", "unseen"])
    assert vectors.words == ["block", "größe", "unseen"] and len(vectors.subword_table) == 9
    for word, row in (("block", 1), ("größe", 3)):
        expected = np.concatenate([rows[[row]], grams[ngram_rows(word, 3, 5, 9)]]).mean(0)
        np.testing.assert_allclose(vectors.word_vector(word), expected, atol=1e-6)
    np.testing.assert_allclose(vectors.word_vector("unseen"), grams[ngram_rows("unseen", 3, 5, 9)].mean(0), atol=1e-6)


def test_of_a_large_binary_file_little_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_files, "KEEP_ALL", 100)
    _, grams = binary_file(tmp_path / "m.bin", ["block"], bucket=1001)
    vectors = vector_files.read_word_vectors(tmp_path / "m.bin", ["block"])
    ids = np.unique(ngram_rows("block", 3, 5, 1001))
    assert vectors.subword_ids.tolist() == ids.tolist() and vectors.n_buckets == 1001
    np.testing.assert_array_equal(vectors.subword_table, grams[ids])
    assert vectors.word_vector("blocks") is not None and vectors.word_vector("x") is None


def test_binary_file_without_ngrams_knows_words_only(tmp_path):
    rows, _ = binary_file(tmp_path / "m.bin", ["block"], bucket=0, minn=0, maxn=0)
    vectors = vector_files.read_word_vectors(tmp_path / "m.bin", ["block unseen"])
    assert vectors.words == ["block"]
    np.testing.assert_array_equal(vectors.word_table, rows)


@pytest.mark.parametrize("change, reason", [
    ({"quantised": 1}, "it is quantised"), ({"version": 10}, "version 10"), ({"columns": 4}, "4 numbers for"),
    ({"dim": 0}, "0 dimensions"),
])
def test_other_binary_files_are_refused(tmp_path, change, reason):
    binary_file(tmp_path / "m.bin", ["block"], **change)
    with pytest.raises(InputError, match=reason):
        vector_files.read_word_vectors(tmp_path / "m.bin", ["block"])


def test_every_truncated_binary_file_is_refused(tmp_path):
    binary_file(tmp_path / "m.bin", ["block", "of"], dim=2, bucket=2)
    data = (tmp_path / "m.bin").read_bytes()
    for size in range(len(data) - 17):  # the output table that ends the file is not read
        (tmp_path / "m.bin").write_bytes(data[:size])
        with pytest.raises(InputError):
            vector_files.read_word_vectors(tmp_path / "m.bin", ["block"])


def test_binary_values_must_be_finite(tmp_path):
    binary_file(tmp_path / "m.bin", ["block"])
    data = (tmp_path / "m.bin").read_bytes()
    (tmp_path / "m.bin").write_bytes(data[:-21] + struct.pack("<f", math.nan) + data[-17:])
    with pytest.raises(InputError, match="not finite"):
        vector_files.read_word_vectors(tmp_path / "m.bin", ["block"])


@pytest.mark.parametrize("content", [
    "3 2\nblock 1 2\nother 3 4\nof 5 6 \n", "block 1 2\nof 5 6", "3 2\nblock 1 2\nblock 7 7\nof 5 6"])
def test_text_file_gives_the_words_of_the_templates(tmp_path, content):
    (tmp_path / "m.vec").write_text(content)
    vectors = vector_files.read_word_vectors(tmp_path / "m.vec", ["block of unseen"])
    assert vectors.words == ["block", "of"] and vectors.word_table.tolist() == [[1, 2], [5, 6]]
    assert vectors.vector("block of unseen").tolist() == [3, 4]


@pytest.mark.parametrize("content, reason", [
    ("2 2\nblock 1\n", "line 2: 'block' has not 2 finite numbers"),
    ("2 2\nblock 1 x\n", "line 2: 'block' has not 2"),
    ("2 2\nblock 1 nan\n", "line 2: 'block' has not 2"),
    ("2 " + "9" * 9999 + "\nblock 1 2\n", "line 2: 'block' has not 9"),
    ("2 2\nother 1 1\n", "no vector for any of the 2 words"),
    ("", "no vector for any"),
])
def test_damaged_text_files_are_refused(tmp_path, content, reason):
    (tmp_path / "m.vec").write_text(content)
    with pytest.raises(InputError, match=reason):
        vector_files.read_word_vectors(tmp_path / "m.vec", ["block of"])


def test_vectors_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.vec: the vectors cannot be read: No such file"):
        vector_files.read_word_vectors(tmp_path / "none.vec", ["block"])
    with pytest.raises(InputError, match="cannot be read"):
        vector_files.read_word_vectors(tmp_path, ["block"])
