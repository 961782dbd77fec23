"""python benchmarks/drain3_process.py FILE > rows: what `python -m tinylog.parse` does, with drain3 at its defaults."""
from __future__ import annotations

import csv
import logging
import sys

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig


def main(path: str) -> None:
    """A row a line of an HDFS log: line number, cluster, its template at the end. The content stands behind the first ": "."""
    logging.getLogger("drain3").setLevel(logging.ERROR)
    miner = TemplateMiner(config=TemplateMinerConfig())
    with open(path, encoding="utf-8", errors="replace") as file:
        clusters = [miner.add_log_message(line.rstrip("\n").partition(": ")[2])["cluster_id"] for line in file]
    templates = {cluster.cluster_id: cluster.get_template() for cluster in miner.drain.clusters}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["line_no", "event_id", "template"])
    writer.writerows((number, cluster, templates[cluster]) for number, cluster in enumerate(clusters, 1))


if __name__ == "__main__":
    main(sys.argv[1])
