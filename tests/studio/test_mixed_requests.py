"""A minute of mixed requests at a server that is ended under load; and that the campaign sees what it looks for.

The long form is ``benchmarks/mixed_requests.py``, and ``benchmarks/drawings_in_a_row.py`` beside it.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fromnoise.studio.settings import Limits
from fromnoise.system.text_to_image import TextToImage
from mixed_campaign import Report, audit, campaign, compare_all, draw_alone, faults_in, rest
from mixed_clients import ACTIONS, be_a_client, run_job
from mixed_hostile import NONSENSE, ask_nonsense
from mixed_ledger import CATALOGUE, SEEDS, Ledger, Said
from mixed_session import Session
from studio.conftest import Live, running

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")


@pytest.fixture(scope="module")
def server(tiny_model: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the limits that people have."""
    with running(tiny_model, tmp_path_factory.mktemp("gallery"), limits=Limits()) as found:
        yield found


@pytest.fixture(scope="module")
def known(server: Live) -> Ledger:
    """What was drawn alone."""
    ledger = Ledger()
    draw_alone(server.url, ledger)
    assert ledger.fine, (ledger.wrong, ledger.strange)
    return ledger


def test_a_minute_of_mixed_requests_loses_and_spoils_nothing(tiny_model_folder: Path, tmp_path: Path) -> None:
    report = campaign(str(tiny_model_folder), tmp_path / "gallery", 1.0, ends=3)
    ledger = report.ledger
    assert ledger.wrong == []
    assert ledger.lost == []
    assert ledger.strange == []
    assert ledger.compared > 100
    assert len(ledger.finished) > 5
    assert [end.split()[0] for end in report.ends] == ["SIGTERM", "SIGKILL", "SIGTERM"]
    _, before, after = report.growth
    assert after - before < 100  # MiB in half a minute


def test_a_hundred_drawings_in_a_row_stay_the_same(tiny_model_folder: Path) -> None:
    from drawings_in_a_row import in_a_row  # type: ignore[import-not-found]

    wrong, memory = in_a_row(str(tiny_model_folder), 100, 0)
    assert wrong == []
    assert memory[-1] - memory[20] < 30


@pytest.mark.parametrize("action", [action for action, _ in ACTIONS], ids=lambda action: action.__name__)
def test_each_action_gets_what_it_may_get(server: Live, known: Ledger, action: object) -> None:
    known.strange.clear()
    s = Session(server.url, known, random.Random(2))
    for _ in range(2):
        action(s)  # type: ignore[operator]
    s.close()
    assert known.strange == []
    assert known.wrong == []


def test_everything_at_once_is_the_same_pictures(server: Live, known: Ledger) -> None:
    known.strange.clear()
    stop = threading.Event()
    threads = [threading.Thread(target=be_a_client, args=(server.url, known, seed, stop)) for seed in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join(120)
    rest(server.url, known)
    audit(server.url, report := Report(known))
    compare_all(server.url, known)
    assert (known.wrong, known.lost, known.strange) == ([], [], [])
    assert set(report.jobs) <= {"finished", "cancelled"}


def test_what_is_lost_or_wrong_or_strange_is_seen(tiny_model: TextToImage, tmp_path: Path, known: Ledger) -> None:
    """The oracle: a picture that is gone, one that is another, a job that nobody knows, an answer 500, a traceback."""
    ledger = Ledger(references=dict(known.references))
    with running(tiny_model, tmp_path) as live:
        s = Session(live.url, ledger, random.Random(0), patient=True)
        run_job(s, "job", CATALOGUE[1], {"seed": SEEDS[0], "count": 2})
        assert len(ledger.finished) == 2
        audit(live.url, Report(ledger))
        assert ledger.fine, (ledger.lost, ledger.strange, ledger.wrong)
        first, second = ledger.finished
        live.state.store.file(first).unlink()
        live.state.store.file(second).write_bytes(live.state.store.file(second).read_bytes() + b"x")
        ledger.say("e" * 32, Said("a boat", 100))
        ledger.take_on("f" * 32)
        audit(live.url, Report(ledger))
        assert len(ledger.lost) == 4
        other = Ledger(references={**known.references, ("a boat", SEEDS[3]): "another"})
        run_job(replace(s, ledger=other), "job", CATALOGUE[1], {"seed": SEEDS[3], "count": 1})
        (wrong,) = other.wrong
        assert wrong.startswith("job: 'a boat' with seed 103: ")
        s.ask("a page", "GET", "/", (404,))
        assert ledger.strange[0].startswith("a page: 200")
        s.close()
    assert faults_in("INFO: x\nTraceback (most recent call last):\n  File y\n    z\nKeyError: 1\nERROR: no\n") == [
        "Traceback (most recent call last): / File y / z / KeyError: 1",
        "ERROR: no",
    ]


def test_nonsense_is_refused_whatever_it_is(server: Live) -> None:
    ledger = Ledger()
    s = Session(server.url, ledger, random.Random(0))
    for draw in range(60):
        s.draw.seed(draw)
        ask_nonsense(s)
    s.close()
    assert ledger.strange == []
    assert ledger.requests == 60 > len(NONSENSE)
