#!/bin/sh
# Runs the whole suite twice while four busy processes load the machine, at normal priority: is it steady?
# Not part of continuous integration: on two cores it takes about as many minutes as six runs without load.
# Arguments go to tests/run.sh. The exit code is 0 if both runs passed.
set -u
CDPATH= cd -- "$(dirname "$0")/../.."

busy=
for _ in 1 2 3 4; do
    sh -c 'while :; do :; done' &
    busy="$busy $!"
done
# shellcheck disable=SC2064,SC2086  # these four, whatever happens later
trap "kill $busy 2>/dev/null" EXIT
trap 'exit 1' INT TERM

failed=0
for run in first second; do
    echo "== the $run run, $(date +%T), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
    sh tests/run.sh "$@" || failed=1
done
echo "== the end, $(date +%T): $([ $failed = 0 ] && echo 'both passed' || echo 'not steady')"
exit $failed
