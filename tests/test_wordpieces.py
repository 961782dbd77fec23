"""Word pieces: what is learned, how a word is cut, and a vocabulary from a file."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylog.embedding.wordpieces import SPECIAL, WordPieces
from tinylog.errors import InputError

TEXTS = ["open file", "read file", "file closed", "open socket", "reopen file"]


def test_pieces_are_learned_in_order_of_how_often_they_occur():
    """f i l e is four times together; then op and so on; every word is one piece in the end."""
    pieces = WordPieces.learn(TEXTS, 1000)
    learned = [piece for piece in pieces.pieces[5:] if len(piece.removeprefix("##")) > 1]
    assert pieces.pieces[:5] == list(SPECIAL)
    assert learned[:4] == ["##il", "##ile", "file", "##en"]  # four times, ties in order of the alphabet; then three times
    assert {"file", "read", "closed", "open", "socket", "reopen"} <= set(learned)
    assert [len(pieces.ids(text)) for text in TEXTS] == [2] * 5


def test_size_of_the_vocabulary_is_kept_but_every_character_has_a_piece():
    assert len(WordPieces.learn(TEXTS, 30)) == 30
    smallest = WordPieces.learn(TEXTS, 0)
    assert sorted({piece.removeprefix("##") for piece in smallest.pieces[5:]}) == sorted(set("".join(TEXTS)) - {" "})
    assert smallest.unknown not in [i for text in TEXTS for i in smallest.ids(text)]


def test_learning_is_reproducible_and_does_not_depend_on_the_order_of_texts():
    assert WordPieces.learn(TEXTS, 40).pieces == WordPieces.learn(TEXTS[::-1], 40).pieces


def test_the_longest_piece_is_taken_first_from_the_beginning():
    pieces = WordPieces([*SPECIAL, "un", "una", "##a", "##able", "##ble", "##b", "##l"])
    assert [pieces.pieces[i] for i in pieces.ids("unable")] == ["una", "##ble"]
    assert [pieces.pieces[i] for i in pieces.ids("unablex un x")] == ["[UNK]", "un", "[UNK]"]
    assert pieces.ids("") == [] and pieces.ids("a" * 101) == [pieces.unknown]


def test_texts_become_rows_with_their_end_cut_off_where_they_are_too_long():
    pieces = WordPieces([*SPECIAL, "a", "##b"])
    ids, cut = pieces.encode(["ab", "", "a a a a a"], 5)
    assert ids.tolist() == [[2, 5, 6, 3, 0], [2, 3, 0, 0, 0], [2, 5, 5, 5, 3]] and ids.dtype == np.int32
    assert cut.tolist() == [False, False, True]
    assert pieces.encode([], 5)[0].shape == (0, 2) and pieces.encode(["a"], 50)[0].shape == (1, 3)


@given(st.lists(st.text("abcde ", max_size=12), min_size=1, max_size=8), st.integers(0, 40))
def test_pieces_spell_the_words_that_they_were_learned_from(texts, n):
    pieces = WordPieces.learn(texts, n)
    for text in texts:
        spelled = "".join(piece.removeprefix("##") if piece.startswith("##") else " " + piece for piece in map(pieces.pieces.__getitem__, pieces.ids(text)))
        assert spelled.split() == text.split()


def test_a_vocabulary_is_read_from_a_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("[PAD]\n[unused1]\n[UNK]\r\n[CLS]\n[SEP]\n[MASK]\nfile\n##s\u2028\n".encode())
    pieces = WordPieces.read(path)
    assert pieces.pieces == ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "file", "##s\u2028"]
    assert (pieces.pad, pieces.unknown, pieces.begin, pieces.end, pieces.mask) == (0, 2, 3, 4, 5)


@pytest.mark.parametrize("content, message", [(b"[PAD]\n[UNK]\nfile\n", r"vocab.txt: .* 3 word pieces lacks \[CLS\], \[SEP\], \[MASK\]"),
                                              (b"\xff\xfe", "vocab.txt cannot be read"), (None, "vocab.txt cannot be read: .*No such file")])
def test_a_file_that_is_no_vocabulary_is_refused(content, message, tmp_path):
    path = tmp_path / "vocab.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        WordPieces.read(path)


def test_pieces_of_transformers(tmp_path):
    """The same cuts as BERT's own tokeniser."""
    transformers = pytest.importorskip("transformers")
    pieces = WordPieces.learn(TEXTS, 45)
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces.pieces) + "\n")
    theirs = transformers.BertTokenizer(vocab=str(path))
    for text in [*TEXTS, "reread profile", "openfile closes", "quux", ""]:
        assert WordPieces.read(path).encode([text], 50)[0][0].tolist() == theirs(text)["input_ids"]
