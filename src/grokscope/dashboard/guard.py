"""Who may ask the dashboard what: hosts, origins, paths, and a token where others can reach it."""

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "grokscope_token"
PATHS = re.compile(
    r"/(content|figures/[a-z_.]+|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt"
    r"|(assets|static|svelte)/[A-Za-z0-9_./@ -]+"
    r"|gradio_api/(info|startup-events|app_id|heartbeat/[A-Za-z0-9]+|queue/(join|data)))?/?"
)
"""All that a page asks for; files of the machine, uploads and proxies are not among it."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'none'; "
    "object-src 'none'; base-uri 'self'; form-action 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """An ASGI application in front of another, which sees only what may be asked.

    hosts: the names under which the server may be called, each `host:port`; a page elsewhere whose
    name was pointed here (DNS rebinding) has another. token: needed by everyone where it is not
    empty, as `?token=` once, afterwards as a cookie.
    """

    def __init__(self, app: App, hosts: Iterable[str], *, token: str = "") -> None:
        self._app = app
        self._hosts = frozenset(host.casefold() for host in hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401, 403 or 404 where something may not be asked; else pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        if (refusal := self._refusal(scope, headers)) is not None:
            await _answer(send, *refusal)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = query.get("token", [""])[0]
        if self._token and not self._knows(given) and not self._knows(_cookie(headers)):
            await _answer(send, 401, "The link that `grokscope dashboard` printed has the token.")
            return
        if self._token and self._knows(given) and scope["path"] == "/":
            cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(send, 303, "", (b"location", b"/"), (b"set-cookie", cookie.encode()))
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or hosts[0].casefold() not in self._hosts:
            return 403, "This name is not the dashboard's."
        if any(urlsplit(origin).netloc.casefold() not in self._hosts for origin in origins):
            return 403, "Another page may not ask the dashboard."
        raw = scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        for path in (scope["path"], raw or scope["path"]):
            if ".." in path or "//" in path or not PATHS.fullmatch(path):
                return 404, "There is nothing here."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "The dashboard is read, not written."
        if scope["method"] == "POST" and scope["path"] != "/gradio_api/queue/join":
            return 405, "The dashboard is read, not written."
        return None

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").casefold(), []).append(value.decode("latin-1"))
    return found


def _cookie(headers: dict[str, list[str]]) -> str:
    try:
        morsel = SimpleCookie("; ".join(headers.get("cookie", []))).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _with_headers(send: Send) -> Send:
    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in HEADERS}
            kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in ours]
            message = {**message, "headers": [*kept, *HEADERS]}
        await send(message)

    return sent


async def _answer(send: Send, status: int, words: str, *headers: tuple[bytes, bytes]) -> None:
    content = words.encode()
    head = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS, *headers]
    head.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": content})
