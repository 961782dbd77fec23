#!/bin/sh
# Alerts of a log that is still written, as they come.  sh examples/watch_syslog.sh MODEL [LOG]
exec tail -n +1 -F "${2:-/var/log/syslog}" | python -m tinylog.detect -m "$1" --format syslog
