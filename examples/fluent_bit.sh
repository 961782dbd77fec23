#!/bin/sh
# Alerts of a log that is still written, into Fluent Bit and from there to wherever its output plugin sends them.
#   sh examples/fluent_bit.sh MODEL LOG [OUTPUT [PROPERTY=VALUE...]]
# Fluent Bit has no filter that runs a program, and its exec input reads only what a program wrote until it ended
# (fluent/fluent-bit#6947), so it stands at the end of the pipe. Its stdin input takes JSON lines of up to buffer_size.
model=$1 log=$2 output=${3:-stdout}
shift 2
[ $# -gt 0 ] && shift
for property; do shift; set -- "$@" -p "$property"; done
tail -n +1 -F "$log" | python3 -m tinylog.detect -m "$model" --json | fluent-bit -q -i stdin -t tinylog.alert -p buffer_size=8M -o "$output" "$@"
