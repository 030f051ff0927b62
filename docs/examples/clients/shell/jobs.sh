#!/bin/sh
# Submits a job and prints its result; then schedules one for later and cancels it.
#
#   apt install amqp-tools jq
#   WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 sh jobs.sh README.md
#
# These tools can set neither the property `type`, which the header of that name stands for, nor the job's id: jobs are known by
# their idempotency keys. They have no publisher confirms either: a job counts as accepted when its end, or its answer, is here, and
# is submitted again with the same key if nothing comes.
set -eu

# A lone slash at its end would be the virtual host without a name.
broker=${WARREN_BROKER:-amqp://guest:guest@127.0.0.1:5672}
broker=${broker%/}
if [ $# -ne 1 ]; then
  echo "usage: jobs.sh FILE    (FILE as the worker sees it)" >&2
  exit 2
fi
params=$(jq -n -c --arg path "$1" '{path: $path}')

uuid() { cat /proc/sys/kernel/random/uuid; }

# One queue for all that comes back. Its name must not begin with the prefix of Warren's own.
replies=$(amqp-declare-queue -u "$broker" -q "to-jobs-shell-$(uuid)")
trap 'amqp-delete-queue -u "$broker" -q "$replies" >/dev/null' EXIT

# submit KEY TYPE PARAMS [HEADER]...
submit() {
  key=$1 type=$2 body=$3
  shift 3
  for header in "$@"; do
    set -- "$@" -H "$header"
    shift
  done
  amqp-publish -u "$broker" -e jobs.submit -p -C application/json -t "$replies" \
    -H "type: $type" -H "idempotency-key: $key" "$@" -b "$body"
}

# cancel KEY REASON: the job that the key has made; the id counts where it has made none
cancel() {
  amqp-publish -u "$broker" -e jobs.submit -p -C application/json -H "type: warren.cancel" \
    -b "$(jq -n -c --arg key "$1" --arg reason "$2" --arg job "$(uuid)" \
      '{job: $job, idempotency_key: $key, reason: $reason}')"
}

# Prints the next job that has ended.
next_end() {
  timeout 30 amqp-consume -u "$broker" -q "$replies" -c 1 cat || {
    echo "nothing came within 30 s; are a server and a worker there?" >&2
    return 1
  }
}

submit "checksum-$(uuid)" files:checksum "$params"
end=$(next_end)
printf '%s\n' "$end" | jq -r '"job \(.id) \(.status): \(.result // .error)"'
printf '%s\n' "$end" | jq -e '.status == "completed"' >/dev/null

key=checksum-$(uuid)
submit "$key" files:checksum "$params" "scheduled-at: $(($(date +%s) + 3600))000"
cancel "$key" "no longer needed"
end=$(next_end)
printf '%s\n' "$end" | jq -r '"job \(.id) \(.status): \(.details)"'
printf '%s\n' "$end" | jq -e '.status == "canceled"' >/dev/null
