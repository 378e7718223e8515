#!/bin/sh
# Installs the workspace's dependencies (and with them the pinned Node) with the pinned pnpm, whatever Node runs npm.
set -eu
cd "$(dirname "$0")/.."
# Parallel DNS look-ups are lost on some networks; ask one at a time and give up on a lost reply early.
export RES_OPTIONS="${RES_OPTIONS:-timeout:1 attempts:5 single-request}"
PNPM_VERSION=$(sed -n 's/.*"packageManager": "pnpm@\([^"]*\)".*/\1/p' package.json)
exec npx -y "pnpm@$PNPM_VERSION" install --frozen-lockfile
