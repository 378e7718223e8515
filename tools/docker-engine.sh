#!/bin/sh
# Makes `docker info` succeed: installs Debian's or Ubuntu's engine where it is missing, and starts it without systemd.
set -eu

if docker info >/dev/null 2>&1; then exit 0; fi

say() { printf '%s\n' "docker-engine: $*" >&2; }

if [ "$(id -u)" -ne 0 ]; then
  if command -v dockerd >/dev/null 2>&1; then
    say "a Docker engine is installed, but 'docker info' fails. Start it (for example 'sudo systemctl start docker') and join the group 'docker'."
  else
    say "no Docker engine. Install one (Debian, Ubuntu: 'sudo apt-get install docker.io'; elsewhere https://docs.docker.com/engine/install)."
  fi
  exit 1
fi

if ! command -v dockerd >/dev/null 2>&1 || ! command -v iptables >/dev/null 2>&1; then
  if ! command -v apt-get >/dev/null 2>&1; then
    say "no Docker engine, and only Debian and Ubuntu are known here. Install Docker and run this again."
    exit 1
  fi
  say "installing docker.io"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null 2>&1
  apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends docker.io iptables >/dev/null 2>&1
fi

# A machine with systemd has the engine as a unit; a container or a bare init has only the daemon.
if [ -d /run/systemd/system ]; then
  systemctl start docker || true
else
  LOG=${KAVACH_DOCKERD_LOG:-/var/log/kavach-dockerd.log}
  say "starting dockerd, log in $LOG (stop: kill \$(cat /var/run/docker.pid))"
  # Some resolvers lose parallel look-ups, and each loss would stall an image build for five seconds.
  setsid dockerd --dns-opt timeout:1 --dns-opt attempts:5 --dns-opt single-request >"$LOG" 2>&1 </dev/null &
fi

tries=0
until docker info >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 150 ]; then
    say "the engine did not answer within 30 s"
    [ -f "${LOG:-}" ] && tail -n 20 "$LOG" >&2
    exit 1
  fi
  sleep 0.2
done
