"""``fromnoise identity``, ``--sign`` and ``inspect origin``, as people use them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fromnoise.drawing.picture_file import read_origin
from fromnoise.provenance import identity
from fromnoise.provenance.marks import source_types_in


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for this user's signer."""
    monkeypatch.setattr(identity, "own_folder", lambda: tmp_path / "own")
    monkeypatch.delenv("FROMNOISE_SIGN", raising=False)
    return tmp_path / "own"


@pytest.fixture
def drawn(run: Any, tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A signed picture."""
    assert run("identity", "--name", "Museum of Noise", "--root", "museum.pem").code == 0
    said = run("generate", "cat", "--model", tiny_model_folder, "--steps", 2, "--seed", 5, "--sign", "--out", "a.png")
    assert said.code == 0, said.err
    return tmp_path / "a.png"


def test_a_signed_picture_is_yours_and_can_be_drawn_again(run: Any, drawn: Path, tiny_model_folder: Path) -> None:
    said = run("inspect", "origin", "a.png")
    assert said.code == 0
    assert said.out.splitlines()[1].endswith('signed, and unchanged since; the signer is you: "Museum of Noise"')
    assert "yes, it says so (trainedAlgorithmicMedia)" in said.out
    assert read_origin(drawn).signer == "Museum of Noise"
    again = run("generate", "--again", "a.png", "--model", tiny_model_folder, "--out", "b.png")
    assert (again.code, "differ" in again.err) == (0, False)
    (found,) = json.loads(run("inspect", "origin", "b.png", "--json").out)
    assert (found["signature"], found["sound"], found["origin"]["signer"]) == ("none", True, "")


def test_others_know_it_by_the_root_only(run: Any, drawn: Path, own: Path) -> None:
    own.rename(own.with_name("gone"))
    assert 'by someone who says to be, as anybody can: "Museum of Noise"' in run("inspect", "origin", "a.png").out
    assert 'by a signer whom you know: "Museum' in run("inspect", "origin", "a.png", "--root", "museum.pem").out
    assert run("identity", "--name", "Museum of Noise").code == 0  # another signer of the same name
    assert "is you" not in run("inspect", "origin", "a.png").out
    said = run("inspect", "origin", "a.png", "--root", "a.png")
    assert (said.code, "holds no certificate" in said.err) == (2, True)
    Path("torn.pem").write_bytes(Path("museum.pem").read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n")
    said = run("inspect", "origin", "a.png", "--root", "torn.pem")  # it is not the picture that is damaged
    assert (said.code, "holds no certificate" in said.err) == (2, True)


def test_a_signer_that_signs_no_more_still_knows_its_pictures(run: Any, drawn: Path, own: Path) -> None:
    (own / identity.KEY).unlink()  # as on another machine
    assert 'the signer is you: "Museum of Noise"' in run("inspect", "origin", "a.png").out
    (own / identity.CERTIFICATES).write_text("damaged")
    said = run("inspect", "origin", "a.png")
    assert (said.code, "someone who says to be" in said.out) == (0, True)


def test_changed_pictures_are_told_and_end_with_code_1(run: Any, drawn: Path) -> None:
    png = bytearray(drawn.read_bytes())
    at = png.rindex(b"IDAT") + 10
    png[at] ^= 1
    Path("changed.png").write_bytes(png)  # its checksum is wrong now, so that it cannot even be unpacked
    said = run("inspect", "origin", "changed.png")
    verdict = said.out.splitlines()[1]
    assert verdict.endswith(
        'changed after it was signed, or signed as another file; the signer is you: "Museum of Noise"'
    )
    assert (said.code, "altered: the file is not, byte for byte, the one that was signed" in said.out) == (1, True)
    end = len(png) - 12
    text = b"tEXtComment\0added"
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    whole = drawn.read_bytes()
    Path("added.png").write_bytes(whole[:end] + chunk + whole[end:])
    assert run("inspect", "origin", "added.png").code == 1


def test_a_signature_that_was_taken_away_is_missed(run: Any, drawn: Path) -> None:
    png = drawn.read_bytes()
    begin = png.index(b"caBX") - 4
    length = int.from_bytes(png[begin : begin + 4], "big") + 12
    Path("stripped.png").write_bytes(png[:begin] + png[begin + length :])
    said = run("inspect", "origin", "stripped.png")
    assert said.out.splitlines()[1].endswith('no signature is there; the name that it gives is "Museum of Noise"')
    assert (said.code, "removed, or never there" in said.out) == (1, True)
    with Image.open("a.png") as picture:
        picture.convert("RGB").save("bare.png")  # neither signature nor settings: nothing can be known
    said = run("inspect", "origin", "bare.png")
    assert (said.code, "none: nothing shows" in said.out) == (0, True)


def test_what_others_wrote_is_read(run: Any) -> None:
    packet = "<a>http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture</a>"
    Image.new("RGB", (8, 8)).save("photo.jpg", xmp=packet.encode())
    assert "it says otherwise (digitalCapture)" in run("inspect", "origin", "photo.jpg").out
    Path("text.png").write_text("no picture")
    for name, why in (("text.png", "cannot be read as a picture"), ("missing.png", "there is no file")):
        said = run("inspect", "origin", name)
        assert (said.code, f"{name}\n  verdict       not looked at: " in said.out, why in said.out) == (2, True, True)


def test_signing_needs_a_signer_and_says_how_to_get_one(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    asked = ("generate", "cat", "--model", tiny_model_folder, "--steps", 1, "--out", "a.png")
    said = run(*asked, "--sign")
    assert (said.code, "fromnoise identity --name" in said.err) == (2, True)
    said = run(*asked, "--identity", tmp_path)
    assert (said.code, "give --sign too" in said.err) == (2, True)
    Path("words.txt").write_text("cat")
    assert run("identity", "--name", "Other", "--folder", "other").code == 0
    said = run("generate", "--prompts", "words.txt", "--cluster", "ray", "--sign", "--identity", "other", "--out", "x")
    assert (said.code, "--sign" in said.err) == (2, True)
    assert not Path("a.png").exists()


def test_the_environment_can_ask_for_signatures(
    run: Any, drawn: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROMNOISE_SIGN", "1")
    Path("words.txt").write_text("cat\ntree")
    said = run("generate", "--prompts", "words.txt", "--model", tiny_model_folder, "--steps", 1, "--out", "many")
    assert said.code == 0, said.err
    found = json.loads(run("inspect", "origin", "many/0000.png", "many/0001.png", "--json").out)
    assert [(each["signature"], each["yours"]) for each in found] == [("intact", True)] * 2


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_films_and_sheets_say_that_a_model_made_them(run: Any, tiny_model_folder: Path, suffix: str) -> None:
    asked = ("--model", tiny_model_folder, "--steps", 2, "--seed", 5)
    assert run("generate", "cat", *asked, "--out", "a.png", "--film", f"film{suffix}").code == 0
    with Image.open(f"film{suffix}") as film:
        said = film.info.get("comment") or film.info.get("xmp") or film.info.get("XML:com.adobe.xmp")
    assert source_types_in(said.decode() if isinstance(said, bytes) else said) == ("trainedAlgorithmicMedia",)
    if suffix == ".png":
        assert run("sheet", *asked, "--prompt", "cat", "--out", "sheet.png").code == 0
        assert "yes, it says so" in run("inspect", "origin", "sheet.png").out


def test_a_watermark_is_found_when_the_file_says_nothing_any_more(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    asked = ("generate", "cat", "--model", tiny_model_folder, "--steps", 2, "--seed", 5, "--size", "64x64")
    assert run(*asked, "--out", "plain.png").code == 0
    assert run(*asked, "--watermark", "--out", "hidden.png").code == 0
    with Image.open("hidden.png") as picture:
        picture.convert("RGB").save("bare.jpg", quality=85)
    found = json.loads(run("inspect", "origin", "plain.png", "hidden.png", "bare.jpg", "--json").out)
    assert [each["watermark"]["found"] for each in found] == [False, True, True]
    assert [each["origin"] and each["origin"]["watermark"] for each in found] == [False, True, None]
    said = run("inspect", "origin", "plain.png", "bare.jpg").out
    assert ("none found" in said, "fromnoise's mark is in it; marks can be copied" in said) == (True, True)
    assert "fromnoise may have drawn it, or part of it: its pixels hold our watermark (which can be copied)" in said
    again = run("generate", "--again", "hidden.png", "--model", tiny_model_folder, "--out", "again.png")
    assert (again.code, "differ" in again.err) == (0, False)
    with Image.open("hidden.png") as one, Image.open("again.png") as other, Image.open("plain.png") as plain:
        assert one.tobytes() == other.tobytes() != plain.tobytes()
        info = PngInfo()
        info.add_itxt("fromnoise", one.text["fromnoise"])  # type: ignore[attr-defined]
        plain.save("taken_out.png", pnginfo=info)
    said = run("inspect", "origin", "taken_out.png")
    assert (said.code, "gone: the settings say that it has one" in said.out) == (1, True)
    assert "it contradicts itself" in said.out.splitlines()[1]


def test_what_is_not_marked_or_signed_is_said(run: Any, drawn: Path, own: Path, tiny_model_folder: Path) -> None:
    asked = ("generate", "cat", "--model", tiny_model_folder, "--steps", 1, "--size", "64x64", "--watermark", "--sign")
    said = run(*asked, "--explain")
    assert 'it has an invisible watermark and is signed (C2PA) by "Museum of Noise".' in said.out
    assert "the film is not watermarked or signed" in run(*asked, "--out", "b.png", "--film", "b.gif").err
    assert "a stereogram gets no watermark" in run(*asked, "--out", "c.png", "--as", "stereogram").err
    again = ("generate", "--again", "a.png", "--model", tiny_model_folder)
    assert "is signed, and the picture that is drawn again will not be" in run(*again, "--out", "d.png").err
    (own / identity.KEY).chmod(0o640)
    said = run(*again, "--sign", "--out", "e.png")
    assert (said.code, "will not be" in said.err, "chmod 600" in said.err) == (0, False, True)


def test_a_picture_too_small_for_a_watermark_is_refused_before_it_is_drawn(run: Any, tiny_model_folder: Path) -> None:
    said = run("generate", "cat", "--model", tiny_model_folder, "--size", "32x32", "--watermark", "--out", "a.png")
    assert (said.code, "at least 64 pixels a side, not 32x32" in said.err, Path("a.png").exists()) == (2, True, False)
    Path("words.txt").write_text("cat\n")
    asked = ("generate", "--prompts", "words.txt", "--model", tiny_model_folder, "--watermark", "--out", "many")
    assert "at least 64 pixels" in run(*asked, "--size", "32x32").err
    assert "--cluster does not mark" in run(*asked, "--cluster", "ray").err
