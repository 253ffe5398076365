"""getmail, loaded once: each command line runs in a fork of it, and does what a newly started getmail would do.

To start Python and load getmail takes a hundred times as long as to read an rc file. The script is getmail's own, run
by the interpreter that it names, and no file meets what another one left behind.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import tempfile
from pathlib import Path

_PARENT = """
import json, os, sys, traceback

script, directory = sys.argv[1:]
sys.path[0] = os.path.dirname(script)
with open(script) as file:
    code = compile(file.read(), script, "exec")
getmail = {"__name__": "getmail", "__file__": script}
exec(code, getmail)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            path = os.path.join(directory, name) if number else os.devnull
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.argv = [script, *order["arguments"]]
        status = 1
        try:
            getmail["main"]()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # cleaning up all that was loaded would take longer than the rest
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class GetmailForks:
    """One getmail. script: its path."""

    def __init__(self, script: str) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="getmail-forks-")  # for what the forks say
        directory = self._directory = Path(self._temporary.name)
        python = Path(script).read_text(errors="replace").splitlines()[0].removeprefix("#!").split()
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(directory)}
        self._process = subprocess.Popen(
            [*python, "-c", _PARENT, script, str(directory)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)

    def run(self, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        """Run `getmail ARGUMENTS` to its end."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps({"arguments": arguments, "environment": environment}), file=stdin, flush=True)
        code = stdout.readline()
        assert code, "the getmail that forks has ended"
        said = [(self._directory / name).read_bytes() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(arguments, int(code), *said)
