"""The HTTP server under the demo: moto's application behind the demo's faults, silent, on 127.0.0.1."""

from __future__ import annotations

import logging
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from scanner.demo import moto_state
from scanner.demo.faults import DemoApplication, Faults

ADDRESS = "127.0.0.1"
LOUD_LOGGERS = ("werkzeug", "moto")


class SilentRequestHandler(MotoRequestHandler):
    """Writes no access log; the demo's terminal belongs to the report."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        """Drop the line."""


class LoopbackServer:
    """moto's server in a thread of this process.

    Not `ThreadedMotoServer`: that one has no place for a layer before the application and never closes its socket.
    """

    def __init__(self, faults: Faults) -> None:
        _silence()
        application = DemoApplication(DomainDispatcherApplication(create_backend_app), faults)
        self._server = make_server(ADDRESS, 0, application, threaded=True, request_handler=SilentRequestHandler)
        self.address: tuple[str, int] = (ADDRESS, self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, name="kms-scan-demo", daemon=True)
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        """Where the server listens."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def close(self) -> None:
        """Stop listening and forget every account."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        moto_state.reset()
        moto_state.identify_at_random()


def _silence() -> None:
    """Keep moto's and werkzeug's messages, tracebacks of unsupported operations among them, off the terminal."""
    for name in LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
