# shellcheck shell=sh
# Builds, and says how far it is at least every ten seconds: a first build takes some minutes. Sourced.
#
#   build ARGUMENT...    swift build with these arguments
#   build_stop           ends a build that is under way
#
# Needs: $run (a folder for the log).

build() {
  : >>"$run/build.log"
  # Not as a job of the terminal's: whoever stops the script stops the build with build_stop.
  swift build "$@" >>"$run/build.log" 2>&1 &
  build_pid=$!
  build_seconds=0
  build_said=
  while kill -0 "$build_pid" 2>/dev/null; do
    sleep 1
    build_seconds=$((build_seconds + 1))
    if [ $((build_seconds % 10)) -eq 0 ]; then
      build_line=$(grep '^[^ ]' "$run/build.log" | tail -n 1 | cut -c 1-90)
      if [ "$build_line" = "$build_said" ]; then build_line="still at it"; else build_said=$build_line; fi
      echo "$build_seconds s: $build_line"
    fi
  done
  if wait "$build_pid"; then
    build_pid=
    return 0
  fi
  build_pid=
  grep -E 'error:|warning:' "$run/build.log" | sort -u | head -n 20 >&2
  tail -n 20 "$run/build.log" >&2
  return 1
}

build_stop() {
  [ -n "${build_pid:-}" ] || return 0
  kill -TERM "$build_pid" 2>/dev/null
  wait "$build_pid" 2>/dev/null
  build_pid=
}
