#!/usr/bin/env bash
# checkpoint.bats in a guest whose kernel criu works with: emulated, so it takes ten
# minutes or more; ./run-tests --long has it too.
exec "$(dirname "$0")/suite.sh" --guest checkpoint
