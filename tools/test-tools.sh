#!/bin/sh
# Brings what the tests need beside Node: redis-server, Python with grpcio, Envoy and Kubernetes schemas, helm, the
# conformance runner. As root on Debian or Ubuntu it installs system packages; elsewhere it names what is missing.
set -eu
cd "$(dirname "$0")/.."

missing=""
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v git >/dev/null 2>&1 || missing="$missing git"
# Debian splits venv off, and `python3 -m venv --help` works without it: only its own module tells.
command -v python3 >/dev/null 2>&1 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3 python3-venv"

if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "test-tools: missing:$missing. Debian, Ubuntu: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  echo "test-tools: installing$missing" >&2
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # one argument a package
  if ! { apt-get update -qq && apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends $missing; } >.apt.log 2>&1; then
    cat .apt.log >&2
    exit 1
  fi
  rm -f .apt.log
fi

sh tools/python-tools.sh
sh tools/go-tools.sh
