"""Event-id sequences: every shape of row that the issue names, and one clear sentence for every other."""
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import InputError
from tinylog.reading.blocks import blocks, open_log
from tinylog.reading.ids import read_ids

STEADY = settings(deadline=None, derandomize=True, max_examples=100)


def read(data, size=1 << 20, file="f.csv"):
    """All rows of a file as (sequences, labels, keys, line numbers)."""
    rows = list(read_ids(blocks(io.BytesIO(data), file, size=size, max_line=1 << 20)))
    sequences = [sequence for row in rows for sequence in row.sequences]
    labels = np.concatenate([row.labels for row in rows]).tolist() if rows and rows[0].labels is not None else None
    keys = [key for row in rows for key in row.keys] if rows and rows[0].keys is not None else None
    return sequences, labels, keys, [int(n) for row in rows for n in row.line_no]


@pytest.mark.parametrize("data, expected", [
    (b"Sequence,label\n5 5 22,0\n9,1\n", ([b"5 5 22", b"9"], [0, 1], None, [2, 3])),
    (b"LABEL, Sequence\nAnomaly,5\nnormal,6 7\n", ([b"5", b"6 7"], [1, 0], None, [2, 3])),
    (b"instance,sequence,label\na-1,59 3,0\n", ([b"59 3"], [0], [b"a-1"], [2])),
    (b"Session,n,sequence\ns1,2,59 3\n", ([b"59 3"], None, [b"s1"], [2])),
    (b"sequence\n1\n", ([b"1"], None, None, [2])),
    (b"5 5 22 \r\n11 9 \r\n", ([b"5 5 22", b"11 9"], None, None, [1, 2])),
    (b"5 5,1\n6 6,0", ([b"5 5", b"6 6"], [1, 0], None, [1, 2])),
    (b"5 5 , 1 \r\n6 6,normal\r\n", ([b"5 5", b"6 6"], [1, 0], None, [1, 2])),
    (b"app_1/c_2,63 92\napp_1/c_3,1\n", ([b"63 92", b"1"], None, [b"app_1/c_2", b"app_1/c_3"], [1, 2])),
    (b"7,63 92\n", ([b"63 92"], None, [b"7"], [1])),
    (b"\n\n5\n\n6\n\n", ([b"5", b"6"], None, None, [3, 5])),
    (b"Sequence,label\n,1\n5,0\n", ([b"", b"5"], [1, 0], None, [2, 3])),
    (b'session,sequence\n"a,b",1 2\n"c","3"\n', ([b"1 2", b"3"], None, [b"a,b", b"c"], [2, 3])),
    (b"\xef\xbb\xbfSequence,label\n5,0\n", ([b"5"], [0], None, [2])),
    (b"5\n007\n0\n", ([b"5", b"007", b"0"], None, None, [1, 2, 3])),  # names, not numbers
    (b"Sequence,label\n", ([], None, None, [])),
    (b"", ([], None, None, [])),
])
def test_read_ids(data, expected):
    assert read(data) == expected


@pytest.mark.parametrize("data, message", [
    (b"Sequence,label\n5 5,0\n5 x7 9,1\n", "f.csv:3: event id 'x7' is not a non-negative integer"),
    (b"5 5\n\n5 -5\n", "f.csv:3: event id '-5'"),
    (b"5 5,0\n5 1.5,0\n", "f.csv:2: event id '1.5'"),
    (b"abc,1\n", "f.csv:1: event id 'abc'"),
    (b"5 5,0\n5 5,2\n", "f.csv:2: label '2' is none of 0, 1, Normal, Anomaly"),
    (b"5 5,0\n5 5\n", "f.csv:2: 1 columns where the first row has 2"),
    (b"a,5 5,0\n", "f.csv:1: 3 columns without a header"),
    (b"session,label\n5 5,0\n", "f.csv:1: the header 'session,label' has no column named sequence"),
    (b'5\n"\x00\n', "f.csv:2: event id"),
])
def test_read_ids_names_the_fault(data, message):
    with pytest.raises(InputError, match=message):
        read(data)


def test_read_ids_names_standard_input():
    with pytest.raises(InputError, match="standard input:1: event id"):
        read(b"5 b\n", file=None)


@STEADY
@given(st.lists(st.tuples(st.lists(st.integers(0, 500), max_size=5), st.integers(0, 1)), min_size=1),
       st.integers(1, 40))
def test_read_ids_does_not_depend_on_blocks(sessions, size):
    rows = [b" ".join(b"%d" % event for event in events) for events, _ in sessions]
    data = b"Sequence,label\n" + b"".join(b"%b,%d\r\n" % (row, label) for row, (_, label) in zip(rows, sessions))
    assert read(data, size) == (rows, [label for _, label in sessions], None, list(range(2, 2 + len(rows))))


def test_read_ids_begins_anew_with_each_file():
    files = [(b"Sequence,label\n1,0\n", "a"), (b"k,2 3\n", "b"), (b"4\n", "c")]
    found = list(read_ids(block for data, name in files for block in blocks(io.BytesIO(data), name)))
    assert [(row.file, row.sequences, row.keys) for row in found] == [
        ("a", [b"1"], None), ("b", [b"2 3"], [b"k"]), ("c", [b"4"], None)]


def test_a_long_session_is_not_cut():
    row = b"12 " * 100_000
    assert read(row + b",1\n")[:2] == ([row.strip()], [1])


@pytest.mark.parametrize("path, rows, anomalous", [
    ("hdfs/robust_log_train.csv", 12_000, 6_000), ("hdfs/robust_log_valid.csv", 2_000, 1_000),
    ("hdfs/dev_test.csv.gz", 110_094, 1_936), ("hdfs/hdfs_train", 4_855, None),
    ("bgl/train_50_80pct_windows50.csv.gz", 28_733, 2_095), ("bgl/random_train_filtered.csv.gz", 12_661, 1_305),
    ("bgl/dev_test.csv.gz", 9_493, 490), ("spirit/train.csv.gz", 80_000, 34_883),
    ("openstack/sessions.csv.gz", 4_164, 201), ("hadoop/hadoop_train", 17, None),
    ("hadoop/hadoop_test_abnormal.gz", 811, None),
])
def test_read_ids_reads_the_real_files(data, path, rows, anomalous):
    with open_log(str(data / path)) as stream:
        found = list(read_ids(blocks(stream, max_line=1 << 20)))
    assert sum(len(row.sequences) for row in found) == rows
    assert all(sequence for row in found for sequence in row.sequences)
    assert all((row.keys is not None) == path.startswith(("openstack", "hadoop")) for row in found)
    assert (None if anomalous is None else sum(int(row.labels.sum()) for row in found)) == anomalous
