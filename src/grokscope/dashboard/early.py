"""What stands in the page from the first byte."""

from collections.abc import Iterable
from typing import Any

from grokscope.dashboard.guard import App, Receive, Scope, Send

Header = tuple[bytes, bytes]


class Early:
    """An ASGI application whose page at `/` has a text right behind <head>.

    Gradio has a `head` of its own, but its script puts that into the page when it has loaded, half
    a second later.
    """

    def __init__(self, app: App, text: str) -> None:
        self._app, self._text = app, text.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; hold the page back until it is whole."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        body = bytearray()

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = bytes(body).replace(b"<head>", b"<head>" + self._text, 1)
            size = (b"content-length", str(len(page)).encode())
            start["headers"] = [*_without(start["headers"], b"content-length"), size]
            await send(start)
            await send({"type": "http.response.body", "body": page})

        plain = {**scope, "headers": _without(scope["headers"], b"accept-encoding")}
        await self._app(plain, receive, sent)


def _without(headers: Iterable[Header], name: bytes) -> list[Header]:
    return [header for header in headers if header[0].lower() != name]
