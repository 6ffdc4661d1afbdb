"""The server of the dashboard: an address, a token where others can reach it, nothing more."""

import asyncio
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from grokscope.errors import ConfigError

PORT = 7860
TRIES = 20


def serve(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    told: Callable[[str], None] = print,
) -> None:
    """Show the runs of a folder in the browser until interrupted.

    host: an address to listen at; any but this machine's own needs the token of the link that is
    told. port: by default the first free one from 7860 on. told: gets the link once it works.
    Raises ConfigError where the folder does not exist, the port is taken, or Gradio is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such directory")
    if find_spec("gradio") is None:
        raise ConfigError("the dashboard needs gradio: pip install 'grokscope[dashboard]'")
    listening = _socket(host, port)
    port = listening.getsockname()[1]
    token = "" if local(host) else secrets.token_urlsafe(24)
    import uvicorn  # noqa: PLC0415 - comes with gradio

    from grokscope.dashboard.app import build  # noqa: PLC0415

    app = build(folder, hosts=names(host, port), token=token)
    link = f"http://{_written(host)}:{port}/" + (f"?token={token}" if token else "")
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)

    class Server(uvicorn.Server):  # type: ignore[misc] # uvicorn is untyped here: it is an extra
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            told(link)

    logging.getLogger("uvicorn.error").addFilter(_matters)
    Server(config).run(sockets=[listening])


def _matters(record: logging.LogRecord) -> bool:
    """Return whether a line of the server says more than that an open page was left at the end."""
    cancelled = record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cancelled and "graceful shutdown" not in record.getMessage()


def local(host: str) -> bool:
    """Return whether only this machine can reach an address.

    >>> local("127.0.0.1"), local("localhost"), local("0.0.0.0"), local("10.1.2.3")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names(host: str, port: int) -> list[str]:
    """Return the `host:port` under which a server may be called.

    >>> names("127.0.0.1", 7860)
    ['127.0.0.1:7860', 'localhost:7860', '[::1]:7860']
    """
    own = ["127.0.0.1", "localhost", "[::1]"]
    if not local(host):
        own += [_written(host), socket.gethostname(), socket.getfqdn()]
        if host in ("0.0.0.0", "::"):  # noqa: S104 - the user asked for every address
            own += sorted(set(_addresses()))
    return list(dict.fromkeys(f"{name}:{port}" for name in own))


def _addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        return [str(address[0]) for *_, address in found]
    except OSError:
        return []


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _socket(host: str, port: int | None) -> socket.socket:
    """Return a listening socket. Raises ConfigError where there is no such address or port."""
    reason = ""
    for number in [port] if port is not None else range(PORT, PORT + TRIES):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            found = socket.socket(family, socket.SOCK_STREAM)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, number))
            found.listen(128)
            return found
        except (OSError, OverflowError) as error:
            found.close()
            reason = str(getattr(error, "strerror", None) or error)
    where = f"{host}:{port}" if port is not None else f"{host}:{PORT} to {PORT + TRIES - 1}"
    raise ConfigError(f"{where}: {reason.lower()}")
