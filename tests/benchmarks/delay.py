"""A proxy that lets every octet wait for half a round trip, in each direction; a process of its own.

certificate: ends TLS here and begins it anew, so that CAPA can be shown without PIPELINING. megabits: how much a second
brings in each direction; 0: as much as it can.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

BLOCK = 65536


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, edit: bool, megabits: float
) -> None:
    """Each block leaves when its time has come; reading goes on meanwhile."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(4096)

    async def leave() -> None:
        gone = 0.0
        while True:
            due, block = await queue.get()
            if megabits:
                due = gone = max(due, gone) + len(block) / (megabits * 125_000)
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            if not block:
                writer.close()
                return
            writer.write(block)
            await writer.drain()

    task = asyncio.create_task(leave())
    try:
        while block := await reader.read(BLOCK):
            if edit:
                block = block.replace(b"PIPELINING\r\n", b"")
            await queue.put((loop.time() + seconds, block))
    except OSError:
        pass
    await queue.put((loop.time() + seconds, b""))
    try:
        await task
    except OSError:
        pass


async def _serve(
    report: Connection, port: int, seconds: float, certificate: tuple[str, str, str] | None, megabits: float
) -> None:
    inner: ssl.SSLContext | None = None
    outer: ssl.SSLContext | None = None
    if certificate:
        pem, key, ca_file = certificate
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        outer.load_cert_chain(pem, key)
        inner = ssl.create_default_context(cafile=ca_file)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = "localhost" if inner else None
        there, to_there = await asyncio.open_connection("127.0.0.1", port, ssl=inner, server_hostname=name, limit=BLOCK)
        await asyncio.gather(
            _pass_on(reader, to_there, seconds / 2, False, megabits),
            _pass_on(there, writer, seconds / 2, bool(certificate), megabits),
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=outer, limit=BLOCK)
    report.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(
    report: Connection, port: int, seconds: float, certificate: tuple[str, str, str] | None, megabits: float
) -> None:
    asyncio.run(_serve(report, port, seconds, certificate, megabits))


@contextmanager
def delayed(
    port: int, seconds: float, certificate: tuple[str, str, str] | None = None, megabits: float = 0
) -> Iterator[int]:
    """A port that leads to this port, with a round trip of this many seconds."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, port, seconds, certificate, megabits), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()
