"""Training the story game, end to end on little."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.cli.train import load_recipe
from fromnoise.data.plots import TRAIN, PlotsConfig, build, read
from fromnoise.data.plots.grammar import MADE, REAL, TOLD
from fromnoise.data.plots.meanings import FEATURES
from fromnoise.data.plots.meanings import FILE as MEANINGS
from fromnoise.ground.errors import UserError
from fromnoise.models.story.denoiser import WordDenoiserConfig
from fromnoise.story.draw import StoryRequest, draw_stories
from fromnoise.story.model import StoryModel
from fromnoise.story.noise import spoil
from fromnoise.story.repair import repair
from fromnoise.story.vocabulary import END, MASK, Vocabulary, words_of
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call
from fromnoise.training.loop import Paused
from fromnoise.training.story import StoryRecipe, as_numbers, train_story
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.story import Lines, Spoilt, StoryTask, with_gaps
from fromnoise.training.word_loss import word_losses

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.contiguous_format)

SMALL = {
    "precision": "fp32", "threads": "1", "vocabulary": "400", "network.context": "16", "network.embedding": "32",
    "network.width": "64", "network.layers": "2", "network.heads": "2", "loop.pictures": "16000", "loop.batch": "32",
    "loop.warmup": "640", "loop.ema": "0.98", "network.fixed": "0", "words.empty": "0",
}  # fmt: skip
PLACES = ("France", "Japan", "Egypt")
WORLD = [  # little enough to be learnt in seconds: who, does what, where
    {"text": f"{who} {what} in {place}", "genre": genre, "place": place}
    for genre, who, what in (
        ("mystery", "an old detective", "finds the stolen diamond"),
        ("mystery", "a nosy gardener", "hears a scream at midnight"),
        ("romance", "a shy baker", "falls in love with a dancer"),
        ("romance", "two lonely sailors", "write letters to each other"),
    )
    for place in PLACES
]


def recipe(**changes: str) -> StoryRecipe:
    found: StoryRecipe = load_recipe("story").with_overrides({**SMALL, **changes})
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    rows = "".join(json.dumps(row) + "\n" for row in WORLD)
    for name in ("train.jsonl", "held_out.jsonl"):
        (folder / name).write_text(rows)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "story"
    train_story(recipe(), data, out)
    return out


@pytest.fixture(scope="module")
def learnt(run: Path) -> StoryModel:
    return StoryModel.load(run / "model")


def test_it_draws_the_lines_it_learnt_by_genre_and_place(learnt: StoryModel) -> None:
    known = {" ".join(words_of(row["text"].lower())): row for row in WORLD}
    for genre, place in (("mystery", "France"), ("romance", "Japan")):
        said = draw_stories(learnt, StoryRequest(genre=genre, place=place, count=20, seed=3))
        rows = [known.get(" ".join(words_of(text.lower()))) for text in said]
        assert sum(row is not None for row in rows) >= 16, said
        right = [row for row in rows if row and (row["genre"], row["place"]) == (genre, place)]
        assert len(right) >= 15, said
        assert len({row["text"] for row in right}) == 2  # both of them: it did not settle on one


def test_it_repairs_what_it_knows(learnt: StoryModel) -> None:
    found = repair(learnt, "An old detective finds the lonely diamond in Egypt", 1)
    assert [(r.place, r.word, r.guesses[0].word) for r in found.repairs] == [(5, "lonely", "stolen")]
    assert found.text == "An old detective finds the stolen diamond in Egypt"
    assert found.repairs[0].probability < 0.05 < found.repairs[0].guesses[0].probability
    assert sum(guess.probability for guess in found.repairs[0].guesses) <= 1.0001
    two = repair(learnt, "A shy gardener falls in love with a scream in Japan", 2)
    assert {r.place for r in two.repairs} == {2, 8}
    assert two.text == "A shy baker falls in love with a dancer in Japan"


def test_a_start_is_pulled_to_what_it_knows_and_kept_where_it_fits(learnt: StoryModel) -> None:
    start = "Two lonely diamond write letters to each other in Egypt"
    found = draw_stories(learnt, StoryRequest(start=start, strength=0.2, seed=1))[0]
    assert found == "Two lonely sailors write letters to each other in Egypt."


def test_it_says_how_likely_the_words_it_sees_are(learnt: StoryModel) -> None:
    """Calibration: at noise sigma, of words that were left, the average belief in them is near their share."""
    rng = torch.Generator().manual_seed(0)
    ids = learnt.padded([learnt.vocabulary.ids(words_of(row["text"])) for row in WORLD]).repeat(10, 1)
    t = 599
    noisy, _ = spoil(ids, torch.full((len(ids),), 0.6), torch.zeros(len(ids)), learnt.noise, rng)
    p = learnt.denoiser(noisy, torch.full((len(ids),), t), torch.zeros(len(ids), 2, dtype=torch.long)).exp()
    places = ids != END
    believed = p.gather(-1, noisy[..., None])[..., 0][places]
    clean = (noisy == ids)[places].float()
    assert abs(float(believed.mean()) - float(clean.mean())) < 0.05
    sure = believed > 0.8
    assert float(clean[sure].mean()) > 0.8


def words_task(network: Any, **changes: float) -> StoryTask:
    """The task of teaching on lines of 8 times the word 4, behind the special entries, and 4 ends."""
    ids = torch.full((64, 12), 4, dtype=torch.int16)
    ids[:, 8:] = END
    nobody = torch.zeros(64, 2, dtype=torch.int16)
    lines = Lines(ids, nobody + 1, torch.zeros(64, dtype=torch.int8), {"": [1]})
    vocabulary = Vocabulary.collect([["a", "b", "c"]], [], 20, ["mystery"], ["France"])
    stage = replace(recipe().words, **changes)
    loop = replace(recipe().loop, batch=64)
    return StoryTask((stage, loop), (lines, lines), vocabulary, network, COMPUTE, 0)


@pytest.mark.parametrize("masks", [0.0, 0.2, 0.5])
def test_a_share_of_the_lines_is_spoilt_by_masks_as_many_by_half_and_the_rest_by_words(masks: float) -> None:
    task, shares = words_task(None, masks=masks), torch.zeros(0)
    for step in range(40):
        batch = task.batch(Clock(step, 64, 10**6, 0))
        full = batch.replaced.sum(1) >= 6  # lines with enough replaced words to tell
        found = ((batch.noisy == MASK) & batch.replaced).sum(1) / batch.replaced.sum(1)
        shares = torch.cat([shares, found[full]])
    kinds = [shares == 1, (shares > 0) & (shares < 1), shares == 0]
    wanted = (masks, masks, 1 - 2 * masks)
    # Half masks are by chance all masks or none in one line of 32, so a little is given from the middle to the ends.
    assert [float(kind.float().mean()) for kind in kinds] == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize(
    ("t", "replaced", "weight"),
    [
        (999, True, 1.0),  # 1/sigma
        (499, True, 2.0),
        (99, True, 5.0),  # the bound, where 1/sigma is 10
        (499, False, 0.25),  # clean_weight / clean_share
    ],
)
def test_words_are_weighed_by_their_level_within_a_bound(t: int, replaced: bool, weight: float) -> None:
    """The network gives each of 8 words the same chance, so each costs log 8."""

    class Even:
        word_bias = torch.zeros(8)

        def features(self, ids: Tensor, t: Tensor, labels: Tensor) -> Tensor:
            return torch.zeros(*ids.shape, 3)

        def table(self) -> Tensor:
            return torch.ones(8, 3)

    task = words_task(Even(), most_weight=5.0, clean_weight=0.1, clean_share=0.4)
    clean = torch.tensor([[4, 4, 4, END]])
    asked = torch.tensor([[True, True, False, True]])  # of the three words two are asked, and of the end none
    spoilt = Spoilt(clean, clean, asked & replaced, asked, torch.tensor([t]), torch.zeros(1, 2, dtype=torch.long))
    losses = task.losses(spoilt, Clock(0, 1, 1, 0))
    cost = math.log(8)
    assert float(losses["loss"]) == pytest.approx(weight * cost * 2 / 3, rel=1e-5)
    assert float(losses["replaced"]) == pytest.approx(cost * replaced, rel=1e-5)
    assert float(losses["left"]) == pytest.approx(cost * (not replaced), rel=1e-5)


def test_what_repair_refuses(learnt: StoryModel) -> None:
    for text, errors, said in (("!", 1, "no words in it"), ("a baker", 3, "1 to 2 errors"), ("a baker", 0, "1 to 2")):
        with pytest.raises(UserError, match=said):
            repair(learnt, text, errors)


def test_a_run_that_was_stopped_ends_with_the_same_bits(run: Path, data: Path, tmp_path: Path) -> None:
    short = recipe(**{"loop.pictures": "1440"})
    train_story(short, data, tmp_path / "once")
    with pytest.raises(Paused):
        train_story(short, data, tmp_path / "twice", Call(minutes=0.0))
    train_story(short, data, tmp_path / "twice")
    hashes = {StoryModel.load(tmp_path / name / "model").hash for name in ("once", "twice")}
    assert len(hashes) == 1


def test_a_run_of_an_earlier_version_goes_on(data: Path, tmp_path: Path) -> None:
    short = recipe(**{"loop.pictures": "1440"})
    with pytest.raises(Paused):
        train_story(short, data, tmp_path / "run", Call(minutes=0.0))
    (tmp_path / "run" / "story").rename(tmp_path / "run" / "words")
    steps = {file.name for file in (tmp_path / "run" / "words").glob("step-*")}
    assert steps
    train_story(short, data, tmp_path / "run")
    assert not (tmp_path / "run" / "story").exists()
    train_story(short, data, tmp_path / "whole")
    hashes = {StoryModel.load(tmp_path / name / "model").hash for name in ("run", "whole")}
    assert len(hashes) == 1


def test_before_its_first_checkpoint_a_run_may_have_another_vocabulary(data: Path, tmp_path: Path) -> None:
    """It was stopped while it began: words were collected, and nothing was learnt."""
    settings = {"vocabulary": "34", "loop.pictures": "64"}
    with pytest.raises(Paused):
        train_story(recipe(), data, tmp_path / "run", Call(minutes=0.0))
    shutil.rmtree(tmp_path / "run" / "story")
    train_story(recipe(**settings), data, tmp_path / "run", Call(settings=settings))
    assert len(StoryModel.load(tmp_path / "run" / "model").vocabulary) == 34
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stored["story"]["vocabulary"] == 34
    more = {"vocabulary": "33"}
    with pytest.raises(UserError, match="cannot be changed"):
        train_story(recipe(**{**settings, **more}), data, tmp_path / "run", Call(settings=more))


def test_the_card_says_how_it_was_made(learnt: StoryModel) -> None:
    assert learnt.card["lines_seen"] >= 16000
    assert StoryRecipe.from_dict(learnt.card["recipe"]) == recipe()
    assert learnt.card["parameters"] == sum(p.numel() for p in learnt.network.parameters())


def test_a_run_refuses_other_sizes_and_other_runs(run: Path, data: Path, tmp_path: Path) -> None:
    stored = (run / "run.json").read_bytes()
    changed = {"network.layers": "3"}
    with pytest.raises(UserError, match=r"\(network\.layers: 2 → 3\)\. Give the same --set again"):
        train_story(recipe(**changed), data, run)
    with pytest.raises(UserError, match=r"network\.layers: 2 → 3 cannot be changed"):
        train_story(recipe(**changed), data, run, Call(settings=changed))
    assert (run / "run.json").read_bytes() == stored
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="another kind of run"):
        train_story(recipe(), data, tmp_path)
    with pytest.raises(UserError, match="fromnoise data plots"):
        train_story(recipe(), tmp_path, tmp_path / "new")


def test_lines_that_cannot_be_learnt_leave_no_run(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    for name in ("train.jsonl", "held_out.jsonl"):
        (tmp_path / "lines" / name).write_text('{"text": "one", "genre": "mystery", "place": "France"}\n')
    with pytest.raises(UserError, match="no line has 2 to 16 words"):
        train_story(recipe(), tmp_path / "lines", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_lines_that_do_not_fit_are_left_out(data: Path) -> None:
    lines = read(data, TRAIN)
    vocabulary = Vocabulary.collect([words_of(line.text) for line in lines], [], 400, ["mystery"], ["France"])
    texts = ("word " * 17, "one", "quite unheard of things", "an unheard thing")
    odd = [replace(lines[0], text=text) for text in texts]
    numbers = as_numbers([*odd, *lines], vocabulary, 16)
    assert len(numbers.ids) == len(lines)
    assert int((numbers.ids != END).sum(1).max()) <= 16
    assert numbers.labels.max() < vocabulary.labels
    with pytest.raises(UserError, match="no line has 2 to 16 words"):
        as_numbers(odd[:2], vocabulary, 16)


def test_shares_of_lines_are_seen_as_asked(data: Path) -> None:
    kinds = {0: REAL, 1: REAL, 2: TOLD, 3: TOLD, 4: TOLD}
    lines = [replace(line, kind=kinds.get(i, MADE)) for i, line in enumerate(read(data, TRAIN))]
    vocabulary = Vocabulary.collect([words_of(line.text) for line in lines], [], 400, [], [])
    numbers = as_numbers(lines, vocabulary, 16)
    weights = numbers.weights(0.3, 0.5)
    assert [float(weights[part].sum()) for part in (slice(2), slice(2, 5), slice(5, None))] == pytest.approx(
        [0.3, 0.5, 0.2]
    )
    assert weights[0] == weights[1]
    without = as_numbers(lines[5:], vocabulary, 16).weights(0.3, 0.5)  # there is but one kind
    assert torch.allclose(without, without[0])
    assert float(without[0]) > 0


def test_places_without_a_word_stand_between_words_and_take_none_of_them() -> None:
    rng = torch.Generator().manual_seed(0)
    ids = torch.zeros(400, 16, dtype=torch.int64)
    lengths = torch.arange(400) % 16 + 1
    for row, length in zip(ids, lengths.tolist(), strict=True):
        row[:length] = torch.arange(length) + 10
    found = with_gaps(ids, 3, 0.25, rng)
    at = []
    for row, length in zip(found.tolist(), lengths.tolist(), strict=True):
        words = [word for word in row if word not in (END, 3)]
        assert words == list(range(10, 10 + length))
        filled = length + row.count(3)
        assert row[filled:] == [END] * (16 - filled)
        at += [0.0] if row[0] != 3 else [1.0]
    room = [row.count(3) / n for row, n in zip(found.tolist(), lengths.tolist(), strict=True) if n in (7, 8, 9)]
    assert sum(room) / len(room) == pytest.approx(0.2 * 9 / 8, abs=0.04)  # one in five of the places before a word
    assert sum(at) / len(at) == pytest.approx(0.2, abs=0.06)  # also before the first word
    assert torch.equal(with_gaps(ids, 3, 0.0, rng), ids)


def test_a_network_that_sees_no_ends_says_the_same_beside_longer_sentences() -> None:
    """And losses of sentences that are sorted by length are those of the whole batch at once."""
    torch.manual_seed(0)
    config = WordDenoiserConfig(40, 5, 16, 24, 32, 2, 2, fixed=8, ends=False)
    network = config.build()
    network.take_meaning(torch.randint(-127, 128, (40, 8)).to(torch.int8))
    ids, t, labels = torch.randint(3, 40, (6, 16)), torch.arange(6) * 100, torch.zeros(6, 2, dtype=torch.long)
    for row, length in zip(ids, (16, 5, 9, 1, 7, 12), strict=True):
        row[length:] = END
    together = network(ids, t, labels)
    for i, length in enumerate((16, 5, 9, 1, 7, 12)):
        alone = network(ids[i : i + 1, :length], t[i : i + 1], labels[i : i + 1])
        torch.testing.assert_close(together[i, :length], alone[0], rtol=1e-4, atol=1e-5)
    given = network.table()[:, :8]
    assert torch.allclose(given, network.meaning.float() * (4 / 127) * 24**-0.5)
    assert network.word.weight.shape == (40, 16)
    with pytest.raises(UserError, match="fixed must be 0 or more"):
        replace(config, fixed=24)


@pytest.mark.parametrize("count", [1, 255, 256, 700])
def test_losses_piece_by_piece_are_the_cross_entropy(count: int) -> None:
    """The oracle is PyTorch's own, with all its gradients."""
    rng = torch.Generator().manual_seed(1)
    features = torch.randn(count, 12, generator=rng).requires_grad_()
    table, bias = torch.randn(90, 12, generator=rng).requires_grad_(), torch.randn(90, generator=rng).requires_grad_()
    words, weight = torch.randint(90, (count,), generator=rng), torch.rand(count, generator=rng)
    total, each = word_losses(features, table, bias, words, weight)
    (2.5 * total).backward()  # type: ignore[no-untyped-call]
    found = [x.grad for x in (features, table, bias)]
    plain = [x.detach().clone().requires_grad_() for x in (features, table, bias)]
    wanted = F.cross_entropy(plain[0] @ plain[1].T + plain[2], words, reduction="none")
    (2.5 * (weight * wanted).sum()).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(each, wanted.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(total.detach(), (weight * wanted).sum().detach(), rtol=1e-4, atol=1e-4)
    for a, b in zip(found, plain, strict=True):
        torch.testing.assert_close(a, b.grad, rtol=1e-4, atol=1e-4)


def test_what_words_mean_is_taken_from_the_lines_folder_and_kept_with_the_run(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lines"
    shutil.copytree(data, folder)
    names = ["baker", "dancer", "detective", "diamond"]
    features = torch.arange(4 * FEATURES).reshape(4, FEATURES).remainder(200).sub(100).to(torch.int8)
    joined = torch.tensor(list("\n".join(names).encode()), dtype=torch.uint8)
    save_file({"features": features, "words": joined}, folder / MEANINGS)
    with_meaning = {"network.embedding": "132", "network.fixed": "100", "words.empty": "0.1", "loop.pictures": "640"}
    train_story(recipe(**with_meaning), folder, tmp_path / "run")
    model = StoryModel.load(tmp_path / "run" / "model")
    entry = model.vocabulary.find("baker")
    assert torch.equal(model.network.meaning[entry], features[0])
    assert model.vocabulary.empty == 3
    (folder / MEANINGS).unlink()
    longer = {"loop.pictures": "960"}
    train_story(recipe(**{**with_meaning, **longer}), folder, tmp_path / "run", Call(settings=longer))
    assert torch.equal(StoryModel.load(tmp_path / "run" / "model").network.meaning[entry], features[0])
    train_story(recipe(**with_meaning), folder, tmp_path / "plain")  # without a file all is learnt
    assert StoryModel.load(tmp_path / "plain" / "model").network.config.fixed == 0


def test_the_grammar_can_be_learnt_from(tmp_path: Path) -> None:
    build(PlotsConfig(str(tmp_path / "data"), lines=500, real=False))
    train_story(
        recipe(**{"loop.pictures": "640", "network.context": "32", "vocabulary": "9000"}),
        tmp_path / "data",
        tmp_path / "run",
    )
    model = StoryModel.load(tmp_path / "run" / "model")
    assert torch.isfinite(model.counts).all()
    assert draw_stories(model, StoryRequest(genre=model.vocabulary.genres[0], steps=3))
