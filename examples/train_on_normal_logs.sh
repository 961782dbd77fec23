#!/bin/sh
# A model of what is normal here, from a log without labels, and what stands out in another log.
#   sh examples/train_on_normal_logs.sh NORMAL.log OTHER.log MODEL
set -e
python -m tinylog.train -o "$3" "$1"
python -m tinylog.detect -m "$3" "$2"
