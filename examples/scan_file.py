"""Alerts of a log file in another Python program: python examples/scan_file.py MODEL LOG"""
import sys

import tinylog


def main(model_path: str, log_path: str) -> None:
    model = tinylog.load(model_path)
    with open(log_path, "rb") as log:
        for alert in model.detect(log):
            print(f"{alert.score:8.3f}  {alert.session}  {alert.reason}  line {alert.line_no}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except tinylog.TinylogError as error:
        sys.exit(f"scan_file: {error}")
