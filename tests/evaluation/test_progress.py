"""How far an evaluation is, and about how long it will take; and that a quick one is small."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fromnoise.evaluation.measurements import MEASUREMENTS, ON_REQUEST
from fromnoise.evaluation.progress import Bar, expected
from fromnoise.evaluation.sizes import Sizes, quick
from fromnoise.ground.duration import in_words


def test_each_section_begins_with_a_line_and_the_time_left() -> None:
    now, out = [0.0], io.StringIO()
    with Bar(Console(file=out, width=100), {"a": 30.0, "b": 60.0, "c": 10.0}, lambda: now[0]) as bar:
        bar.begin("a")
        now[0] = 15.0
        bar.did("drawing", 15.0)
        assert bar.left() == "about 85 s left"  # 15 of 100 in 15 s
        now[0] = 60.0
        bar.did("drawing", 1000.0)  # more than was thought: the section is nearly done, and not all sections
        assert bar.left() == f"about {in_words(60 * (100 - 29.4) / 29.4)} left"
        bar.begin("b")
        now[0] = 180.0
        bar.begin("c")
    lines = out.getvalue().splitlines()
    assert lines == ["1/3 a", "2/3 b, about 2 min left", "3/3 c, about 20 s left"]


def test_every_section_has_an_expected_length() -> None:
    assert set(expected(Sizes(), 4)) == {*MEASUREMENTS, *ON_REQUEST}


def test_models_beside_are_drawn_on_the_curves_with_their_own_steps() -> None:
    alone, more = expected(Sizes(), 4), expected(Sizes(), 4, (4, 36))
    assert more["curves"] - alone["curves"] == pytest.approx(Sizes().curve * 2)  # twice the usual number of steps
    assert {name: work for name, work in more.items() if name != "curves"} == {
        name: work for name, work in alone.items() if name != "curves"
    }


@pytest.mark.parametrize("styles", [1, 2, 4, 8])
def test_a_quick_report_is_small_from_its_first_section_on(styles: int) -> None:
    """The shipped model draws a picture in about 1.5 s on two cores: a minute and some minutes are 40 and 250."""
    work = expected(quick(styles), styles)
    assert work["retrieval"] <= 40
    assert sum(work[name] for name in MEASUREMENTS) <= 250
    assert sum(expected(Sizes(), styles)[name] for name in MEASUREMENTS) > 10 * sum(work[n] for n in MEASUREMENTS) / 2
    assert quick(styles).asked * styles >= 24  # and yet rests on two dozen drawings
