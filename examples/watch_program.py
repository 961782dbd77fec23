"""A program whose own logging is watched: python examples/watch_program.py FOLDER

It first works for a while and learns a model from its log file, as `python -m tinylog.train` does, then goes on with the
handler, and something happens that never did. What it prints are the alerts.
"""
import logging
import sys
from pathlib import Path

import tinylog
from tinylog import train

LINES = logging.Formatter("%(asctime)s %(name)s: %(message)s")


def work(log: logging.Logger, orders: range, late: int = -1) -> None:
    """What the program does, and logs."""
    for order in orders:
        log.info("order #%d received, %d items", order, 1 + order % 3)
        log.info("order #%d paid by card", order)
        if order == late:
            log.warning("order #%d: the bank took %.1f s, asking again", order, 31.5)
            log.info("order #%d paid by card", order)
        log.info("order #%d sent", order)


def main(folder: Path) -> None:
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    file = logging.FileHandler(folder / "shop.log")
    file.setFormatter(LINES)
    log.addHandler(file)
    work(log, range(300))
    train.main(["-o", str(folder / "shop.tinylog"), "--detector", "rules", "--session", "#[0-9]+", str(folder / "shop.log")])

    handler = tinylog.Handler(folder / "shop.tinylog", to=lambda alert: print(f"{alert.session}: {alert.why}"))
    handler.setFormatter(LINES)
    log.addHandler(handler)
    work(log, range(300, 400), late=342)
    handler.close()  # judges the orders that are still open; logging.shutdown does so at the end of every program


if __name__ == "__main__":
    main(Path(sys.argv[1]))
