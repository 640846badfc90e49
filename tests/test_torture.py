"""Some hundred damaged files of every kind: each is refused in one line or opened, none ends in a traceback.

The long form is ``benchmarks/torture.py``.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from fromnoise.ground.errors import UserError
from mutants import JSON_KINDS, mutated_json
from torture_checkpoints import LORAS, lora_subjects
from torture_drawn import job_subject, settings_subject
from torture_subjects import json_files, picture_subjects, prompt_subject, subjects, with_weights
from torturing import Subject, torture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
COUNTS = {"tiny": 25, "story": 80, "run": 80, "tokenizer": 80, "tokenizer_5": 80}


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    return {each.name: each for each in subjects(tmp_path_factory.mktemp("torture"))}


@pytest.fixture(scope="module")
def loras(every: dict[str, Subject]) -> dict[str, Subject]:
    return {each.name: each for each in lora_subjects(every["tiny"].folder.parent)}


@pytest.mark.parametrize("name", COUNTS)
def test_no_json_of_others_ends_in_a_traceback(every: dict[str, Subject], name: str) -> None:
    found = list(torture(every[name], COUNTS[name], seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert len(found) == COUNTS[name]
    assert {each.outcome for each in found} == {"opened", "refused"}


@pytest.mark.parametrize(("name", "count"), [("tiny", 30), ("story", 40)])
def test_no_weights_of_others_end_in_a_traceback(every: dict[str, Subject], name: str, count: int) -> None:
    found = list(torture(with_weights(every[name]), count, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert sum(each.outcome == "refused" for each in found) > count // 2


@pytest.mark.parametrize("kind", ["rgb.png", "moving.png", "plain.jpg", "lossless.webp", "moving.gif", "plain.tif"])
def test_no_picture_of_others_ends_in_a_traceback(kind: str, tmp_path: Path) -> None:
    (subject,) = [each for each in picture_subjects(tmp_path) if each.name == kind]
    found = list(torture(subject, 40, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert {each.outcome for each in found} == {"opened", "refused"}


@pytest.mark.parametrize("name", LORAS)
def test_no_lora_of_others_ends_in_a_traceback(every: dict[str, Subject], loras: dict[str, Subject], name: str) -> None:
    found = list(torture(loras[name], 20, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert {each.outcome for each in found} == {"opened", "refused"}


def test_no_settings_of_a_picture_end_in_a_traceback(every: dict[str, Subject]) -> None:
    found = list(torture(settings_subject(every["tiny"].folder.parent), 30, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert {each.outcome for each in found} == {"opened", "refused"}


def test_no_damaged_job_of_a_cluster_ends_in_a_traceback(every: dict[str, Subject]) -> None:
    found = list(torture(job_subject(every["tiny"].folder.parent), 25, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert {each.outcome for each in found} == {"opened", "refused"}


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1, "b": [2]}')
    subject = Subject("planted", tmp_path, lambda folder: None, json_files(tmp_path))
    whole = list(torture(subject, 9, seed=3))
    parts = [*torture(subject, 4, seed=3), *torture(subject, 9, seed=3, begin=4)]
    assert [each.kind for each in parts] == [each.kind for each in whole]


def test_no_prompt_ends_in_a_traceback_or_comes_back_changed(every: dict[str, Subject]) -> None:
    found = list(torture(prompt_subject(every["tiny"].folder.parent), 60, seed=1))
    assert [each for each in found if each.outcome == "crash"] == []
    assert {each.outcome for each in found} == {"opened", "refused"}


def test_whatever_goes_wrong_is_seen(tmp_path: Path) -> None:
    """The oracle: tracebacks, lines that are none, what never ends, and memory without bounds are told as crashes."""
    (tmp_path / "a.json").write_text('{"a": 1}')

    def crashes(use: object) -> list[str]:
        subject = Subject("planted", tmp_path, use, json_files(tmp_path))  # type: ignore[arg-type]
        return [each.said for each in torture(subject, 2, seed=0) if each.outcome == "crash"]

    def refused(folder: Path) -> None:
        raise UserError("x " * 10_000)

    def greedy(folder: Path) -> None:
        bytearray(2**30 + 2**27)[::4096] = b"x" * (2**18 + 2**15)

    assert crashes(lambda folder: None) == []
    assert crashes(lambda folder: [][1])[0].startswith("IndexError")
    assert crashes(refused)[0].startswith("no one line to read")
    assert "MiB" in crashes(greedy)[0]
    assert crashes(lambda folder: os.kill(os.getpid(), signal.SIGKILL)) == ["the process died: -9"] * 2
    assert (tmp_path / "a.json").read_text() == '{"a": 1}'


def test_mutants_are_those_of_their_seed_and_of_every_kind() -> None:
    data = b'{"a": [1, 2], "b": {"c": "x"}}'
    found = [mutated_json(data, random.Random(i)) for i in range(300)]
    assert found == [mutated_json(data, random.Random(i)) for i in range(300)]
    assert {kind for kind, _ in found} == set(JSON_KINDS)
    assert sum(mutant == data for _, mutant in found) < 6
