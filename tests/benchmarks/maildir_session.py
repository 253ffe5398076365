"""The session alone, to a Maildir, every message synced: maildir_session.py PORT USER TOKEN_FILE CA MAILDIR 1|2.

Prints the seconds from the connection to the end of QUIT. 2: a second thread delivers.
"""

from __future__ import annotations

import os
import sys
import time

if sys.path[:1] == [os.path.dirname(os.path.realpath(__file__))]:
    sys.path.pop(0)  # it holds a token.py, which the standard library would take for its own

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.retrieval.retrieval import Retrieval


def main(port: str, user: str, token_file: str, ca_certs: str, maildir: str, threads: str) -> None:
    server = MaildropServer(host="localhost", port=int(port), ca_certs=ca_certs)
    token = Path(token_file).read_text().strip()

    def deliver(number: int, message: bytes) -> None:
        name = f"{number}.{os.getpid()}.benchmark"
        file = os.open(f"{maildir}/tmp/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, message)
        os.fsync(file)
        os.close(file)
        os.rename(f"{maildir}/tmp/{name}", f"{maildir}/new/{name}")

    began = time.perf_counter()
    run = Retrieval(lambda: open_maildrop(server, user, lambda _: token), read_ahead=ReadAheadLimits(), line_feeds=True)
    order = [message.unique_id for message in run.listing()[0]]
    run.expect(order)
    messages = ((number, run.fetch(unique_id).content()) for number, unique_id in enumerate(order))
    if threads == "1":
        for number, message in messages:
            deliver(number, message)
    else:
        with ThreadPoolExecutor(1) as delivering:
            for done in [delivering.submit(deliver, number, message) for number, message in messages]:
                done.result()
    run.finish()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
