# shellcheck shell=sh
# Finds ports that nobody listens on. Sourced.

# port_is_free PORT
port_is_free() {
  ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port="$(printf '%04X' "$1")" '
      { n = split($2, address, ":"); if (address[n] == port && $4 == "0A") found = 1 }
      END { exit !found }'
}

# free_port FROM: prints the first free port from FROM on
free_port() {
  candidate=$1
  until port_is_free "$candidate"; do candidate=$((candidate + 1)); done
  echo "$candidate"
}
