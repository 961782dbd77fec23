"""What the tests share: the folder of real logs, or a skip that says that it is not there."""
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Real labelled logs. They are not part of the project: without them the test is skipped."""
    folder = Path(os.environ.get("TINYLOG_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real logs: {folder} is absent (TINYLOG_DATA names another folder)")
    return folder
