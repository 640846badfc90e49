"""Attacks that broke others (the list is in the project's design): each must fail, and cost little."""

from __future__ import annotations

import io
import json
import resource
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from PIL import Image, PngImagePlugin

from fromnoise.ground.errors import UserError
from fromnoise.studio.api.guard import COOKIE
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished, running

TOKEN = "a-long-enough-token"
TRAVERSALS = [
    "../secret", "..%2fsecret", "..%252fsecret", "%2e%2e/secret", "....//secret", "..\\secret", "..%5csecret",
    "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "C:\\secret", "file:///etc/passwd", "secret%00.png", "~root",
    "../../gallery.sqlite", "..;/secret", "%c0%ae%c0%ae/secret", "..%c0%afsecret", "http://127.0.0.1/", "..%u2216",
    "\\\\host\\share", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n", "../pictures/" + "0" * 32, ".lock", "%00",
    "con", "0" * 5000,
]  # fmt: skip


@pytest.fixture(scope="module")
def locked(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a token."""
    with running(TextToImage.load(tiny_model_folder), tmp_path_factory.mktemp("locked"), TOKEN) as live:
        yield live


# --- who may ask -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_another_address_needs_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--token"):
        Settings(tmp_path, host=host)
    assert Settings(tmp_path, host=host, token=TOKEN).local is False


@pytest.mark.parametrize("token", ["", "short", "elevenchars", "with a space in it", "ünïcödé-tøken-x"])
def test_tokens_that_are_no_protection_are_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--token"):
        Settings(tmp_path, token=token)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "a@b", ""],
)
def test_names_that_are_made_to_point_here_are_refused(live: Live, host: str) -> None:
    with live.client() as client:
        assert client.get("/api/facts", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.1:1234"])
def test_this_machines_own_names_are_served(live: Live, host: str) -> None:
    with live.client() as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/jobs"), ("GET", "/api/facts"), ("POST", "/login")])
def test_other_pages_cannot_ask(live: Live, headers: dict[str, str], method: str, path: str) -> None:
    before = len(live.state.jobs.all())
    with live.client() as client:
        answer = client.request(
            method, path, headers=headers, json={"prompt": "x", "steps": 1} if method == "POST" else None
        )
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert len(live.state.jobs.all()) == before


def test_the_own_page_may_ask_and_nobody_is_given_cors(live: Live) -> None:
    with live.client() as client:
        own = client.get("/api/facts", headers={"Origin": live.url, "Sec-Fetch-Site": "same-origin"})
        ask = client.options("/api/jobs", headers={"Origin": live.url, "Access-Control-Request-Method": "POST"})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in {**own.headers, **ask.headers}


def test_a_form_on_another_page_cannot_begin_a_job(live: Live) -> None:
    with live.client() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            body = json.dumps({"prompt": "x"})
            answer = client.post("/api/jobs", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 415


@pytest.mark.parametrize(
    "path", ["/api/facts", "/v1/models", "/metrics", "/openapi.json", "/api/events", "/static/main.js", "/api/pictures"]
)
def test_the_token_guards_everything(locked: Live, path: str) -> None:
    with locked.client() as client:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Cookie": f"{COOKIE}=x"},
        ):
            answer = client.get(path, headers=headers)
            assert answer.status_code in (401, 429)
            assert answer.json()["error"]["type"] in ("authentication_error", "rate_limit_error")
            assert TOKEN not in answer.text


def test_the_token_opens_api_and_page(tiny_model_folder: Path, tmp_path: Path) -> None:
    with running(TextToImage.load(tiny_model_folder), tmp_path, TOKEN) as live, live.client() as client:
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/").headers["location"] == "/login"
        assert client.get("/docs").headers["location"] == "/login?next=docs"
        for after, page in (("docs", "/docs"), ("https://evil.example", "/"), ("/evil.example", "/"), ("metrics", "/")):
            with live.client() as other:
                login = f"/login?{urlencode({'next': after})}"
                wrong = other.post(login, data={"token": "wrong-wrong-wrong"})
                assert wrong.headers["location"] == ("/login?wrong&next=docs" if page == "/docs" else "/login?wrong")
                assert other.get(wrong.headers["location"]).status_code == 200
                right = other.post(wrong.headers["location"], data={"token": TOKEN})
                assert right.headers["location"] == page
                assert other.get(page).status_code == 200
        assert client.post("/login", data={"token": "wrong-wrong-wrong"}).headers["location"] == "/login?wrong"
        come_in = client.post("/login", data={"token": TOKEN})
        cookie = come_in.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        assert client.get("/api/facts").status_code == 200  # with the cookie
        link = httpx.get(f"{live.url}/?token={TOKEN}")
        assert link.status_code == 303
        assert link.headers["location"] == "/"  # so that it does not stay in the address bar
        assert COOKIE in link.headers["set-cookie"]
        answers = [client.get("/v1/models", headers={"Authorization": f"Bearer {i}"}).status_code for i in range(25)]
        # the client's cookie is right, so all is well even with a wrong header; without it, guessing is slowed down
        assert set(answers) == {200}
        guesses = [httpx.get(f"{live.url}/v1/models", headers={"Authorization": f"Bearer {i}"}) for i in range(25)]
        assert guesses[0].status_code == 401
        assert guesses[-1].status_code == 429


def test_every_answer_carries_the_headers_that_protect_the_page(live: Live) -> None:
    with live.client() as client:
        for path in ("/", "/api/facts", "/nothing", "/static/index.html"):
            headers = client.get(path).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers
        assert client.get("/api/facts").headers["cache-control"] == "no-store"


# --- paths, addresses, markup ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TRAVERSALS)
@pytest.mark.parametrize(
    "route", ["/api/pictures/{}/file", "/api/uploads/{}", "/static/{}", "/v1/files/{}", "/api/jobs/{}"]
)
def test_no_route_serves_a_file_by_its_path(live: Live, route: str, text: str) -> None:
    (live.state.store.folder / "secret").write_text("the secret")
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as raw:
        path = route.format(text).replace("\n", "%0a")
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert b"the secret" not in answer
    assert b"SQLite" not in answer
    assert b"root:" not in answer


def test_no_route_takes_a_path_or_an_address(live: Live) -> None:
    with live.client() as client:
        document = client.get("/openapi.json").json()
    text = json.dumps(document["components"]["schemas"]).lower()
    names = {name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})}
    assert not {name for name in names if any(word in name for word in ("path", "folder", "url", "file", "command"))}
    assert "file://" not in text
    with live.client() as client:
        for body in ({"prompt": "x", "start": "http://169.254.169.254/"}, {"prompt": "x", "start": "/etc/passwd"}):
            assert client.post("/api/jobs", json=body).status_code == 400
        url = client.post(
            "/v1/images/edits", data={"prompt": "x", "image": "http://127.0.0.1:1/x.png"}, files={"y": b""}
        )
        assert url.status_code == 400


MARKUP = '<img src=x onerror="alert(1)"></script><script>alert(1)</script>\r\nSet-Cookie: a=b'


def test_prompts_never_become_markup_or_headers(http: httpx.Client) -> None:
    job = http.post("/api/jobs", json={"prompt": MARKUP, "steps": 1}).json()
    picture = finished(http, job["id"])["pictures"][0]
    assert picture["prompt"] == MARKUP
    for path in (f"/api/pictures/{picture['id']}", f"/api/pictures?search={'<img'}"):
        answer = http.get(path)
        assert answer.headers["content-type"] == "application/json"
    file = http.get(f"/api/pictures/{picture['id']}/file?download=true")
    assert "<" not in file.headers["content-disposition"]
    assert "set-cookie" not in file.headers


def test_a_drawing_with_scripts_is_no_picture(http: httpx.Client) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    answer = http.post("/api/uploads", files={"file": ("x.svg", svg, "image/svg+xml")})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_image"


def test_search_is_words_not_sql(http: httpx.Client) -> None:
    before = http.get("/api/pictures").json()["total"]
    for text in ("' OR 1=1 --", "'; DROP TABLE pictures; --", "%", "_", "\\", '"'):
        assert http.get("/api/pictures", params={"search": text}).status_code == 200
    assert http.get("/api/pictures", params={"search": "%"}).json()["pictures"] == []
    assert http.get("/api/pictures").json()["total"] == before


# --- sizes, before anything is unpacked ------------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is huge."""
    rows = zlib.compress(b"\0" * (1 + (width + 7) // 8) * 100, 9)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


UNIT = 1024 if sys.platform == "darwin" else 1  # ru_maxrss: bytes there, KiB elsewhere


def test_a_small_file_with_a_huge_picture_is_refused_before_it_is_unpacked(http: httpx.Client) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for route, name in (("/api/uploads", "file"), ("/api/settings", "file"), ("/v1/images/edits", "image")):
        answer = http.post(route, files={name: ("x.png", bomb(20_000, 20_000))}, data={"prompt": "x"})
        assert answer.status_code in (400, 413), (route, answer.text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024 * UNIT


def test_text_that_unpacks_to_megabytes_is_refused(http: httpx.Client) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("fromnoise", "x" * 30_000_000, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    assert len(buffer.getvalue()) < 100_000
    assert http.post("/api/settings", files={"file": buffer.getvalue()}).status_code == 400


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"request": {"prompt": "x", "__class__": "os"}}', "x" * 70_000])
def test_settings_of_a_picture_are_data(http: httpx.Client, text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("fromnoise", text)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    answer = http.post("/api/settings", files={"file": buffer.getvalue()})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "no_settings"


@pytest.mark.parametrize("declared", [True, False])
def test_bodies_that_are_too_large_are_cut_off(live: Live, declared: bool) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    body: object = b"x" * 2_000_000 if declared else parts()
    with live.client() as client:
        try:
            answer = client.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
            assert answer.status_code == 413
        except (httpx.WriteError, httpx.RemoteProtocolError):
            assert not declared  # the connection was closed while it still wrote


def test_a_form_with_thousands_of_parts_is_refused(http: httpx.Client) -> None:
    body = (
        b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n' % i for i in range(5000))
        + b"--b--\r\n"
    )
    answer = http.post("/v1/images/edits", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 400
    none = http.post("/v1/images/edits", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert none.status_code == 400


def test_a_picture_that_is_larger_than_the_server_draws(http: httpx.Client) -> None:
    answer = http.post("/api/jobs", json={"prompt": "x", "width": 8192, "height": 8192})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "width"


# --- patience --------------------------------------------------------------------------------------------------


def closed_within(raw: socket.socket, seconds: float) -> bool:
    raw.settimeout(seconds)
    try:
        while raw.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
def test_connections_that_say_nothing_more_are_closed(live: Live, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", live.port)) as raw:
        raw.sendall(sent)
        assert closed_within(raw, 6)


def test_one_slow_client_does_not_hold_up_the_others(live: Live) -> None:
    held = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(20)]
    for raw in held:
        raw.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
    assert httpx.get(f"{live.url}/healthz", timeout=240).status_code == 200
    for raw in held:  # the answer came while they were waited for, and not after they had been given up
        raw.setblocking(False)
        with pytest.raises(BlockingIOError):
            raw.recv(1)
        raw.close()


@pytest.mark.parametrize(
    "sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n", b"\x16\x03\x01\x02\x00"]
)
def test_what_is_no_http_gets_an_error_object(live: Live, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as raw:
        raw.sendall(sent + b"\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_too_many_requests_at_once_are_said_so(live: Live) -> None:
    held = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(LIMITS.connections)]
    for raw in held:
        raw.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    while len(live.state.hub._listeners) < LIMITS.connections:
        time.sleep(0.01)
    answer = httpx.get(f"{live.url}/v1/models")
    for raw in held:
        raw.close()
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["retry-after"] == "2"
    until = time.monotonic() + 10
    while httpx.get(f"{live.url}/v1/models").status_code != 200:
        assert time.monotonic() < until


def test_who_does_not_read_the_news_is_let_go(live: Live) -> None:
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.connect(("127.0.0.1", live.port))
        raw.sendall(b"GET /api/events?all_steps=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while not live.state.hub._listeners:
            time.sleep(0.01)
        until = time.monotonic() + 20
        while time.monotonic() < until and live.state.hub._listeners:
            big = {"type": "job", "job": "x", "state": "x" * 1_000_000}
            live.loop.call_soon_threadsafe(live.state.hub.tell, big)
            time.sleep(0.05)
        assert not live.state.hub._listeners
