"""Makes Debian's getmail 6.18.11 wait for its delivery child without losing it; for tests only.

A signal tells it of the child's end. If the child ends before getmail begins to wait, that is a minute or `timeout`
seconds for nothing, and an error: with getmail's own types too, once in some thousand messages on a loaded machine.
Later getmails join the process instead. Python imports a module of this name from the user's site-packages.
"""

import os
import sys

if any(argument.endswith("/getmail") for argument in sys.orig_argv):
    from getmailcore.baseclasses import ForkingBase
    from getmailcore.exceptions import getmailOperationError

    def wait_for_child(self: object, childpid: int) -> int:
        """The child's exit code."""
        exit_code = os.waitstatus_to_exitcode(os.waitpid(childpid, 0)[1])
        if exit_code < 0:
            raise getmailOperationError(f"child pid {childpid} killed by signal {-exit_code}")
        return exit_code

    ForkingBase._prepare_child = lambda self: None  # it would set the handler of SIGCHLD
    ForkingBase._wait_for_child = wait_for_child
