# shellcheck shell=sh
# Makes sure that what Warren needs of Debian is installed. Sourced; sets nothing.
#
#   setup PACKAGE...

setup() {
  missing=
  for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
  done
  if [ -n "$missing" ]; then
    echo "installing:$missing"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
    # shellcheck disable=SC2086 # the list of packages is meant to be split
    {
      $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
          apt-get install -q -y --no-install-recommends $missing
    } >"$run/setup.log" 2>&1 || {
      tail -n 20 "$run/setup.log" >&2
      echo "could not install$missing; the whole story is in $run/setup.log" >&2
      return 1
    }
  fi
  if ! command -v swift >/dev/null 2>&1; then
    echo "no swift on the PATH: install Swift 6.2 or later from https://www.swift.org/install" >&2
    return 1
  fi
}
