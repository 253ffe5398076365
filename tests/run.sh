#!/bin/sh
# From a fresh clone to all checks and tests: installs what is missing, then ruff, mypy and pytest.
# Arguments go to pytest, which runs in three processes for two cores; -n 0 makes it one, as --pdb wants it.
# --quick: only the tests that need no server, browser or other program; installs nothing but the .venv.
# OAUTH2_POP3_NOTHING_SKIPPED=1 makes a failure of every test that lacks a program.
set -eu
CDPATH= cd -- "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

quick=
for argument in "$@"; do
    [ "$argument" != --quick ] || quick=yes
done

# --- Debian packages: the real servers and clients

packages=
for pair in dovecot:dovecot-core fetchmail:fetchmail mpop:mpop chromium:chromium certutil:libnss3-tools \
    dnsmasq:dnsmasq-base node:nodejs npm:npm curl:curl systemd-socket-activate:systemd inetd:openbsd-inetd \
    fdm:fdm mbsync:isync neomutt:neomutt msmtp:msmtp offlineimap:offlineimap3 aerc:aerc; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
for pair in pop3:dovecot-pop3d imap:dovecot-imapd submission:dovecot-submissiond; do
    [ -e "/usr/lib/dovecot/${pair%%:*}" ] || [ -e "/usr/libexec/dovecot/${pair%%:*}" ] || packages="$packages ${pair#*:}"
done
ls /usr/lib/*/sasl2/libkdexoauth2.so >/dev/null 2>&1 || packages="$packages libsasl2-modules-kdexoauth2"
[ -x /usr/bin/getmail ] || packages="$packages getmail6"
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3 python3-venv"

if [ -n "$packages" ] && [ -z "$quick" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q -o DPkg::Lock::Timeout=300
        # shellcheck disable=SC2086  # one word a package
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $packages
    else
        echo "Not installed, so their tests are skipped (pytest says which, at its end). Debian's names:"
        echo "    apt-get install --no-install-recommends$packages"
    fi
fi

# --- what PyPI and npm have, again whenever the files change that name it

# stale STAMP FILE...: whether the files differ from what the stamp was made of.
stale() {
    stamp=$1
    shift
    sum=$(cat "$@" | cksum)
    [ "$sum" != "$(cat "$stamp" 2>/dev/null)" ]
}

if ! .venv/bin/python -c '' 2>/dev/null; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "python3 is older than 3.11" >&2
        exit 1
    }
    python3 -m venv --clear .venv
fi
# Of hooks/ the files, not the package: an installation copies them.
# shellcheck disable=SC2046
if stale .venv/stamp pyproject.toml $(find hooks -maxdepth 1 -type f | sort); then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
    echo "$sum" >.venv/stamp
fi

servers=tests/servers/authorization_server
if [ -z "$quick" ] && command -v npm >/dev/null && stale $servers/node_modules/.stamp $servers/package-lock.json; then
    npm ci --prefix $servers --no-audit --no-fund
    echo "$sum" >$servers/node_modules/.stamp
fi

# --- checks and tests

.venv/bin/ruff check .
.venv/bin/ruff format --check .
# mypy works while the tests wait for their servers; what it has to say comes after them.
.venv/bin/mypy >.venv/mypy.log 2>&1 &
mypy=$!
trap 'kill $mypy 2>/dev/null || :' EXIT
failed=0
.venv/bin/python -m pytest -n "$((($(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2))" --dist loadgroup "$@" || failed=$?
wait $mypy || failed=1
cat .venv/mypy.log
exit $failed
