"""`python -m tinylog` lists the commands."""
import sys

COMMANDS = """\
python -m tinylog.detect   [-m MODEL] [FILE...]      log on standard input, alerts on standard output
python -m tinylog.parse    [-m MODEL] [FILE...]      log on standard input, event ids and templates on standard output
python -m tinylog.doctor   [FILE...]                 what tinylog sees in a log, and what detect would do with it
python -m tinylog.train    -o MODEL [FILE...]        logs to a model file
python -m tinylog.evaluate [-m MODEL] [FILE...]      model and labelled log to figures
python -m tinylog.feedback -m MODEL --alerts F       false alarms that the model learns from
python -m tinylog.workflow -m MODEL                  the workflow of normal sessions that a model holds
Each one explains itself with --help."""

if __name__ == "__main__":
    sys.stdout.write(COMMANDS + "\n")
