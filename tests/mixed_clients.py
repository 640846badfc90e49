"""What the clients of a campaign do that draw, look and tidy up: each action is a function of a session."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
from collections.abc import Callable
from typing import Any

import httpx

from mixed_hostile import ask_nonsense, flood, leave_half_open, read_slowly, send_malformed
from mixed_ledger import CATALOGUE, SEEDS, Drawing, Ledger, Said, mask, photo
from mixed_session import Cut, Session, events_of

VIEWS = ("words", "guidance", "ladder", "activations", "noise", "latents", "hidden", "between")


def some(s: Session, how: str = "words") -> tuple[Drawing, int, int]:
    """A drawing of the catalogue, its first seed, and how many."""
    drawing = s.draw.choice([each for each in CATALOGUE if each.how == how])
    first = s.draw.randrange(len(SEEDS))
    return drawing, SEEDS[first], s.draw.randint(1, min(3, len(SEEDS) - first))


def by_api(s: Session) -> None:
    """Pictures in base64, as PNG or lossless WebP."""
    by_words_of(s, *some(s), s.draw.choice(("png", "webp")))


def by_words_of(s: Session, drawing: Drawing, seed: int, count: int, kind: str = "png") -> None:
    """Ask for so many pictures, and compare them with those drawn alone."""
    body = {"prompt": drawing.prompt, "seed": seed, "n": count, "output_format": kind, **drawing.settings}
    answer = s.ask("API, base64", "POST", "/v1/images/generations", json=body)
    compare_items(s, "API, base64", drawing, answer)


def compare_items(s: Session, action: str, drawing: Drawing, answer: httpx.Response) -> None:
    """Compare what an answer of the API holds."""
    if answer.status_code == 200:
        for item in answer.json()["data"]:
            s.ledger.compare(action, drawing.prompt, item["seed"], base64.b64decode(item["b64_json"]))


def by_link(s: Session) -> None:
    """Pictures behind addresses."""
    drawing, seed, count = some(s)
    body = {"prompt": drawing.prompt, "seed": seed, "n": count, "response_format": "url", **drawing.settings}
    answer = s.ask("API, url", "POST", "/v1/images/generations", json=body)
    if answer.status_code == 200:
        for item in answer.json()["data"]:
            picture = s.ask("file of an url", "GET", item["url"])
            if picture.status_code == 200:
                s.ledger.compare("API, url", drawing.prompt, item["seed"], picture.content)


def by_stream(s: Session) -> None:
    """A stream with partial images, left after some of them."""
    drawing, seed, count = some(s)
    body = {"prompt": drawing.prompt, "seed": seed, "n": count, "stream": True, "partial_images": 3}
    leave = None if s.draw.random() < 0.5 else s.draw.randrange(4)
    with (
        s.asking("API, stream"),
        s.http.stream("POST", "/v1/images/generations", json={**body, **drawing.settings}) as answer,
    ):
        s.noted("API, stream", answer, (200,))
        for number, event in enumerate(events_of(answer) if answer.status_code == 200 else ()):
            if number == leave:
                return
            if event.get("type", "").endswith("completed"):
                s.ledger.compare("API, stream", drawing.prompt, event["seed"], base64.b64decode(event["b64_json"]))


def by_edit(s: Session) -> None:
    """A masked edit."""
    by_edit_of(s, *some(s, "edit"))


def by_edit_of(s: Session, drawing: Drawing, seed: int, count: int) -> None:
    """Ask for so many edits, and compare them with those drawn alone."""
    fields = {"prompt": drawing.prompt, "seed": seed, "n": count, **drawing.settings}
    files = {"image": ("photo.png", photo(), "image/png"), "mask": ("mask.png", mask(), "image/png")}
    sent = {name: str(value) for name, value in fields.items()}
    answer = s.ask("API, edit", "POST", "/v1/images/edits", data=sent, files=files)
    compare_items(s, "API, edit", drawing, answer)


def by_job(s: Session) -> None:
    """A job of the page, watched step by step, cancelled at any of them, or let be."""
    drawing, seed, count = some(s)
    run_job(s, "job", drawing, {"seed": seed, "count": count})


def by_restyle(s: Session) -> None:
    """An upload, and a job that starts from it."""
    drawing, seed, count = some(s, "restyle")
    sent = s.ask("upload", "POST", "/api/uploads", (201,), files={"file": ("photo.png", photo(), "image/png")})
    if sent.status_code == 201:
        run_job(s, "restyle", drawing, {"seed": seed, "count": count, "start": sent.json()["id"]})


def run_job(s: Session, action: str, drawing: Drawing, asked: dict[str, Any]) -> None:
    """Begin a job and watch it to its end, or to where it is cancelled."""
    body = {"prompt": drawing.prompt, "show": s.draw.choice(("none", "clean", "both")), **drawing.settings, **asked}
    begun = s.ask(action, "POST", "/api/jobs", (201,), json=body)
    if begun.status_code != 201:
        return
    job = begun.json()["id"]
    s.ledger.take_on(job)
    cancel = s.draw.randrange(12) if not s.patient and s.draw.random() < 0.4 else None
    ids = []
    with s.asking("events of a job"), s.http.stream("GET", f"/api/jobs/{job}/events") as answer:
        s.noted("events of a job", answer, (200,))
        for event in events_of(answer) if answer.status_code == 200 else ():
            if event["type"] == "picture":
                ids.append((event["picture"]["id"], event["picture"]["seed"]))
                s.ledger.say(ids[-1][0], Said(drawing.prompt, ids[-1][1]))
            if event["type"] == "step" and event["step"] == cancel:
                s.ask("cancel a job", "DELETE", f"/api/jobs/{job}")
                cancel = None
    for picture, number in ids:
        read_picture(s, picture, drawing.prompt, number)


def read_picture(s: Session, picture: str, prompt: str, seed: int) -> None:
    """Get a finished picture's file: the one that was drawn alone, and the same bytes whenever it is read."""
    answer = s.ask("picture's file", "GET", f"/api/pictures/{picture}/file", (200, 404))  # someone may be deleting it
    if answer.status_code == 200:
        s.ledger.compare("job", prompt, seed, answer.content)
        s.ledger.say(picture, Said(prompt, seed, hashlib.sha256(answer.content).hexdigest()))


def gallery(s: Session) -> None:
    """Look through the gallery, search it, mark, delete and undo."""
    words = s.draw.choice(("", "", "apple", "a red", "%", "nothing like it"))
    listed = s.ask("gallery", "GET", "/api/pictures", params={"search": words, "limit": s.draw.choice((1, 10, 200))})
    if listed.status_code != 200:
        return
    found = listed.json()
    if found["next"]:
        s.ask("gallery", "GET", "/api/pictures", params={"search": words, "before": found["next"]})
    for each in found["pictures"][:2]:
        s.ask("favourite", "PATCH", f"/api/pictures/{each['id']}", (200, 404), json={"favourite": True})
        if s.draw.random() < 0.3 and each["id"] in s.ledger.finished:
            s.ask("delete", "DELETE", f"/api/pictures/{each['id']}", (200, 404))
            s.ask("undo", "POST", f"/api/pictures/{each['id']}/restore")


def look_inside(s: Session) -> None:
    """A view of the chapters, left early or watched to its end."""
    view, leave = s.draw.choice(VIEWS), s.draw.choice((0, 1, 3, None))
    body: dict[str, Any] = {"prompt": s.draw.choice(CATALOGUE).prompt, "seed": 1, "steps": s.draw.choice((2, 5))}
    if view in ("noise", "latents"):
        del body["steps"]
    if view == "between":
        body |= {"to": "a whale", "stops": 3}
    with s.asking("look inside"), s.http.stream("POST", f"/api/inside/{view}", json=body) as answer:
        s.noted("look inside", answer, (200,))
        for number, event in enumerate(events_of(answer) if answer.status_code == 200 else ()):
            if event.get("type") == "problem" and not s.ledger.ending.is_set():
                s.ledger.note("look inside", "problem", False, f"{view}: {event}")
            if number == leave:
                return


ACTIONS: tuple[tuple[Callable[[Session], None], int], ...] = (
    (by_api, 14), (by_link, 8), (by_stream, 12), (by_edit, 6), (by_job, 16), (by_restyle, 6), (gallery, 14),
    (look_inside, 4), (ask_nonsense, 8), (send_malformed, 8), (read_slowly, 2), (leave_half_open, 4), (flood, 1),
)  # fmt: skip


def be_a_client(url: str, ledger: Ledger, seed: int, stop: threading.Event) -> None:
    """Do this and that until it is time to stop, or the server is gone."""
    s = Session(url, ledger, random.Random(seed))
    actions, weights = zip(*ACTIONS, strict=True)
    try:
        while not stop.is_set():
            try:
                s.draw.choices(actions, weights)[0](s)
            except Cut:
                if ledger.ending.is_set():
                    return
            except Exception as error:  # an answer that is not what it should be
                ledger.note("a client", type(error).__name__, False, str(error))
    finally:
        s.close()
