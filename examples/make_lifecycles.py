"""Makes a log of virtual machines' lives in OpenStack's format, with planted slow-downs and their truth. Nothing of it is a real log.

    python examples/make_lifecycles.py LOG LABELS [INSTANCES] [SEED] [EVERY]

A machine's life: it is asked for, claims its resources, its image is copied over the network, it starts, is looked at, and
most are deleted. One machine in EVERY (default 12, 0: none) has a fault, named in the third column of LABELS. The events
and their order are those of any other life: only times and numbers tell.

    slow network    copying takes 1.4 to 3 times as long, as in DeepLog's experiment, where the network was throttled
    slow requests   from its second look on, this machine is answered 1.8 to 4 times as late; how late is normal is its own
    failed request  a request of a kind that always succeeds has status 500
"""
import csv
import random
import sys
import uuid
from datetime import datetime, timedelta

START = datetime(2026, 3, 1, 8, 0, 0)
FLAVOURS = ((512, 1, 1), (2048, 20, 1), (4096, 40, 2))  # MB of memory, GB of disk, processors
FAULTS = ("slow network", "slow requests", "failed request")


class Cloud:
    """Draws machines, and writes the lines of one machine's life as (seconds, file, component, text)."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.project = f"{self.rng.getrandbits(128):032x}"

    def life(self, begin: float, fault: str | None) -> tuple[str, list[tuple[float, str, str, str]]]:
        """One machine: its name and its lines, in order of time."""
        rng = self.rng
        self.instance, self.clock, self.lines = str(uuid.UUID(int=rng.getrandbits(128), version=4)), begin, []
        self.answer = rng.lognormvariate(0, 0.25)
        looks = rng.randint(2, 6)
        failing = rng.randrange(looks) if fault == "failed request" else None
        self.request("POST", 202, 733, 0.48)
        self.build(rng.uniform(1.4, 3) if fault == "slow network" else 1.0)
        for i in range(looks):
            self.clock += rng.uniform(5, 60)
            if i == 1 and fault == "slow requests":
                self.answer *= rng.uniform(1.8, 4)
            self.request("GET", 500 if i == failing else 200, rng.choice((1893, 1910, 1874)), 0.25)
        if rng.random() < 0.8:
            self.clock += rng.uniform(20, 200)
            self.delete()
        return self.instance, self.lines

    def build(self, slowness: float) -> None:
        memory, disk, processors = self.rng.choice(FLAVOURS)
        begin, used = self.clock, 512.0 * self.rng.randint(1, 20)
        claims = "nova.compute.claims"
        self.say(claims, f"Attempting claim: memory {memory} MB, disk {disk} GB, vcpus {processors} CPU", 0.9)
        self.say(claims, f"Total memory: 64172 MB, used: {used:.2f} MB")
        self.say(claims, f"memory limit: 96258.00 MB, free: {96258 - used:.2f} MB")
        self.say(claims, "Claim successful")
        self.say("nova.virt.libvirt.driver", "Creating image", 0.6)
        image = self.clock
        # Copying and starting: about twenty seconds, the larger the disk the longer
        self.say("nova.compute.manager", "VM Started (Lifecycle Event)", slowness * (15 + disk / 20) * self.rng.lognormvariate(0, 0.05))
        self.say("nova.compute.manager", "VM Paused (Lifecycle Event)", 0.06)
        self.say("nova.compute.manager", "VM Resumed (Lifecycle Event)", self.rng.uniform(3, 6))
        self.say("nova.virt.libvirt.driver", "Instance spawned successfully.")
        self.say("nova.compute.manager", f"Took {self.clock - image + 0.5:.2f} seconds to spawn the instance on the hypervisor.")
        self.say("nova.compute.manager", f"Took {self.clock - begin:.2f} seconds to build instance.", 0.2)

    def delete(self) -> None:
        self.request("DELETE", 204, 203, 0.27)
        self.say("nova.compute.manager", "Terminating instance", 0.1)
        self.say("nova.virt.libvirt.driver", "Instance destroyed successfully.", self.rng.uniform(0.9, 1.6))
        self.say("nova.virt.libvirt.driver", f"Deleting instance files /var/lib/nova/instances/{self.instance}_del")
        self.say("nova.virt.libvirt.driver", f"Deletion of /var/lib/nova/instances/{self.instance}_del complete")
        self.say("nova.compute.manager", f"Took {self.rng.lognormvariate(0, 0.05):.2f} seconds to destroy the instance on the hypervisor.")
        released = 0.5 * self.rng.lognormvariate(0, 0.1)
        self.say("nova.compute.manager", f"Took {released:.2f} seconds to deallocate network for instance.", 0.5)

    def request(self, verb: str, status: int, length: int, seconds: float) -> None:
        seconds *= self.answer * self.rng.lognormvariate(0, 0.08)
        self.say("nova.osapi_compute.wsgi.server", f'10.11.10.1 "{verb} /v2/{self.project}/servers/{self.instance} HTTP/1.1" '
                 f"status: {status} len: {length} time: {seconds:.7f}", seconds, "nova-api.log")

    def say(self, component: str, text: str, pause: float = 0.01, file: str = "nova-compute.log") -> None:
        """A line, about `pause` seconds after the one before."""
        self.clock += pause * self.rng.lognormvariate(0, 0.05)
        self.lines.append((self.clock, file, component, f"[instance: {self.instance}] {text}"))


def main(log: str, labels: str, instances: int = 240, seed: int = 1, every: int = 12) -> None:
    cloud, lines, truth, clock = Cloud(seed), [], [], 0.0
    for i in range(instances):
        fault = FAULTS[i // every % len(FAULTS)] if every and i % every == every // 2 else None
        clock += cloud.rng.expovariate(1 / 20)
        instance, life = cloud.life(clock, fault)
        lines += life
        truth.append((instance, int(fault is not None), fault or ""))
    with open(log, "w", encoding="ascii", newline="\n") as out:
        for seconds, file, component, text in sorted(lines):
            when = (START + timedelta(seconds=seconds)).isoformat(" ", "milliseconds")
            request = uuid.UUID(int=cloud.rng.getrandbits(128), version=4)
            out.write(f"{file} {when} 2931 INFO {component} [req-{request} - - - - -] {text}\n")
    with open(labels, "w", encoding="ascii", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("session", "label", "fault"))
        writer.writerows(truth)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python examples/make_lifecycles.py LOG LABELS [INSTANCES] [SEED] [EVERY]")
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
