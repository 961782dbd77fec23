"""What detectors read of lines beside their event ids: from a log, through the pipeline, to columns of Windows."""
import numpy as np
import pytest

from tinylog.errors import ConfigError, InputError
from tinylog.parsing import Parser
from tinylog.pipeline import Pipeline, recognise, spec_for
from tinylog.reading.formats import FORMATS
from tinylog.records import FROM_LINES, PAD, VALUES, Block, Windows, concatenated, silent
from tinylog.windowing.columns import number

LINES = [b"2026-03-01 10:00:00.5 7 INFO nova.api [-] [instance: aaaaaaaa-0000-0000-0000-000000000001] Took 19.5 seconds to build",
         b"2026-03-01 10:00:02 7 INFO nova.compute [-] [instance: bbbbbbbb-0000-0000-0000-000000000002] Took 3 seconds to build",
         b"2026-03-01 10:00:03 7 INFO nova.compute [-] [instance: aaaaaaaa-0000-0000-0000-000000000001] is active"]


def windows_of(lines, needs, form="openstack", blocks=1, **cut) -> Windows:
    """The windows of a log that comes in so many blocks, with the columns of `needs`."""
    form = FORMATS[form]
    parser = Parser(form.content_of)
    pipeline = Pipeline(form, parser, spec_for(form, **cut), needs={"some": needs})
    parts = np.array_split(np.arange(len(lines)), blocks)
    log = [Block(b"".join(lines[i] + b"\n" for i in part), int(part[0]) + 1, None) for part in parts if len(part)]
    return pipeline.windows([session for step in pipeline.run(log) for session in step.closed])


@pytest.mark.parametrize("blocks", [1, 3])
def test_columns_of_sessions(blocks):
    windows = windows_of(LINES, FROM_LINES, blocks=blocks)
    assert windows.lengths.tolist() == [2, 1]
    np.testing.assert_array_equal(np.diff(windows.times[0, :2]), [2.5])
    assert np.isnan(windows.times[0, 2:]).all() and windows.values.shape == (2, 50, VALUES)
    assert 19.5 in windows.values[0, 0] and 3 in windows.values[1, 0] and np.isnan(windows.values[windows.events == PAD]).all()
    assert (windows.tokens[windows.events == PAD] == 0).all() and windows.tokens[0, 0, 0] != windows.tokens[1, 0, 0]
    assert windows.texts[0] == [line[line.index(b"[instance"):] for line in (LINES[0], LINES[2])]
    assert windows.entities.tolist() == [[b"nova.api", b"nova.compute"], [b"nova.compute"]]


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_columns_of_lines(blocks):
    windows = windows_of(LINES, ("times", "texts"), window=2, blocks=blocks)
    assert windows.lengths.tolist() == [2, 1] and windows.times[1, 0] - windows.times[0, 0] == 2.5
    assert [len(texts) for texts in windows.texts] == [2, 1] and windows.values is None


def test_sessions_keep_the_columns_of_the_events_they_keep():
    lines = [LINES[0].replace(b"19.5", str(i).encode()) for i in range(130)]
    windows = windows_of(lines, ("values", "texts"))
    assert windows.events.shape == (1, 50) and len(windows.texts[0]) == 50
    assert b"Took 129 " in windows.texts[0][-1] and 80 in windows.values[0, 0]


def test_nothing_is_kept_where_no_detector_asks():
    windows = windows_of(LINES, ("rules", "words"))
    assert all(getattr(windows, name) is None for name in FROM_LINES)


def test_event_ids_have_no_lines():
    with pytest.raises(InputError, match="deeplog_value reads times and values of log lines, and event ids alone have none; give the raw lines"):
        Pipeline(FORMATS["ids"], Parser(), spec_for(FORMATS["ids"]), needs={"deeplog_value": ("values", "times")})
    with pytest.raises(ConfigError, match="windows of 300 seconds need lines with a time, and a log of ids has none"):
        spec_for(FORMATS["ids"], window=300.0)


@pytest.mark.parametrize("text, value", [(b"35", 35), (b"-1.5e3", -1500), (b"35ms", 35), (b"0.4s,", 0.4), (b"67108864", 67108864),
                                         (b"blk_12", np.nan), (b"", np.nan), (b"/10.0.0.1:50010", np.nan), (b"1e400", np.nan),
                                         (b"nan", np.nan), (b"inf", np.nan), (b"12:30", np.nan), (b"\xff\xfe", np.nan)])
def test_number(text, value):
    np.testing.assert_equal(number(text), value)


def test_entity_is_the_rack_of_a_node():
    lines = [b"- 1117838570 2005.06.03 %s 2005-06-03-15.42.50.675872 %s RAS KERNEL INFO parity corrected" % (node, node)
             for node in (b"R02-M1-N0-C:J12-U11", b"R77", b"NULL", b"UNKNOWN_LOCATION", b"-")]
    assert FORMATS["bgl"].entities(lines + [b"?"]) == [b"R02", b"R77", b"NULL", b"UNKNOWN_LOCATION", b"", b""]
    assert FORMATS["hdfs"].entities([b"081109 203615 148 INFO dfs.DataNode: all well"]) == [b"dfs.DataNode"]
    form, _ = recognise(iter([Block(b"no header\n", 1, None)]))
    assert form.entities([b"no header"]) == [b""]


def test_concatenated_windows_have_all_columns_padded():
    one, two = silent(np.array([[2, 3]], np.int32)), silent(np.array([[2, 3, 4], [5, PAD, PAD]], np.int32))
    whole = concatenated([one, two])
    np.testing.assert_array_equal(whole.events, [[2, 3, PAD], [2, 3, 4], [5, PAD, PAD]])
    assert whole.times.shape == (3, 3) and np.isnan(whole.times).all() and whole.tokens.shape == (3, 3, VALUES)
    assert whole.texts.tolist() == [[b"", b""], [b"", b"", b""], [b""]]
    assert whole.take(np.array([False, True, False])).texts.tolist() == [[b"", b"", b""]]
