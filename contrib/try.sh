#!/bin/sh
# See it work: makes a virtual environment, installs this checkout and getmail6 there, and runs the sandbox. Everything
# is in a temporary directory and is removed in the end, except Debian packages that it installs if it runs as root.
# Arguments go to `oauth2-pop3 sandbox`: --keep leaves it running, --act google or microsoft plays that provider's part.
# PYTHON names the interpreter, if python3 is not the one to use.
set -eu
checkout=$(CDPATH= cd -- "$(dirname "$0")/.." && pwd)

# find_python: sets python to the first interpreter that is new enough and has what `python -m venv` needs.
find_python() {
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    done
    return 1
}

if ! find_python; then
    needed="Python 3.11 or later with its venv module is needed."
    old=$(python3 -c 'import sys; sys.version_info < (3, 11) and print(sys.version.split()[0])' 2>/dev/null) || :
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "Installing python3 and python3-venv ..."
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq -o DPkg::Lock::Timeout=300 &&
            apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 python3 python3-venv >/dev/null
        } || echo "apt-get could not install python3 and python3-venv." >&2
    elif command -v apt-get >/dev/null && [ -z "$old" ]; then
        echo "$needed Run this as root, and then try again:" >&2
        echo "    apt-get install python3 python3-venv" >&2
        exit 1
    fi
    find_python || {
        echo "$needed${old:+ This python3 is $old.} Install it, and run this again." >&2
        echo "If it has another name than python3, say so: PYTHON=/path/to/python3.11 sh contrib/try.sh" >&2
        exit 1
    }
fi

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM

echo "Installing into $directory ..."
"$python" -m venv "$directory/venv"
"$directory/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$checkout[sandbox]" || {
    echo "pip could not install oauth2-pop3. Its reason is above; it must be able to reach the Python package index." >&2
    exit 1
}
"$directory/venv/bin/oauth2-pop3" sandbox "$@"
