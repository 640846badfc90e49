"""Queries that say nothing are absent, and tokens of all signs come through an address."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from fromnoise.studio.server import page_address
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import running


@pytest.mark.parametrize(
    "token", [base64.b64encode(b"some secret bytes!").decode() + "==", "a&b=c#d?e/f+g%2Bh", "ends-with-equals="]
)
def test_a_token_of_any_signs_opens_the_page(token: str, tiny_model: TextToImage, tmp_path: Path) -> None:
    with running(tiny_model, tmp_path, token=token) as live, live.client() as client:
        opened = client.get(page_address(live.url, token))
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        assert "fromnoise" in opened.cookies
        assert client.get("/api/facts").status_code == 200
        if token.endswith("="):  # as a person may paste it
            assert live.client().get(f"/?token={token}").headers["location"] == "/"


def test_without_a_token_there_is_none_in_the_address() -> None:
    assert page_address("http://127.0.0.1:8000", None) == "http://127.0.0.1:8000/"
