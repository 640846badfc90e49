"""``inspect origin`` before people who want to deceive: other signers, names, metadata and files of others."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fromnoise.provenance import identity, keys
from fromnoise.provenance.credentials import Seal
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.marks import Made

MADE = Made("a red apple", "stickers (abc)", "1.0")


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without a signer of their own."""
    monkeypatch.setattr(identity, "own_folder", lambda: tmp_path / "own")


def signed(name: str, by: Identity) -> Path:
    Image.new("RGB", (24, 24), "red").save(name)
    Path(name).write_bytes(Seal(by).sealed(Path(name).read_bytes(), "PNG", MADE))
    return Path(name)


def verdicts(said: Any) -> list[str]:
    """The first line below the name of each file."""
    return [line.removeprefix("  verdict").strip() for line in said.out.splitlines() if line.startswith("  verdict")]


@pytest.fixture
def museum(tmp_path: Path) -> Identity:
    made = Identity.made(tmp_path / "museum", "Museum of Noise")
    Path("museum.pem").write_bytes(made.root)
    return made


def test_no_line_pins_the_alteration_of_a_stranger_on_a_known_name(run: Any, museum: Identity, tmp_path: Path) -> None:
    stranger = Identity.made(tmp_path / "stranger", "Museum of Noise")
    for by, who in (
        (stranger, "NOT by a signer whom you know, but by someone who says to be"),
        (museum, "by a signer"),
    ):
        file = signed("altered.png", by)
        file.write_bytes(file.read_bytes() + b"\n")
        said = run("inspect", "origin", file, "--root", "museum.pem")
        (verdict,) = verdicts(said)
        assert (said.code, f"changed after it was signed, or signed as another file; {who}" in verdict) == (1, True)
        assert all(who in line for line in said.out.splitlines() if '"Museum of Noise"' in line)


def test_a_root_can_say_no(run: Any, museum: Identity, tmp_path: Path) -> None:
    stranger = Identity.made(tmp_path / "stranger", "Museum of Noise")
    signed("ours.png", museum), signed("theirs.png", stranger)
    Image.new("RGB", (24, 24)).save("bare.png")
    files = ("ours.png", "theirs.png", "bare.png")
    assert [run("inspect", "origin", file, "--root", "museum.pem").code for file in files] == [0, 1, 1]
    assert [run("inspect", "origin", file).code for file in files] == [0, 0, 0]
    said = verdicts(run("inspect", "origin", *files, "--root", "museum.pem"))
    assert ["NOT" in each for each in said] == [False, True, True]
    assert "by someone who says to be, as anybody can" in verdicts(run("inspect", "origin", "theirs.png"))[0]


def test_a_signature_whose_words_were_edited_is_nobodys(run: Any, museum: Identity) -> None:
    file = signed("edited.png", museum)
    file.write_bytes(file.read_bytes().replace(b"a red apple", b"a new apple"))
    said = run("inspect", "origin", file, "--root", "museum.pem")
    assert (said.code, "nobody can be said to have signed it" in verdicts(said)[0]) == (1, True)
    assert "whom you know" not in said.out


@pytest.mark.parametrize("name", ["Museum', whom you know", 'Museum", whom you know', "Museum”, whom you know", "a\\"])
def test_no_name_leaves_its_quotes(run: Any, tmp_path: Path, name: str) -> None:
    signed("a.png", Identity.made(tmp_path / "stranger", name))
    for line in run("inspect", "origin", "a.png").out.splitlines():
        if "Museum" in line or "says to be" in line:
            before, _, shown = line.partition(': "')
            assert before.endswith("by someone who says to be, as anybody can") or "--root" in before
            assert shown[-1] == '"'
            assert not set(shown[:-1]) & set("\"'”")
            assert json.loads(f'"{shown}') == name  # and it can be read back


def test_a_certificate_that_ran_out_alters_no_picture(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 2.0
    end = time.time() + seconds
    monkeypatch.setattr(keys, "YEARS", seconds / 86400 / 365)
    short = Identity.made(tmp_path / "short", "Short Lived")
    whole, changed = signed("whole.png", short), signed("changed.png", short)
    changed.write_bytes(changed.read_bytes() + b"\n")
    Path("short.pem").write_bytes(short.root)
    assert run("inspect", "origin", whole, "--root", "short.pem").code == 0
    time.sleep(max(0.0, end - time.time()) + 1.1)
    said = run("inspect", "origin", whole)
    assert (said.code, "altered" in said.out) == (0, False)
    assert "signed, and unchanged since, with a certificate that is out of date" in verdicts(said)[0]
    assert "by a signer whom you know" not in run("inspect", "origin", whole, "--root", "short.pem").out
    assert run("inspect", "origin", whole, "--root", "short.pem").code == 1  # it cannot be shown any more
    assert run("inspect", "origin", changed).code == 1


def test_one_bad_file_does_not_lose_the_others(run: Any, museum: Identity) -> None:
    signed("a.png", museum), signed("b.png", museum)
    Path("CREDITS.md").write_text("# Credits")
    files = ("a.png", "CREDITS.md", "nothere.png", ".", "b.png")
    said = run("inspect", "origin", *files)
    assert (said.code, len(verdicts(said))) == (2, 5)
    assert [each.startswith("not looked at: ") for each in verdicts(said)] == [False, True, True, True, False]
    assert "BytesIO" not in said.out
    found = json.loads(run("inspect", "origin", *files, "--json").out)
    assert [each["picture"] for each in found] == list(files)
    assert [each.get("sound") for each in found] == [True, None, None, None, True]
    assert "is a folder" in found[3]["error"]


def test_words_in_a_photograph_are_told_as_words(run: Any, tiny_model_folder: Path) -> None:
    asked = ("generate", "cat", "--model", tiny_model_folder, "--steps", 1, "--seed", 5)
    assert run(*asked, "--out", "drawn.png").code == 0
    with Image.open("drawn.png") as drawn:
        info = PngInfo()
        info.add_itxt("fromnoise", drawn.text["fromnoise"])  # type: ignore[attr-defined]
    Image.effect_noise((128, 96), 60).convert("RGB").save("photo.png", pnginfo=info)
    said = run("inspect", "origin", "photo.png")
    assert (said.code, "it contradicts itself" in verdicts(said)[0]) == (1, True)
    assert "of a picture of 32×32 pixels, and it has 128×96" in said.out
    said = run("inspect", "origin", "drawn.png")
    assert (said.code, verdicts(said)) == (0, ["fromnoise drew it, says the file (anybody can write that into a file)"])
    assert "its settings say (anybody can write them)" in said.out


@pytest.mark.parametrize("command", ["origin", "copies"])
def test_what_has_no_end_is_not_read(run: Any, museum: Identity, command: str) -> None:
    os.mkfifo("pipe.png")
    for file in ("/dev/zero", "pipe.png"):
        said = run("inspect", command, file)
        assert (said.code, "is a device or a pipe" in said.out + said.err) == (2, True)


@pytest.mark.parametrize(
    "asked",
    [
        ("restyle", "{}", "apple", "--out", "o.png"),
        ("generate", "--again", "{}"),
        ("generate", "--prompts", "{}", "--out", "many"),
        ("inspect", "origin", "a.png", "--root", "{}"),
        ("inspect", "model", "{}"),
        ("data", "check", "{}"),
    ],
)
def test_no_command_reads_what_has_no_end(run: Any, museum: Identity, asked: tuple[str, ...]) -> None:
    signed("a.png", museum)
    os.mkfifo("pipe.png")
    for file in ("/dev/zero", "pipe.png")[: 1 if "--prompts" in asked else 2]:  # lists may come through a pipe
        said = run(*(each.format(file) for each in asked))
        assert said.code == 2, said


@pytest.mark.parametrize("command", [("inspect", "model"), ("data", "credits")])
def test_a_picture_is_no_model(run: Any, museum: Identity, command: tuple[str, str]) -> None:
    signed("a.png", museum)
    said = run(*command, "a.png")
    assert (said.code, "a.png is no model" in said.err) == (2, True)


def test_the_shipped_model_tells_drawings_from_scenes(run: Any) -> None:
    said = run("inspect", "model")
    assert "learnt from   8,696 pictures: 5,696 of the sets below, and 3,000 scenes made of them" in said.out


def test_a_name_that_fills_the_screen_is_shortened(run: Any) -> None:
    for asked in (("inspect", "model", "a" * 100_000), ("generate", "cat", "--model", "b" * 100_000)):
        said = run(*asked)
        assert (said.code, len(said.err) < 1500) == (2, True)
