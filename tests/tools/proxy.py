"""A TCP proxy that misbehaves on command: cuts, delays, pauses, halves segments, cuts in the middle of a packet.

It never reorders and never changes a byte.
"""

from __future__ import annotations

import asyncio


class Proxy:
    """Forwards 127.0.0.1:`port` to `target_port`. Attributes may be changed while it runs.

    delay_s: every piece towards the client waits this long.  halve: every piece towards the client goes out in two
    writes.  segment: pieces towards the client have at most so many bytes.
    """

    def __init__(self, target_port: int, *, target_host: str = "127.0.0.1") -> None:
        self.target = (target_host, target_port)
        self.port = 0
        self.delay_s = 0.0
        self.halve = False
        self.segment: int | None = None
        self.connections = 0
        self.to_client = 0
        """Bytes passed on to clients so far, over all connections."""
        self._cut_at: int | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._refuse = False

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        self._open.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    def cut_after(self, count: int) -> None:
        """Reset the connection that brings the clients' next `count` bytes, exactly behind them (mid-packet, if so)."""
        self._cut_at = self.to_client + count

    def refuse(self, on: bool) -> None:
        """Close new connections at once."""
        self._refuse = on

    def pause(self) -> None:
        """Let nothing through, in either direction; connections stay."""
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuse:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, up_writer}
        self._writers |= pair
        tasks = {asyncio.ensure_future(self._pump(up_reader, writer, True)), asyncio.ensure_future(self._pump(reader, up_writer, False))}
        self._tasks |= tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for one in pair:
                one.transport.abort()
            self._writers -= pair
            self._tasks -= tasks

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_client: bool) -> None:
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                if to_client:
                    if not await self._to_client(data, writer):
                        return
                else:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass

    async def _to_client(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        size = self.segment or (max(1, len(data) // 2) if self.halve else len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            cut = self._cut_at is not None and self.to_client + len(piece) >= self._cut_at
            if cut:
                assert self._cut_at is not None
                piece = piece[: self._cut_at - self.to_client]
                self._cut_at = None
            writer.write(piece)
            self.to_client += len(piece)
            await writer.drain()
            if cut:
                writer.close()  # the piece still goes out, then FIN
                return False
            if size < len(data):
                await asyncio.sleep(0)
        return True
