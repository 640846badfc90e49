"""The story game's routes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fromnoise.ground.errors import UserError
from fromnoise.story.draw import StoryRequest, draw_stories
from fromnoise.story.examples import examples
from fromnoise.story.model import StoryModel
from fromnoise.story.repair import repair
from fromnoise.story.vocabulary import words_of
from fromnoise.studio.api import turn
from fromnoise.studio.api.state import State
from studio.conftest import Live


@pytest.fixture
def story(http: httpx.Client, live: Live, tiny_story: StoryModel) -> Iterator[httpx.Client]:
    """A client of a server with the tiny story model."""
    before = vars(live.state).pop("_story", None)
    vars(live.state)["_story"] = tiny_story
    yield http
    vars(live.state).pop("_story")
    if before is not None:
        vars(live.state)["_story"] = before


def test_what_can_be_asked_for(story: httpx.Client, tiny_story: StoryModel) -> None:
    found = story.get("/api/story").json()
    assert found["genres"] == ["fairy_tale", "mystery"]
    assert found["words"] == len(tiny_story.vocabulary)
    assert found["lengths"] is (tiny_story.vocabulary.empty is not None)


def test_only_places_are_offered_as_places(http: httpx.Client) -> None:
    shipped = http.get("/api/story").json()
    assert {"France", "North Pole", "castle"} < set(shipped["places"])
    assert {"adverb", "weather", "participle", "Pole"}.isdisjoint(shipped["places"])
    assert {"definition", "example"}.isdisjoint(shipped["genres"])


@pytest.mark.parametrize(("path", "result"), [("plots", "text"), ("spoilt", "spoilt")])
def test_without_a_seed_it_is_another_one_every_time(story: httpx.Client, path: str, result: str) -> None:
    body = {"steps": 2} if path == "plots" else {"noise": 0.9, "text": "two brothers open a bakery in France"}
    first, second = (story.post(f"/api/story/{path}", json=body).json() for _ in range(2))
    assert first["seed"] != second["seed"]
    again = story.post(f"/api/story/{path}", json={**body, "seed": first["seed"]}).json()
    assert again[result] == first[result]


def test_a_plot_is_what_the_library_draws(story: httpx.Client, tiny_story: StoryModel) -> None:
    asked = {"genre": "mystery", "place": "France", "steps": 5, "seed": 7, "keep": ["gold"]}
    found = story.post("/api/story/plots", json=asked).json()
    request = StoryRequest(genre="mystery", place="France", steps=5, seed=7, keep=("gold",))
    assert found["text"] == draw_stories(tiny_story, request)[0]
    assert [step["noise"] for step in found["steps"]] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    assert words_of(found["text"].lower()) == [w.lower() for w, _, _ in found["steps"][-1]["words"]]
    changed = [w for w, new, _ in found["steps"][0]["words"] if new]
    assert len(changed) == sum(a != b[0] for a, b in zip(found["begin"], found["steps"][0]["words"], strict=True))


def test_unknown_words_of_a_start_are_named(story: httpx.Client) -> None:
    found = story.post("/api/story/plots", json={"start": "gold xylophone in Francs", "steps": 2}).json()
    assert found["unknown"] == ["xylophone"]
    assert found["read_as"] == {"Francs": "France"}


def test_a_round_of_the_game(story: httpx.Client) -> None:
    text = "two brothers open a bakery in France, but nobody comes"
    found = story.post("/api/story/spoilt", json={"noise": 0.3, "seed": 1, "text": text}).json()
    assert found["clean"] == words_of(text)
    wrong = [i for i, (a, b) in enumerate(zip(found["clean"], found["spoilt"], strict=True)) if a != b]
    assert len(wrong) == 3
    assert "," not in [found["clean"][i] for i in wrong]
    assert found == story.post("/api/story/spoilt", json={"noise": 0.3, "seed": 1, "text": text}).json()


def test_a_repair_is_the_librarys(story: httpx.Client, tiny_story: StoryModel) -> None:
    text = "two brothers open a crow in France"
    found = story.post("/api/story/repairs", json={"text": text, "errors": 2}).json()
    wanted = repair(tiny_story, text, 2)
    assert found["mended"] == list(wanted.mended)
    assert found["certain"] == pytest.approx(list(wanted.certain))
    assert [(r["place"], r["guesses"][0]["word"]) for r in found["repairs"]] == [
        (r.place, r.guesses[0].word) for r in wanted.repairs
    ]


def test_many_at_once_are_answered_or_told_to_come_back(
    story: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "WAITING", 3)
    body = {"steps": 40, "seed": 3, "genre": "mystery"}
    with ThreadPoolExecutor(12) as pool:
        url = f"{live.url}/api/story/plots"
        answers = list(pool.map(lambda _: httpx.post(url, json=body, timeout=240), range(12)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len({answer.json()["text"] for answer in answers if answer.status_code == 200}) == 1
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)
    assert story.post("/api/story/plots", json=body).status_code == 200
    assert live.state.stories.waiting == 0


def test_the_games_own_sentences(story: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = [(i, text) for i, text in enumerate(examples()) if len(words_of(text)) <= 16][:3]
    for number, text in fitting:
        found = story.post("/api/story/spoilt", json={"noise": 1, "number": number + len(examples())}).json()
        assert found["clean"] == words_of(text)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("plots", {"genre": "opera"}, "no genre 'opera'"),
        ("plots", {"steps": 0}, "steps"),
        ("plots", {"steps": 10**6}, "steps"),
        ("plots", {"start": "x" * 500}, "start"),
        ("plots", {"keep": ["xylophone"]}, "xylophone"),
        ("plots", {"guidance": "NaN"}, "guidance"),
        ("plots", {"model": "/etc/passwd"}, "model"),
        ("spoilt", {"noise": 0}, "noise"),
        ("spoilt", {"noise": 0.5, "text": "!"}, "no words in it"),
        ("repairs", {"text": "!"}, "no words in it"),
        ("repairs", {"text": "gold", "errors": 2}, "1 to 1 errors"),
        ("repairs", {}, "text"),
    ],
)
def test_what_is_wrong_is_said(story: httpx.Client, path: str, body: dict[str, object], said: str) -> None:
    answer = story.post(f"/api/story/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])


def test_without_a_model_it_says_so(story: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: State) -> StoryModel:
        raise UserError("no story model here")

    monkeypatch.setattr(State, "story", missing)
    answer = story.get("/api/story")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_story_model")
