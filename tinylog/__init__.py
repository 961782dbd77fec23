"""tinylog finds anomalies in logs with networks of a few hundred parameters, in plain NumPy.

    import tinylog
    model = tinylog.load("hdfs.tinylog")
    for alert in model.detect(open("server.log", "rb")):
        print(alert.session, alert.score, alert.reason)

Names are loaded when they are first used (PEP 562): the commands set the thread variables before NumPy is imported.
"""
from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "load": "model",
    "Model": "model",
    "Alert": "records",
    "Windows": "records",
    "Handler": "handler",
    "TinylogError": "errors",
    "InputError": "errors",
    "ModelFileError": "errors",
    "ConfigError": "errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'tinylog' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
