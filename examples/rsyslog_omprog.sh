#!/bin/sh
# What rsyslog.conf starts. A script, because omprog splits the words of its "binary" at every space, quoted or not, and because its
# "output" would put alerts and notes into one file.
exec python3 -m tinylog.detect -m /etc/tinylog/syslog.tinylog --format syslog --json >>/var/log/tinylog.jsonl 2>>/var/log/tinylog.notes
