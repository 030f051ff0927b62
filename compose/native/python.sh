# shellcheck shell=sh
# Makes the Python environment of the tests of the contracts, in .warren/venv, from Tests/Contracts/requirements.txt. It stays
# between runs, and is made anew when that file has changed. Sourced.
#
# Needs: $compose (the folder compose), $run (a folder for the log), python3-venv.
# Sets: WARREN_TEST_PYTHON, the environment's interpreter, for the tests.

python_environment() {
  environment="$compose/../.warren/venv"
  requirements="$compose/../Tests/Contracts/requirements.txt"
  if ! cmp -s "$requirements" "$environment/requirements.txt"; then
    echo "installing what $(basename "$requirements") names"
    rm -rf "$environment"
    {
      /usr/bin/python3 -m venv "$environment" &&
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" &&
        # Last: an environment without it is made anew.
        cp "$requirements" "$environment/requirements.txt"
    } >"$run/python.log" 2>&1 || {
      tail -n 20 "$run/python.log" >&2
      echo "could not make the Python environment $environment" >&2
      return 1
    }
  fi
  WARREN_TEST_PYTHON=$(cd "$environment" && pwd)/bin/python
  export WARREN_TEST_PYTHON
}
