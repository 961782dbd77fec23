"""Label and template files as people have them, and one clear sentence for each that cannot be used."""
import gzip

import pytest

from tinylog.errors import InputError
from tinylog.reading.labels import read_labels, read_templates
from tinylog.records import Template


@pytest.fixture
def write(tmp_path):
    def write(data, name="f.csv"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)
    return write


@pytest.mark.parametrize("data", [
    b"BlockId,Label\nblk_-1,Normal\nblk_2,Anomaly\n",
    b"session,label\r\nblk_-1,0\r\nblk_2,1\r\n",
    b"blk_-1,NORMAL\nblk_2,anomaly",
    b"blk_-1, 0 \n\nblk_2,1\nblk_2,1\n",
    b"label,session\n0,blk_-1\n1,blk_2\n",
    b"instance,sequence,label\nblk_-1,5 5,0\nblk_2,6,1\n",
    b"task,is it wrong\nblk_-1,0\nblk_2,1\n",
    b'\xff,0\nblk_-1,0\nblk_2,1\n',
])
def test_read_labels(write, data):
    labels = read_labels(write(data))
    assert labels.pop(b"\xff", 0) == 0
    assert labels == {b"blk_-1": 0, b"blk_2": 1}
    assert list(labels) == [b"blk_-1", b"blk_2"]


def test_read_labels_unpacks(write):
    assert read_labels(write(gzip.compress(b"a,1\n"), "f.csv.gz")) == {b"a": 1}


@pytest.mark.parametrize("data, message", [
    (b"", "f.csv: has no session,label rows"),
    (b"session,label\n", "f.csv: has no session,label rows"),
    (b"a,0\nb\n", "f.csv:2: 'b' has one column"),
    (b"a,0\nb,maybe\n", "f.csv:2: label 'maybe' is none of 0, 1, Normal, Anomaly"),
    (b"blk_1,2\n", "f.csv:1: label '2'"),
    (b"a,0\nb,1\na,1\n", "f.csv:3: session 'a' is labelled both 0 and 1"),
    (b'a,0\n"b,1\n', "f.csv:[23]: is not a CSV row"),
])
def test_read_labels_names_the_fault(write, data, message):
    with pytest.raises(InputError, match=message):
        read_labels(write(data))


def test_read_labels_names_an_absent_file(tmp_path):
    with pytest.raises(InputError, match="none.csv: cannot be read"):
        read_labels(str(tmp_path / "none.csv"))


@pytest.mark.parametrize("data, expected", [
    (b"id,template\r\n1,Receiving block <*>\r\n2,<*>Served, in part,<*>\r\n",
     [("1", "Receiving block <*>"), ("2", "<*>Served, in part,<*>")]),
    (b'0,"a, b ""c"" <*>"\n7,d\n3,d\n', [("0", 'a, b "c" <*>'), ("7", "d"), ("3", "d")]),
    (b"EventId,EventTemplate,Occurrences\nE5,x <*>,3\nE1,\"y, z\",4\n", [("E5", "x <*>"), ("E1", "y, z")]),
    (b"template,id\na b,4\n", [("4", "a b")]),
    (b"Receiving block <*>\n\"GET <*>\" status, <*>\n\n<*>, x\n",
     [("1", "Receiving block <*>"), ("2", '"GET <*>" status, <*>'), ("4", "<*>, x")]),
    (b"1,one\ntwo\n", [("1", "1,one"), ("2", "two")]),
    (b"caf\xc3\xa9 \xff\n", [("1", "café \\xff")]),
])
def test_read_templates(write, data, expected):
    assert read_templates(write(data)) == [Template(*pair) for pair in expected]


@pytest.mark.parametrize("data, message", [
    (b"", "f.csv: has no templates"),
    (b"id,template\n1,a\n2,b\n1,c\n", "f.csv:4: template id '1' occurs twice"),
    (b"5,a\n5,a\n", "f.csv:2: template id '5' occurs twice"),
    (b"id,template\n1,a\n2\n", "f.csv:3: '2' has too few columns"),
    (b'id,template\n1,"a\n', "f.csv:2: .* is not a CSV row"),
])
def test_read_templates_names_the_fault(write, data, message):
    with pytest.raises(InputError, match=message):
        read_templates(write(data))


@pytest.mark.parametrize("name, n, first, last", [
    ("hdfs", 33, "1", "33"), ("bgl", 378, "1", "378"), ("spirit", 2880, "0", "2879"), ("openstack", 92, "1", "92"),
    ("hadoop", 349, "1", "349")])
def test_read_templates_reads_the_real_files(data, name, n, first, last):
    templates = read_templates(str(data / name / "templates.csv"))
    assert (len(templates), templates[0].name, templates[-1].name) == (n, first, last)
    assert all(template.text for template in templates)


def test_read_labels_reads_the_real_file(data):
    labels = read_labels(str(data / "hdfs" / "raw_dev" / "anomaly_label.csv.gz"))
    assert (len(labels), sum(labels.values())) == (5_750, 175)
