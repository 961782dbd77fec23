"""What a user can cause. The commands catch TinylogError alone, print its one sentence and leave with its exit code;
every other exception is a fault of tinylog and shows its traceback.

    TinylogError        1
    +-- InputError      1   a log, a label file or a template file that cannot be used
    +-- ModelFileError  1   a model file that cannot be read or written
    +-- StateError      1   a state directory that cannot be used
    +-- ConfigError     2   an option or a setting that names nothing that exists
"""


class TinylogError(Exception):
    """One sentence that names the thing, the value, and what would work."""

    exit_code = 1


class InputError(TinylogError):
    """A log, a label file or a template file that cannot be used."""


class ModelFileError(TinylogError):
    """A model file that cannot be read or written."""


class StateError(TinylogError):
    """A state directory that cannot be used."""


class ConfigError(TinylogError):
    """An option or a setting that names nothing that exists."""

    exit_code = 2
