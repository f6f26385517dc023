"""The HTTP protocol of the server: uvicorn's, with a bound on what it does not bound itself."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers do not end within 64 KiB.

    Bodies are bounded where they are read (``dispatch``), since only there is their limit known.
    """

    _in_head = True
    _heads = 0
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        was_in_head, heads = self._in_head, self._heads
        super().data_received(data)
        if not was_in_head or self._heads != heads:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request line and headers must be at most 64 KiB.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
