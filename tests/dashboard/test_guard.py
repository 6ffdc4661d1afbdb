"""Nobody but the page asks the dashboard, and nothing outside the folder is ever answered."""

import asyncio
import gzip
import itertools
import json
import shutil

import pytest

from grokscope.dashboard.guard import Guard

from .asking import ask
from .conftest import built

SECRET = b"the-secret-that-no-page-may-show"
TOKEN = "a-token-of-the-test"


@pytest.fixture(scope="module")
def place(runs, tmp_path_factory):
    """Return a folder with a run, beside a file that the dashboard has no business with."""
    outside = tmp_path_factory.mktemp("guarded")
    (outside / "secret.txt").write_bytes(SECRET)
    shutil.copytree(runs["grokked"].path, outside / "runs" / "one")
    (outside / "runs" / "notes.txt").write_bytes(SECRET)
    (outside / "runs" / "link").symlink_to(outside / "secret.txt")
    return outside


@pytest.fixture(scope="module")
def app(place):
    return built(place / "runs")


@pytest.fixture(scope="module")
def closed(place):
    return built(place / "runs", token=TOKEN)


def test_the_page_its_figures_and_its_data_are_answered(app):
    assert ask(app, "/").status == 200
    assert ask(app, "/figures/plotly.js").status == 200
    answer = ask(app, "/content", query="section=runs")
    assert json.loads(gzip.decompress(answer.body))["table"]["rows"][0][0] == "one"


@pytest.mark.parametrize(
    "own", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "LOCALHOST:7860"]
)
def test_own_names_are_known(app, own):
    assert ask(app, "/content", host=own).status == 200


FORGED = [
    "evil.example",
    "evil.example:7860",
    "127.0.0.1",
    "127.0.0.1:7861",
    "127.0.0.1:7860.evil.example",
    "127.0.0.1:7860@evil.example",
    "evil.example@127.0.0.1:7860",
    "localhost.evil.example:7860",
    "127.0.0.1.nip.example:7860",
    "0.0.0.0:7860",
    "127.1:7860",
    "2130706433:7860",
    "0x7f.0.0.1:7860",
    "[::ffff:127.0.0.1]:7860",
    "",
    " 127.0.0.1:7860",
    "127.0.0.1:7860 ",
    "127.0.0.1:7860,evil.example",
    "localhost:07860",
    "localhost.:7860",
]


@pytest.mark.parametrize("host", FORGED)
@pytest.mark.parametrize("path", ["/", "/content", "/gradio_api/info"])
def test_forged_names_are_refused(app, host, path):
    assert ask(app, path, host=host).status == 403


def test_no_name_and_two_names_are_refused(app):
    assert ask(app, "/content", host=None).status == 403
    second = [("host", "evil.example:7860")]
    assert ask(app, "/content", headers=second).status == 403


ORIGINS = [
    "http://evil.example",
    "https://evil.example:7860",
    "http://127.0.0.1",
    "http://127.0.0.1:7861",
    "http://127.0.0.1:7860.evil.example",
    "http://evil.example#127.0.0.1:7860",
    "http://evil.example/127.0.0.1:7860",
    "http://127.0.0.1:7860@evil.example",
    "null",
    "file://",
    "chrome-extension://abcdef",
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_forged_origins_are_refused(app, origin, method):
    path = "/content" if method == "GET" else "/gradio_api/queue/join"
    assert ask(app, path, method=method, headers=[("origin", origin)]).status == 403


def test_the_own_origin_is_let_in(app):
    assert ask(app, "/content", headers=[("origin", "http://127.0.0.1:7860")]).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"])
def test_nothing_is_written(app, method):
    assert ask(app, "/content", method=method).status == 405


@pytest.mark.parametrize(
    "path", ["/gradio_api/upload", "/gradio_api/run/predict", "/gradio_api/reset"]
)
def test_no_other_interface_of_the_library_is_open(app, path):
    assert ask(app, path, method="POST").status in (404, 405)


STEPS = [
    "..",
    "%2e%2e",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..%00",
    "%c0%ae%c0%ae",
    "..;",
    "....",
    "\xe3\x80\x82\xe3\x80\x82",
]
SLASHES = ["/", "%2f", "%5c", "\\", "//", "%252f", "/./"]
PLACES = "file= gradio_api/file= gradio_api/file/ file/ assets/ static/ svelte/ figures/ content/"
OTHERS = "gradio_api/proxy= gradio_api/stream/ gradio_api/custom_component/"
ROOTS = ["/", *(f"/{word}" for word in f"{PLACES} {OTHERS}".split())]


def encodings(place):
    """Return ways to spell the path of a file outside of what is answered."""
    whole = str(place / "secret.txt")
    yield from (root + whole for root in ROOTS)
    yield from (root + "file://" + whole for root in ROOTS[:4])
    yield from (root + whole.replace("/", "%2f") for root in ROOTS)
    yield from (root + name for root in ROOTS for name in ("notes.txt", "one/config.yaml", "link"))
    for step, slash, root in itertools.product(
        STEPS, SLASHES, ("/assets/", "/gradio_api/file=", "/")
    ):
        yield root + slash.join([*[step] * 6, whole.lstrip("/")])


def test_no_encoding_of_a_path_leads_out_of_the_folder(app, place):
    paths = list(encodings(place))
    assert len(paths) >= 200
    for path in paths:
        answer = ask(app, path.encode("latin-1", "replace").decode("latin-1"))
        assert SECRET not in answer.body, path
        assert b"weight_decay" not in answer.body, path
        assert answer.status in (400, 403, 404, 405, 307), (path, answer.status)


@pytest.mark.parametrize(
    "query",
    [
        "runs=../secret.txt",
        "detail=..%2f..%2fsecret.txt",
        "runs=%2fetc%2fpasswd",
        "section=..%2f..%2fsecret.txt",
        "where=..%2fsecret.txt",
        "color=..%2fsecret.txt&facet=%00",
        "smooth=nan&x=%00&y_scale=%ff",
    ],
)
def test_no_view_leads_out_of_the_folder(app, query):
    answer = ask(app, "/content", query=query)
    assert answer.status == 200
    assert SECRET not in gzip.decompress(answer.body)


def test_a_token_is_asked_for_once(closed):
    for query in ("", "token=", "token=wrong", f"token={TOKEN}x", "token=%ff"):
        assert ask(closed, "/", query=query).status == 401
        assert ask(closed, "/content", query=query).status == 401
    answer = ask(closed, "/", query=f"token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict"} <= {word.strip() for word in cookie.split(";")}
    given = [("cookie", cookie.split(";")[0])]
    assert ask(closed, "/content", headers=given).status == 200
    assert ask(closed, "/content", headers=[("cookie", "grokscope_token=wrong")]).status == 401


def test_every_answer_forbids_other_addresses(app):
    for path in ("/", "/content", "/figures/plotly.js", "/no/such/thing"):
        headers = ask(app, path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http:" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_web_sockets_are_closed():
    sent = []

    async def send(message):
        sent.append(message)

    guard = Guard(lambda *_: None, ["127.0.0.1:7860"])
    asyncio.run(guard({"type": "websocket", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
