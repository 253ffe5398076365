#!/bin/sh
# See it work: a virtual environment, the package from this checkout, getmail6, and the sandbox. Nothing stays behind.
# Arguments go to `oauth2-pop3 sandbox`: --keep leaves it running, --act google or microsoft plays that provider's part.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)

for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$python
        break
    fi
done
[ -n "${found:-}" ] || { echo "Python 3.11 or later is needed; name one in PYTHON." >&2; exit 1; }

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM

echo "Installing into $directory ..."
"$found" -m venv "$directory/venv" || { echo "Install the venv module (Debian: python3-venv)." >&2; exit 1; }
"$directory/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$checkout[sandbox]"
"$directory/venv/bin/oauth2-pop3" sandbox "$@"
