"""From a fresh process to pictures, a story, a training and a studio: nobody on a network is asked for anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

# Hears every attempt of Python to reach somebody, before it is made, and forbids all but this machine; what asks by
# other means would take the proxy, which listens and counts.
GUARDED = """
import json, sys
tried = []
def hear(event, arguments):
    if event.startswith("socket.") and event.split(".")[1] in ("connect", "getaddrinfo", "gethostbyname", "sendto"):
        told = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        host = told[0] if isinstance(told, tuple) else told
        if host not in ("127.0.0.1", "::1", "localhost", None) and not str(told).startswith(("/", "\\0")):
            tried.append(f"{event} {told}")
            raise OSError("there is no network")
sys.addaudithook(hear)
"""
COMMANDS = (
    GUARDED
    + """
from fromnoise.cli import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["fromnoise", *command]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"{command}: {stop.code}")
print("tried", json.dumps(tried))
"""
)


class Proxy(threading.Thread):
    """Listens on this machine and counts who comes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        import socket

        self.wire, self.count = socket.create_server(("127.0.0.1", 0)), 0
        self.address = f"http://127.0.0.1:{self.wire.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                found, _ = self.wire.accept()
            except OSError:
                return
            self.count += 1
            found.close()


@pytest.fixture
def proxy() -> Any:
    found = Proxy()
    found.start()
    yield found
    found.wire.close()


def guarded(script: str, *arguments: str, folder: Path, proxy: Proxy) -> str:
    """What a process without a network says; fresh, as after an installation: no cache, no settings of the hub."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "FROMNOISE"))}
    environment |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy.address)
    environment |= {"NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_commands_draw_and_tell_without_a_network(tmp_path: Path, proxy: Proxy) -> None:
    commands = [
        ("info",),
        ("generate", "red apple", "--steps", "2", "--seed", "7", "--out", "apple.png"),
        ("inspect", "origin", "apple.png"),
        ("story", "--seed", "1", "--quiet"),
    ]
    said = guarded(COMMANDS, json.dumps(commands), folder=tmp_path, proxy=proxy)
    assert said.splitlines()[-1] == "tried []"
    assert proxy.count == 0
    assert Image.open(tmp_path / "apple.png").size == (64, 64)


def test_pictures_are_looked_through_and_learnt_without_a_network(tmp_path: Path, proxy: Proxy) -> None:
    for i, colour in enumerate(("red", "blue", "green")):
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.new("RGB", (32, 32), colour).save(tmp_path / "mine" / f"{i}.png")
        (tmp_path / "mine" / f"{i}.txt").write_text(f"a {colour} square")
    small = ("clip.loop.pictures=16", "clip.loop.batch=8", "clip.image.layers=1", "clip.text.layers=1")
    settings = [word for each in small for word in ("--set", each)]
    commands = [
        ("data", "check", "mine", "--out", "report", "--workers", "1"),
        ("train", "first_model", "--data", "mine", "--out", "run", "--tasks", "clip", "--no-self-test", *settings),
    ]
    said = guarded(COMMANDS, json.dumps(commands), folder=tmp_path, proxy=proxy)
    assert said.splitlines()[-1] == "tried []"
    assert proxy.count == 0
    assert list((tmp_path / "run" / "clip").glob("step-*"))


def test_the_studio_and_its_page_ask_nobody(tmp_path: Path, proxy: Proxy, tiny_model_folder: Path) -> None:
    script = (
        GUARDED
        + """
from pathlib import Path
from fastapi.testclient import TestClient
from fromnoise.studio.app import create_app
from fromnoise.studio.desk.models import Models
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
app = create_app(Settings(Path("gallery")), Models("tiny", TextToImage.load(sys.argv[1])))
with TestClient(app, base_url="http://127.0.0.1:8000") as client:
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/api/facts", "/v1/models"):
        assert client.get(path).status_code == 200, path
    drawn = client.post("/v1/images/generations", json={"prompt": "red apple", "steps": 1})
    assert drawn.status_code == 200, drawn.text
print("tried", json.dumps(tried))
"""
    )
    assert guarded(script, str(tiny_model_folder), folder=tmp_path, proxy=proxy).splitlines()[-1] == "tried []"
    assert proxy.count == 0


def test_who_asks_somebody_is_heard(tmp_path: Path, proxy: Proxy) -> None:
    """The oracle: a name that is looked up, an address that is called, a model of the hub."""
    script = (
        GUARDED
        + """
import socket, urllib.request
for ask in (lambda: socket.getaddrinfo("example.org", 80), lambda: socket.create_connection(("192.0.2.1", 9), 1)):
    try:
        ask()
    except OSError:
        pass
try:
    urllib.request.urlopen("http://example.org/")
except OSError:
    pass
print("tried", json.dumps([each.split()[0] for each in tried]))
"""
    )
    said = guarded(script, folder=tmp_path, proxy=proxy)
    heard = json.loads(said.splitlines()[-1].removeprefix("tried "))
    assert heard == ["socket.getaddrinfo"] * 2
    assert proxy.count == 1  # urllib took the proxy
