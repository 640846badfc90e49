"""``fromnoise studio`` as a process: what it refuses, how it ends, and what a crash leaves."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fromnoise.cli import entry
from fromnoise.ground.errors import UserError
from fromnoise.studio.api.sizes import read_size
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    found: list[subprocess.Popen[str]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()


def started(folder: Path, gallery: Path, processes: list[subprocess.Popen[str]]) -> str:
    command = [sys.executable, "-m", "fromnoise", "studio", "--no-browser", "--port", "0", "--model", str(folder)]
    process = subprocess.Popen(
        [*command, "--gallery", str(gallery)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    processes.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "the studio is at http://127.0.0.1:" in line, line
    url = line.split(" at ")[1].split("/ ")[0]
    for _ in range(200):
        try:
            httpx.get(f"{url}/healthz")
            return url
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


def test_kill_9_loses_no_finished_picture_and_says_what_was_interrupted(
    tiny_model_folder: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    url = started(tiny_model_folder, tmp_path, processes)
    with httpx.Client(base_url=url, timeout=240) as client:
        job = client.post("/api/jobs", json={"prompt": "kept", "steps": 2}).json()
        picture = finished(client, job["id"])["pictures"][0]["id"]
        before = client.get(f"/api/pictures/{picture}/file").content
        body = {"prompt": "crashed", "steps": 1000, "sampler": "ddim", "count": 2}
        crashed = client.post("/api/jobs", json=body).json()["id"]
        while client.get(f"/api/jobs/{crashed}").json()["state"] == "queued":
            time.sleep(0.01)
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    with httpx.Client(base_url=started(tiny_model_folder, tmp_path, processes), timeout=240) as client:
        assert client.get(f"/api/pictures/{picture}/file").content == before
        assert [each["id"] for each in client.get("/api/jobs/interrupted").json()] == [crashed]
        assert client.get("/api/facts").json()["restarted"]["interrupted"] == 1
        assert client.delete(f"/api/jobs/{crashed}").json()["state"] == "cancelled"
        assert client.get("/api/jobs/interrupted").json() == []
    processes[1].send_signal(signal.SIGTERM)  # and an ordinary end is quick, with a page that listens
    assert processes[1].wait(240) in (0, -signal.SIGTERM)  # uvicorn passes the signal on once all is done


def test_an_open_stream_does_not_hold_up_the_end(
    tiny_model_folder: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    url = started(tiny_model_folder, tmp_path, processes)
    with httpx.Client(base_url=url, timeout=240) as client, client.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": here"
        processes[0].send_signal(signal.SIGINT)
        assert not [line for line in lines if "picture" in line]
    assert processes[0].wait(240) in (0, 130)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "give --token"),
        (["--gallery", ""], "--gallery needs the name"),
        (["--token", "short"], "at least 12 characters"),
        (["--port", "70000"], "--port must be"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--host", "203.0.113.7", "--token", "long-enough-token"], "cannot listen"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(entry.app, ["studio", "--no-browser", "--gallery", str(tmp_path / "g"), *arguments])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_port_that_is_taken(tiny_model_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = ["--port", port, "--model", str(tiny_model_folder), "--gallery", str(tmp_path / "g")]
        result = CliRunner().invoke(entry.app, ["studio", "--no-browser", *options])
    assert "cannot listen" in str(result.exception)
    assert not (tmp_path / "g").exists()  # nothing is made before all is well


def test_the_token_can_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FROMNOISE_TOKEN", "short")
    result = CliRunner().invoke(entry.app, ["studio", "--no-browser", "--gallery", str(tmp_path / "g")])
    assert "at least 12 characters" in str(result.exception)


def test_sizes_keep_the_shape_and_the_area(tiny_model: TextToImage) -> None:
    for text in ("1024x1024", "1000x500", "37x2000", "64x64", "33x47"):
        size = read_size(text, tiny_model, LIMITS)
        assert size.text == text
        width, height = size.drawn
        assert width % tiny_model.vae.factor == height % tiny_model.vae.factor == 0
        assert width * height <= LIMITS.pixels * tiny_model.pixels**2
    wide = read_size("1000x500", tiny_model, LIMITS).drawn
    assert 1.4 < wide[0] / wide[1] < 2.8
    assert not read_size("64x64", tiny_model, LIMITS).enlarged


def test_settings_know_their_own_machine(tmp_path: Path) -> None:
    for host, local in (("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True)):
        assert Settings(tmp_path, host=host).local is local


def test_a_picture_whose_file_somebody_removed_is_gone_in_one_line(live: Live, http: httpx.Client) -> None:
    job = http.post("/api/jobs", json={"prompt": "removed", "steps": 1}).json()
    picture = finished(http, job["id"])["pictures"][0]["id"]
    url = http.post("/v1/images/generations", json={"prompt": "x", "steps": 1, "response_format": "url"}).json()
    address = url["data"][0]["url"]
    for name in (picture, address.split("/")[-1].partition(".")[0]):
        live.state.store.file(name).unlink()
    for answer in (
        http.get(f"/api/pictures/{picture}/file"),
        http.post(f"/api/pictures/{picture}/start"),
        http.get(address),
    ):
        assert answer.status_code == 410
        assert answer.json()["error"]["message"] == "this picture's file is gone from the gallery's folder"
    assert http.delete(f"/api/pictures/{picture}").status_code == 200


def test_a_client_that_leaves_in_the_middle_of_its_form_is_no_fault_of_the_server(live: Live) -> None:
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        with socket.create_connection(("127.0.0.1", live.port)) as wire:
            head = f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nContent-Length: 9999\r\n"
            wire.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            time.sleep(0.2)
        text, until = "", time.monotonic() + 20
        while '408"' not in text and time.monotonic() < until:  # it has answered, whoever reads it
            text = live.client().get("/metrics").text
            text = "\n".join(line for line in text.splitlines() if "/api/uploads" in line)
    finally:
        logging.getLogger("uvicorn.error").removeHandler(handler)
    assert told == []
    assert '408"' in text
