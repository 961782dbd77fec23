"""What an alert knows: the events of its session beside the share that each had in the score.

    python examples/explain_alert.py MODEL LOG
"""
import sys

import tinylog


def main(model_path: str, log_path: str) -> None:
    with open(log_path, "rb") as file:
        lines = file.read().splitlines()
    for alert in tinylog.load(model_path).detect(lines):
        print(f"{alert.session}: {alert.why}")
        print(f"  score {alert.score}, threshold {alert.threshold}, events {' '.join(alert.events)}")
        for line_no, event, share in alert.contrib:
            text = lines[line_no - 1].decode(errors="replace") if line_no else f"event {event}"
            print(f"  {100 * share:3.0f} %  {text}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
