"""A web server on this machine that answers requests for ranges of bytes, and counts them."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class Requests:
    """What a server was asked for."""

    def __init__(self) -> None:
        self.n_ranges = 0
        self.to_refuse = 0
        """Requests for bytes that are still to be answered with a failure."""


class _Ranges(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests: ClassVar[Requests]

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        if self.requests.to_refuse:
            self.requests.to_refuse -= 1
            self.close_connection = True
            self.connection.close()
            return
        size, asked = path.stat().st_size, self.headers.get("Range")
        first, last = 0, size - 1
        if asked:
            self.requests.n_ranges += 1
            begin, end = asked.removeprefix("bytes=").split("-")
            first, last = int(begin), min(int(end or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            self.wfile.write(file.read(last - first + 1))

    def do_HEAD(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        super().do_HEAD()


@contextmanager
def byte_server(folder: Path) -> Iterator[tuple[str, Requests]]:
    """Serve a folder; give the address and what is asked for."""
    requests = Requests()
    ranges = type("Ranges", (_Ranges,), {"requests": requests})
    handler = functools.partial(ranges, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", requests
        finally:
            running.shutdown()
            thread.join()
