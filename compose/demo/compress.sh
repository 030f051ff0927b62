#!/bin/sh
# A command job with progress and a result: compress.sh PATH LEVELS
set -eu
path=$1 levels=$2
# As it stands in JSON.
name=$(printf %s "$path" | sed 's/[\\"]/\\&/g')
before=$(wc -c <"$path")
best=$before
level=1
while [ "$level" -le "$levels" ]; do
  size=$(gzip -c "-$level" -- "$path" | wc -c)
  if [ "$size" -lt "$best" ]; then best=$size; fi
  echo "{\"progress\": $((level * 100 / levels)), \"details\": \"gzip -$level: $size bytes\"}" >>"$WARREN_REPORT"
  level=$((level + 1))
done
printf '{"result": {"path": "%s", "bytes": %s, "compressed": %s}}\n' "$name" "$before" "$best" >>"$WARREN_REPORT"
