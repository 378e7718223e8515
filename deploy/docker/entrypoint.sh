#!/bin/sh
# Starts one of the two services as PID 1; everything after its name goes to it as flags.
set -eu
case "${1:-}" in
  gate-node | fanout) ;;
  *)
    echo "usage: gate-node [flags] | fanout [flags]   (--help lists the flags)" >&2
    exit 64
    ;;
esac
service=$1
shift
# Signatures are made on the thread pool, one a core; the size can only be set before the process starts.
export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-$(nproc)}"
# One arena of memory outside the heap: more of them, one for each thread, only keep more of it from the system.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}"
# Eight MiB of young generation halve the slowest percentile at equal throughput; a call's objects are allocated there and nowhere
# else, whatever has survived before, so that they end with the call. The heap is collected whole when it is twice what was left the
# last time, and not four times, as V8 has it: that keeps a node under load below 200 MB (`pnpm bench`).
set -- --max-semi-space-size=8 --no-allocation-site-pretenuring --heap-growing-percent=100 "/app/$service/main.js" "$@"
exec node --enable-source-maps "$@"
