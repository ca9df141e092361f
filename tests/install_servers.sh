#!/usr/bin/env bash
# Installs the real servers that the tests use, from Debian's packages. Says what to do where that is not possible.
#
# Nothing is left running: while packages are installed a policy keeps their services from being started, so that the tests'
# own servers, on free ports, are the only ones.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"

declare -A package=(
  [mosquitto]=mosquitto
  [mosquitto_pub]=mosquitto-clients
  [influxd]=influxdb
  [influx]=influxdb-client
  [victoria-metrics]=victoria-metrics
  [strace]=strace
  [openssl]=openssl
  [docker-compose]=docker-compose
  [systemd-analyze]=systemd
)

missing=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

give_up() {
  echo "The tests need these servers, and $1: ${missing[*]}" >&2
  echo "Install them yourself (Debian, Ubuntu: sudo apt-get install ${missing[*]}); tests that need one fail without it." >&2
  [ "${CI:-}" = true ] && exit 1
  exit 0
}

command -v apt-get >/dev/null || give_up "this machine has no apt-get"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || give_up "neither root nor sudo without a password is to be had"
  as_root=(sudo -n)
fi

echo "Installing ${missing[*]} …"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq "${missing[@]}")
"${install[@]}" >/dev/null 2>&1 || { "${as_root[@]}" apt-get update -qq && "${install[@]}" >/dev/null; } || give_up "apt-get could not install them"
