"""Ask an ASGI application as a server would, with any bytes where a well-made client has words."""

import asyncio
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(app, path, *, query="", method="GET", headers=(), host="127.0.0.1:7860"):
    """Return the answer to one request; `path` is as it stands on the wire."""
    return asyncio.run(_ask(app, path, query, method, headers, host))


async def _ask(app, path, query, method, headers, host):
    named = [(b"host", host.encode("latin-1"))] if host is not None else []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": unquote(path, errors="replace"),
        "raw_path": path.encode("latin-1"),
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "headers": [*named, *((k.encode("latin-1"), v.encode("latin-1")) for k, v in headers)],
        "client": ("127.0.0.1", 4000),
        "server": ("127.0.0.1", 7860),
        "app": app,
    }
    sent = []
    asked = False

    async def receive():
        nonlocal asked
        if asked:
            await asyncio.sleep(3600)
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 60)
    start = next(m for m in sent if m["type"] == "http.response.start")
    body = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    names = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in start["headers"]}
    return Answer(start["status"], names, body)
