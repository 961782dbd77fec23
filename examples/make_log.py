"""Makes a log of a storage cluster in HDFS's format, with planted anomalies and their truth. Nothing of it is a real log.

    python examples/make_log.py LOG LABELS [BLOCKS] [SEED]

A block's life: three data nodes receive it, the name node allocates it and stores its places, some read it, most delete
it. What goes wrong is planted into one block in twelve, the names of the faults stand in the third column of LABELS.
"""
import csv
import random
import sys
from datetime import datetime, timedelta

START = datetime(2026, 3, 1, 8, 0, 0)
SIZE = 67108864


class Cluster:
    """Draws addresses and block names, and writes the lines of one block's life as (seconds, level, component, text)."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nodes = [f"10.20.{rack}.{host}" for rack in range(1, 5) for host in range(11, 31)]

    def life(self, fault: str | None) -> tuple[str, list[tuple[float, str, str, str]]]:
        """One block: its name and its lines, in order of time."""
        rng, block = self.rng, f"blk_{self.rng.randrange(-2**62, 2**62)}"
        nodes = rng.sample(self.nodes, 3)
        self.lines, self.clock, self.block = [], rng.uniform(0, 5400), block
        self.receive(nodes, 1 if fault == "never finished" else 3)
        if fault == "never finished":
            return block, self.lines
        if fault == "write failed":
            self.say("INFO", "dfs.DataNode$DataXceiver", f"writeBlock {block} received exception java.io.IOException: Could not read"
                     " from stream")
            return block, self.lines
        self.store(nodes, fault == "empty packets")
        if fault == "stored twice":
            self.say("WARN", "dfs.FSNamesystem", f"BLOCK* NameSystem.addStoredBlock: Redundant addStoredBlock request received"
                     f" for {block} on {nodes[1]}:50010 size {SIZE}")
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            reader = rng.choice(self.nodes)
            self.clock += rng.uniform(30, 600)
            self.say("INFO", "dfs.DataNode$DataXceiver", f"{nodes[0]}:50010 Served block {block} to /{reader}")
        if fault is not None or rng.random() < 0.7:
            self.delete(nodes, fault == "deleted twice")
        return block, self.lines

    def say(self, level: str, component: str, text: str, pause: float = 1.0) -> None:
        self.clock += self.rng.uniform(0, pause)
        self.lines.append((self.clock, level, component, text))

    def receive(self, nodes: list[str], n: int) -> None:
        for node in nodes[:n]:
            self.say("INFO", "dfs.DataNode$DataXceiver", f"Receiving block {self.block} src: /{nodes[0]}:"
                     f"{self.rng.randrange(32768, 61000)} dest: /{node}:50010")
        self.say("INFO", "dfs.FSNamesystem", f"BLOCK* NameSystem.allocateBlock: /jobs/out/part-"
                 f"{self.rng.randrange(10**5):05d}. {self.block}")

    def store(self, nodes: list[str], empty: bool) -> None:
        self.clock += 20
        for i, node in enumerate(nodes):
            if empty:
                self.say("INFO", "dfs.DataNode$BlockReceiver", f"Receiving empty packet for block {self.block}")
            self.say("INFO", "dfs.DataNode$PacketResponder", f"PacketResponder {2 - i} for block {self.block} terminating")
            self.say("INFO", "dfs.DataNode$PacketResponder", f"Received block {self.block} of size {SIZE} from /{node}")
        for node in nodes:
            self.say("INFO", "dfs.FSNamesystem", f"BLOCK* NameSystem.addStoredBlock: blockMap updated: {node}:50010 is added"
                     f" to {self.block} size {SIZE}")

    def delete(self, nodes: list[str], twice: bool) -> None:
        self.clock += self.rng.uniform(300, 1800)
        for node in nodes:
            self.say("INFO", "dfs.FSNamesystem", f"BLOCK* NameSystem.delete: {self.block} is added to invalidSet of {node}:50010")
        for _ in nodes:
            self.say("INFO", "dfs.FSDataset", f"Deleting block {self.block} file /data/current/subdir{self.rng.randrange(64)}/{self.block}")
        if twice:
            self.say("WARN", "dfs.FSDataset", f"Unexpected error trying to delete block {self.block}."
                     " BlockInfo not found in volumeMap.")


FAULTS = ("never finished", "deleted twice", "empty packets", "stored twice", "write failed")


def main(log: str, labels: str, blocks: int = 120, seed: int = 1) -> None:
    cluster, lines, truth = Cluster(seed), [], []
    for i in range(blocks):
        fault = FAULTS[i // 12 % len(FAULTS)] if i % 12 == 7 else None
        block, life = cluster.life(fault)
        lines += life
        truth.append((block, int(fault is not None), fault or ""))
    with open(log, "w", encoding="ascii", newline="\n") as out:
        for seconds, level, component, text in sorted(lines):
            when = START + timedelta(seconds=seconds)
            out.write(f"{when:%y%m%d %H%M%S} {cluster.rng.randrange(20, 9000)} {level} {component}: {text}\n")
    with open(labels, "w", encoding="ascii", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("session", "label", "fault"))
        writer.writerows(truth)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/make_log.py LOG LABELS [BLOCKS] [SEED]")
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5]))
