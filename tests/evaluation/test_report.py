"""A whole report of a tiny model, taken up where it was stopped; and the parts of the newer measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.data.reading import Reading
from fromnoise.data.record import Record
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.request import Request
from fromnoise.evaluation import bench as bench_module
from fromnoise.evaluation import report
from fromnoise.evaluation.bench import Bench, fingerprint
from fromnoise.evaluation.measurements import MEASUREMENTS, Measurement, chosen
from fromnoise.evaluation.progress import expected
from fromnoise.evaluation.retrieval import Gallery, Question, relevant, score
from fromnoise.evaluation.section import Section
from fromnoise.evaluation.sections.composition import ratio_of_ways, seen_partners
from fromnoise.evaluation.sections.film import sheets_of, spread_out
from fromnoise.evaluation.sections.pairs import found_of
from fromnoise.evaluation.sections.retrieval import retrieval_section
from fromnoise.evaluation.sections.specificity import CHAINS, spread
from fromnoise.evaluation.sizes import Sizes
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import with_article
from fromnoise.system.text_to_image import TextToImage

TINY = Sizes(
    concepts=8, asked=2, held_out=2, words=2, per_style=20, rebuilt=4, colours=2, counts=2, pairs=2, attributes=3,
    free=6, seeds=1, chains=2, spread=3, curve=2, steps=(2, 3), guidances=(1.0,),
)  # fmt: skip
STYLES = ("noto", "fluent-emoji-flat")


@pytest.fixture(scope="module")
def starter() -> PictureSet:
    return load_folder("starter", 32)


@pytest.fixture
def model(tiny_model: TextToImage) -> TextToImage:
    return replace(tiny_model, styles=STYLES, defaults=replace(tiny_model.defaults, steps=2))


@pytest.fixture
def colour_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges that look at coarse colours: quick, and as good as any for whether figures go where they belong."""

    def coarse(pictures: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(pictures.float() / 255, 4).flatten(1)

    monkeypatch.setattr(bench_module, "features", coarse)
    monkeypatch.setattr(bench_module, "style_features", coarse)
    monkeypatch.setattr("fromnoise.evaluation.sections.style.style_features", coarse)
    monkeypatch.setattr("fromnoise.evaluation.sections.no_style.style_features", coarse)
    monkeypatch.setattr(report, "quick", lambda _: TINY)


@pytest.mark.usefixtures("colour_judge")
def test_a_report_has_every_section_and_is_not_measured_twice(
    model: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = report.Wanted(
        quick=True, beside=(("fewer steps", replace(model, defaults=replace(model.defaults, steps=1))),)
    )
    seen: list[list[int]] = []
    monkeypatch.setattr(report, "expected", lambda *a: seen.append(a[2]) or expected(*a))
    report.run(model, "tiny", "starter", tmp_path / "out", wanted)
    assert seen == [[1]]  # the model beside is part of the work that is expected
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(facts["sections"]) == list(MEASUREMENTS)
    assert (facts["model"], facts["model_hash"], facts["seed"], facts["quick"]) == ("tiny", model.hash, 0, True)
    figures = {headline["name"]: headline for headline in facts["headlines"]}
    curves = facts["sections"]["curves"]["data"]
    assert [(p["label"], p["at"]) for p in curves["beside"]] == [("fewer steps", 1.0)]
    assert [p["at"] for p in curves["steps"]] == list(TINY.steps)
    assert figures["style as asked"]["n"] == TINY.asked * len(STYLES)
    assert all(h["low"] is None or h["low"] <= h["value"] <= h["high"] for h in figures.values())
    first = (tmp_path / "out" / "index.html").read_bytes()

    monkeypatch.setattr(bench_module, "draw_all", lambda *_: pytest.fail("drawn again"))
    report.run(model, "tiny", "starter", tmp_path / "out", wanted)
    assert (tmp_path / "out" / "index.html").read_bytes() == first
    with pytest.raises(pytest.fail.Exception):
        report.run(model, "tiny", "starter", tmp_path / "out", replace(wanted, seed=1, only="counts"))


@pytest.mark.usefixtures("colour_judge")
def test_a_stopped_report_goes_on_where_it_was_and_never_mixes_models(model: TextToImage, tmp_path: Path) -> None:
    calls: list[str] = []

    def measurement(name: str, stop: bool = False) -> Measurement:
        def measure(bench: Bench) -> Section:
            calls.append(name)
            if stop:
                raise KeyboardInterrupt
            return Section(name, name, (), data={"hash": bench.model.hash})

        return measure

    def run(own: TextToImage, stop: bool = False, only: str | None = None, again: bool = False) -> list[str]:
        calls.clear()
        functions = {"a": measurement("a"), "b": measurement("b", stop), "c": measurement("c")}
        MEASUREMENTS.clear()
        MEASUREMENTS.update(functions)
        report.run(own, "m", "starter", tmp_path, report.Wanted(quick=True, only=only, again=again))
        return list(json.loads((tmp_path / "report.json").read_text())["sections"])

    kept = dict(MEASUREMENTS)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(model, stop=True)
        assert list(json.loads((tmp_path / "report.json").read_text())["sections"]) == ["a"]
        assert (run(model), calls) == (["a", "b", "c"], ["b", "c"])
        assert (run(model, again=True), calls) == (["a", "b", "c"], ["a", "b", "c"])
        other = replace(model, identity="0123456789ab")
        assert (run(other, only="c"), calls) == (["c"], ["c"])  # a and b of the other model are left out
    finally:
        MEASUREMENTS.clear()
        MEASUREMENTS.update(kept)


@pytest.mark.usefixtures("colour_judge")
def test_what_cannot_be_measured_is_said_before_anything_is_written(model: TextToImage, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wanted, word in (
        (report.Wanted(only="retrieval,colors"), "'colors'"),
        (report.Wanted(run=tmp_path / "none"), "--run"),
        (report.Wanted(seed=-1), "--seed"),
        (report.Wanted(seed=0), "it has"),  # the starter has fewer than 100 concepts in all styles
    ):
        with pytest.raises(UserError, match=word):
            report.run(replace(model, styles=("noto", "twemoji")), "tiny", "starter", out, wanted)
        assert not out.exists()
    with pytest.raises(UserError, match="has none"):
        report.run(replace(model, styles=()), "tiny", "starter", out)


def test_sections_are_chosen_in_the_order_of_the_page() -> None:
    assert chosen(None) == list(MEASUREMENTS)
    assert chosen(" style, retrieval") == ["retrieval", "style"]
    with pytest.raises(UserError, match="--only"):
        chosen(",")


@pytest.mark.usefixtures("colour_judge")
def test_retrieval_is_that_of_the_pictures_one_by_one(model: TextToImage, starter: PictureSet) -> None:
    bench = Bench(model, starter, 3, TINY)
    found = retrieval_section(bench).data
    keys, questions = bench.main_questions
    requests = [Request(prompt=q.text, style=q.style, seed=3 + 1000 * i) for i, q in enumerate(questions)]
    indices, records = relevant(starter, keys)
    gallery = Gallery(keys, records, bench_module.features(starter.images[indices]))
    for kind, pictures in (("drawn", draw_all(model, requests)), ("real (ceiling)", starter.images[[q.real for q in questions]])):  # fmt: skip # noqa: E501
        assert found[kind] == score(gallery.ranks(bench_module.features(pictures), questions)).to_dict()


def test_drawings_are_kept_for_the_same_model_and_requests_only(
    model: TextToImage, starter: PictureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(prompt="cat", seed=i) for i in range(3)]
    first = Bench(model, starter, drawings=tmp_path).draw(requests, "cats")
    assert torch.equal(first, draw_all(model, requests))
    monkeypatch.setattr(bench_module, "draw_all", lambda *_: pytest.fail("drawn again"))
    again = Bench(model, starter, drawings=tmp_path)
    assert torch.equal(again.draw(requests, "cats"), first)
    other = replace(model, identity="0123456789ab")
    for asked, by in ((requests[:2], model), ([replace(r, steps=3) for r in requests], model), (requests, other)):
        with pytest.raises(pytest.fail.Exception):
            again.draw(asked, "others", by)


def test_the_judge_looks_at_each_picture_once(
    model: TextToImage, starter: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(pictures: Tensor) -> Tensor:
        seen.append(len(pictures))
        return pictures.float().flatten(1)

    monkeypatch.setattr(bench_module, "features", counted)
    bench = Bench(model, starter)
    picked = starter.images[[4, 2, 4, 7]]
    assert torch.equal(bench.judge(picked), picked.float().flatten(1))
    assert torch.equal(bench.judge(starter.images[[7, 9]]), starter.images[[7, 9]].float().flatten(1))
    assert seen == [3, 1]


def test_the_fingerprint_sees_pixels_and_words(starter: PictureSet) -> None:
    few = PictureSet(starter.images[:3].clone(), starter.records[:3], [])
    own = fingerprint(few)
    assert fingerprint(PictureSet(few.images.permute(0, 1, 2, 3).contiguous(), list(few.records), [])) == own
    assert fingerprint(PictureSet(few.images, [*few.records[:2], replace(few.records[2], text="x")], [])) != own
    few.images[0, 0, 0, 0] ^= 1
    assert fingerprint(few) != own


def test_seen_partners_are_the_same_concept_in_a_style_of_the_training(model: TextToImage) -> None:
    records = [
        Record("", "cat", style="noto", key="c", split="test_pair"),
        Record("", "cat", style="fluent-emoji-flat", key="c"),
        Record("", "dog", style="noto", key="d", split="test_pair"),
        Record("", "dog", style="fluent-emoji-flat", key="d", split="test_pair"),
        Record("", "dog", style="twemoji", key="d"),  # not one of the model's styles
    ]
    pictures = PictureSet(torch.zeros(5, 3, 32, 32, dtype=torch.uint8), records, [])
    questions = [Question(0, "cat", "noto", 0), Question(1, "dog", "noto", 2)]
    assert seen_partners(Bench(model, pictures), ["c", "d"], questions) == {
        0: Question(0, "cat", "fluent-emoji-flat", 1)
    }


def test_the_ratio_of_shares_of_the_way() -> None:
    def hits(*ones: int, n: int = 20) -> Tensor:
        return torch.tensor([i in ones for i in range(n)])

    every, none = torch.ones(20, dtype=torch.bool), torch.zeros(20, dtype=torch.bool)
    unseen = {"drawn": hits(*range(5)), "noise": none, "real": every}
    seen = {"drawn": hits(*range(10)), "noise": none, "real": every}
    ratio, ways = ratio_of_ways(unseen, seen)
    assert ways == {"never seen": 0.25, "seen": 0.5}
    assert ratio.value == pytest.approx(0.5)
    assert ratio.low < 0.5 < ratio.high
    equal, _ = ratio_of_ways(seen, seen)  # the same pictures: no doubt is left
    assert (equal.value, equal.low, equal.high) == pytest.approx((1, 1, 1))


def test_both_of_two_things_are_found_only_where_both_are() -> None:
    records = [Record("", str(i), style=s, key=str(i)) for i in range(8) for s in ("noto", "twemoji")]
    things = torch.eye(8) * 10
    gallery = Gallery([str(i) for i in range(8)], records, things.repeat_interleave(2, 0))
    both = (things[0] + things[1]) / 2
    alone = things[0] - things[1]
    found = found_of(gallery, torch.stack([both, alone]), [(0, 1), (0, 1)], ["noto", "noto"])
    assert found.tolist() == [[True, True], [True, False]]


def test_spread_is_the_mean_over_pairs() -> None:
    assert spread(torch.eye(3)) == pytest.approx(1)
    assert spread(torch.ones(4, 5)) == pytest.approx(0, abs=1e-6)
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    pairs = [1 - float(F.cosine_similarity(features[i], features[j], 0)) for i in range(5) for j in range(i)]
    assert spread(features) == pytest.approx(sum(pairs) / 10, rel=1e-5)


def test_chains_are_many_and_narrow_down() -> None:
    assert len({chain[-1] for chain in CHAINS}) == len(CHAINS) >= 8
    assert all(len(chain) >= 3 and len(set(chain)) == len(chain) for chain in CHAINS)


def test_articles() -> None:
    assert [with_article(w) for w in ("car", "apple", "orange car")] == ["a car", "an apple", "an orange car"]


def test_a_runs_sheets_come_in_order_and_of_one_size(tmp_path: Path) -> None:
    folder = tmp_path / "diffusion" / "sheets"
    folder.mkdir(parents=True)
    for seen, size in ((64, 8), (500, 16), (1_000, 16), (9_000, 16), (10_000, 16)):
        Image.new("RGB", (size, size)).save(folder / f"{seen:010d}.png")
    (folder / "0000000700.png").write_bytes(b"not a picture")
    (folder / "best.png").write_bytes(b"")
    files = sheets_of(tmp_path)
    assert [int(f.stem) for f in files] == [500, 1_000, 9_000, 10_000]
    assert [int(f.stem) for f in spread_out(files, 3)] == [500, 9_000, 10_000]
    assert sheets_of(None) == sheets_of(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({}, Reading()),
        ({"recipe": {"data": {}}}, Reading(said_styles=False)),
        ({"recipe": {"data": {"said_styles": True}}}, Reading()),
        ({"recipe": {"data": {"said_styles": True, "fit": "crop"}}}, Reading(fit="crop")),
        ({"recipe": {"data": {"said_styles": True, "tags": True}}}, Reading(tags=True)),
    ],
)
def test_the_pictures_are_read_as_the_models_training_read_them(
    card: dict[str, Any], said: Reading, model: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    def read(data: str, pixels: int, reading: Reading) -> PictureSet:
        raise Enough(data, pixels, reading)

    monkeypatch.setattr(report, "load_folder", read)
    with pytest.raises(Enough) as found:
        report.run(replace(model, card=card), "m", "mine", tmp_path / "out", report.Wanted(quick=True))
    assert found.value.args == ("mine", 32, said)


@pytest.mark.usefixtures("colour_judge")
def test_a_models_own_choice_of_a_style_is_measured_anew(model: TextToImage, tmp_path: Path) -> None:
    """The hash is the weights' alone: neither a stored section nor a kept drawing may be taken for the other's."""
    asked = (Request("red apple", seed=1), Request("red apple", seed=1, style="any"))
    drawn: list[tuple[Tensor, Tensor, str]] = []
    for own in (model, replace(model, default_style="noto")):
        bench = Bench(own, load_folder("starter", 32, styles=["noto"]), drawings=tmp_path)
        none, any_ = (bench.draw([request], "things") for request in asked)
        drawn.append((none, any_, report._facts(own, "tiny", report.Wanted(), "").settings))
    (bare, same, before), (chosen_one, as_before, after) = drawn
    assert torch.equal(bare, same)
    assert torch.equal(bare, as_before)
    assert not torch.equal(bare, chosen_one)
    assert (before, after) == (before, f"{before}, in noto where no style is named")
