"""What the page begins with is in its first bytes, whatever the application behind it answers."""

import pytest

from grokscope.dashboard.early import Early

from .asking import ask
from .conftest import built

PAGE = b"<!doctype html><head><title>t</title></head><body><head></body>"


def application(parts, seen, status=200):
    async def app(scope, receive, send):
        seen.append(dict(scope["headers"]))
        size = (b"content-length", str(sum(map(len, parts))).encode())
        headers = [size, (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for i, part in enumerate(parts):
            more = i + 1 < len(parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    return app


@pytest.mark.parametrize("cut", [0, 3, 18, 40])
def test_the_text_stands_behind_the_first_head_and_the_length_is_right(cut):
    seen = []
    app = Early(application([PAGE[:cut], PAGE[cut:]], seen), "<script>é</script>")
    answer = ask(app, "/", headers=[("accept-encoding", "gzip")])
    text = "<script>é</script>".encode()
    assert answer.body == PAGE.replace(b"<head>", b"<head>" + text, 1)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert b"accept-encoding" not in seen[0]


@pytest.mark.parametrize("path", ["/content", "/assets/x.js"])
def test_other_answers_pass_as_they_are(path):
    seen = []
    app = Early(application([PAGE[:9], PAGE[9:]], seen), "text")
    answer = ask(app, path, headers=[("accept-encoding", "gzip")])
    assert answer.body == PAGE
    assert seen[0][b"accept-encoding"] == b"gzip"


def test_the_page_asks_for_figures_before_gradio(shelf_of):
    body = ask(built(shelf_of), "/").body.decode()
    places = [body.index(x) for x in ("<head>", "grokscopeFirst", "plotly.js", "grokscope.begin")]
    assert places == sorted(places)
    assert places[-1] < body.index("gradio_config")
    assert body.count("window.grokscope = ") == 1
