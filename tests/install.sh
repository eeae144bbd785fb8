#!/usr/bin/env bash
# Installs what the tests need beside Rust on Debian 12: a browser, promtool, a foreign SIP2 server and axe-core. What is
# there already is left alone, so a second run is quick and needs neither root nor a network. Everything but Debian's
# packages goes under target/test-partners.
set -euo pipefail
cd "$(dirname "$0")/.."
partners=target/test-partners
axe_version=4.14.1
pysip2_version=0.1.0

say() { printf 'tests/install.sh: %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "these need root, and there is no sudo: ${packages[*]}" >&2
    exit 1
  fi
}

# Shows a command's output only if it fails.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    say "this failed: $*" >&2
    exit 1
  fi
}

packages=()
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null || packages+=("$@")
}

need cc gcc libc6-dev
need chromium chromium fonts-dejavu-core
need chromedriver chromium-driver
need promtool prometheus
need python3 python3
need node nodejs
need npm npm
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)

# The prometheus package brings a service along, which the tests have no use for: it is not to start.
install_packages() {
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
  fi
  say "installing Debian packages: ${packages[*]}"
  local failed=
  (
    quietly as_root apt-get -q update
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${packages[@]}"
  ) || failed=yes
  [ "$ours" = no ] || as_root rm -f "$policy"
  [ -z "$failed" ] || exit 1
  if [[ " ${packages[*]} " == *' prometheus '* ]] && command -v systemctl >/dev/null; then
    # Where no systemd runs there is nothing to disable.
    as_root systemctl --quiet disable prometheus prometheus-node-exporter >/dev/null 2>&1 || true
  fi
}

install_pysip2() {
  say "installing pysip2 $pysip2_version from PyPI"
  quietly python3 -m venv --clear "$partners/venv"
  quietly "$partners/venv/bin/pip" --disable-pip-version-check install "pysip2==$pysip2_version"
}

install_axe() {
  say "installing axe-core $axe_version from npm"
  cp tests/axe/package.json tests/axe/package-lock.json "$partners/"
  quietly npm --prefix "$partners" ci --ignore-scripts --no-audit --no-fund
}

has_pysip2() {
  [ -x "$partners/venv/bin/python" ] &&
    "$partners/venv/bin/python" - "$pysip2_version" 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version
sys.exit(version("pysip2") != sys.argv[1])
PYTHON
}

has_axe() {
  [ -s "$partners/node_modules/axe-core/axe.min.js" ] &&
    grep -q "\"version\": \"$axe_version\"" "$partners/node_modules/axe-core/package.json"
}

mkdir -p "$partners"
[ ${#packages[@]} -eq 0 ] || install_packages
has_pysip2 || install_pysip2
has_axe || install_axe
say "all is there: $(chromium --version 2>/dev/null | cut -d" " -f1-2), $(promtool --version 2>&1 | sed -n '1s/, version//; 1s/ (.*//p')," \
  "pysip2 $pysip2_version, axe-core $axe_version"
