"""What an alert knows: the events of its session beside the share that each had in the score.

    python examples/explain_alert.py MODEL LOG
"""
import sys

import tinylog


def main(model_path: str, log_path: str) -> None:
    with open(log_path, "rb") as file:
        lines = file.read().splitlines()
    for alert in tinylog.load(model_path).detect(lines):
        print(f"{alert.session}: {alert.kind}, {alert.why}")
        print(f"  score {alert.score}, threshold {alert.threshold}, events {' '.join(alert.events)}")
        for part in alert.contrib:
            text = lines[part.line_no - 1].decode(errors="replace") if part.line_no else part.template
            print(f"  {100 * part.share:3.0f} %  {text}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
