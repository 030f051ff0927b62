#!/bin/sh
# A command job with progress and a result: compress.sh PATH LEVELS
set -eu
path=$1 levels=$2
before=$(wc -c <"$path")
best=$before
level=1
while [ "$level" -le "$levels" ]; do
  size=$(gzip -c "-$level" "$path" | wc -c)
  if [ "$size" -lt "$best" ]; then best=$size; fi
  echo "{\"progress\": $((level * 100 / levels)), \"details\": \"gzip -$level: $size bytes\"}" >>"$WARREN_REPORT"
  level=$((level + 1))
done
echo "{\"result\": {\"path\": \"$path\", \"bytes\": $before, \"compressed\": $best}}" >>"$WARREN_REPORT"
