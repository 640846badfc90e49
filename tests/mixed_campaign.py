"""A studio under mixed requests, ended and started again and again; what it lost, drew wrongly, and how it kept up."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from mixed_clients import be_a_client, by_edit_of, by_words_of, run_job
from mixed_ledger import CATALOGUE, SEEDS, Ledger, photo, pixels_of
from mixed_session import Session

PROBES = 30  # requests for the waiting time on a quiet server
START_SECONDS, END_SECONDS, REST_SECONDS = 120.0, 60.0, 300.0


@dataclass
class Report:
    """What a campaign found; waiting times in seconds, memory in MiB."""

    ledger: Ledger
    ends: list[str] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)  # requests so far, resident
    jobs: dict[str, int] = field(default_factory=dict)

    @property
    def growth(self) -> tuple[int, float, float]:
        """Requests between a third and the end of the longest life, and the memory at both."""
        first, last = self.memory[len(self.memory) // 3], self.memory[-1]
        return last[0] - first[0], first[1], last[1]


@dataclass
class Studio:
    """A server in a process of its own, with its log in a file."""

    process: subprocess.Popen[bytes]
    url: str
    log: IO[bytes]

    def memory(self) -> float:
        """Resident MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def said(self) -> str:
        """All that it logged."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")


@contextmanager
def studio(model: str | None, folder: Path) -> Iterator[Studio]:
    """Start a server and wait until it answers; killed in the end, if it still lives.

    Raises:
        RuntimeError: it does not come up.
    """
    command = [sys.executable, "-m", "fromnoise", "studio", "--no-browser", "--port", "0", "--gallery", str(folder)]
    command += [] if model is None else ["--model", model]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        found = Studio(process, "", log)
        try:
            until = time.monotonic() + START_SECONDS
            while " at http://" not in (said := found.said()):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server does not start: {said[-2000:]}")
                time.sleep(0.05)
            found.url = said.split(" at ")[1].split("/ ")[0]
            httpx.get(f"{found.url}/healthz", timeout=START_SECONDS)
            yield found
        finally:
            process.kill()
            process.wait()


def campaign(
    model: str | None, folder: Path, minutes: float, ends: int = 11, clients: int = 8, seed: int = 0
) -> Report:
    """Serve for so long; half of it in one life, the rest in short ones, which end in turns by SIGKILL and SIGTERM.

    Args:
        model: as for ``--model``.
        folder: of the gallery, empty.
        minutes: of mixed requests.
        ends: how often the server is ended while they ask.
        clients: that ask at once.
        seed: of what they do.
    """
    report = Report(Ledger())
    lives = [30 * minutes, *([30 * minutes / (ends - 1)] * (ends - 1))]
    for number, seconds in enumerate(lives):
        with studio(model, folder) as server:
            if number == 0:
                draw_alone(server.url, report.ledger)
                report.p95.append(probe(server.url, report.ledger))
            else:
                audit(server.url, report)
            crowd = Crowd(server, report.ledger, clients, seed + 1000 * number)
            crowd.let_ask(seconds, report.memory if number == 0 else [])
            crowd.end(signal.SIGKILL if number % 2 else signal.SIGTERM, report)
    with studio(model, folder) as server:
        rest(server.url, report.ledger)
        audit(server.url, report)
        compare_all(server.url, report.ledger)
        report.p95.append(probe(server.url, report.ledger))
    return report


def draw_alone(url: str, ledger: Ledger) -> None:
    """Ask for every picture of the catalogue while nobody else asks."""
    s = Session(url, ledger, random.Random(0), patient=True)
    start = s.ask("upload", "POST", "/api/uploads", (201,), files={"file": ("photo.png", photo(), "image/png")})
    for drawing in CATALOGUE:
        for number in SEEDS:
            if drawing.how == "restyle":
                run_job(s, "alone", drawing, {"seed": number, "count": 1, "start": start.json()["id"]})
            else:
                (by_edit_of if drawing.how == "edit" else by_words_of)(s, drawing, number, 1)
    s.close()


def probe(url: str, ledger: Ledger) -> float:
    """95th percentile of the seconds that a quiet server takes for a picture."""
    s, times = Session(url, ledger, random.Random(0)), []
    for i in range(PROBES):
        began = time.perf_counter()
        by_words_of(s, CATALOGUE[0], SEEDS[i % len(SEEDS)], 1)
        times.append(time.perf_counter() - began)
    s.close()
    return sorted(times)[int(0.95 * PROBES)]


class Crowd:
    """Clients that ask at once.

    Args:
        server: whom they ask.
        ledger: where they note it.
        clients: how many.
        seed: of what they do.
    """

    def __init__(self, server: Studio, ledger: Ledger, clients: int, seed: int) -> None:
        self.server, self.ledger, self.stop = server, ledger, threading.Event()
        ledger.ending.clear()
        self.threads = [
            threading.Thread(target=be_a_client, args=(server.url, ledger, seed + i, self.stop), daemon=True)
            for i in range(clients)
        ]

    def let_ask(self, seconds: float, memory: list[tuple[int, float]]) -> None:
        """Let them ask, and look at the server's memory meanwhile."""
        for thread in self.threads:
            thread.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.server.process.poll() is None:
            memory.append((self.ledger.requests, self.server.memory()))
            time.sleep(min(1.0, seconds / 20))
        if self.server.process.poll() is not None:
            self.ledger.strange.append(f"the server ended by itself with {self.server.process.returncode}")

    def end(self, by: signal.Signals, report: Report) -> None:
        """End the server while they ask, and see how it ends."""
        self.ledger.ending.set()
        began = time.monotonic()
        self.server.process.send_signal(by)
        try:
            code = self.server.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
            self.ledger.strange.append(f"{by.name}: the server has not ended after {END_SECONDS:.0f} s")
        report.ends.append(f"{by.name} {time.monotonic() - began:.1f} s")
        if code not in (None, 0, -by):
            self.ledger.strange.append(f"{by.name}: the server ended with {code}")
        self.stop.set()
        for thread in self.threads:
            thread.join(150)
        self.ledger.strange += [f"in the log: {fault}" for fault in faults_in(self.server.said())]


def faults_in(log: str) -> list[str]:
    """What a log tells that must not be: its tracebacks, each in one piece, and errors."""
    found, lines = list[str](), log.splitlines()
    for i, line in enumerate(lines):
        if line.lstrip(" +|").startswith("Traceback"):
            end = next((j for j in range(i + 1, len(lines)) if not lines[j].startswith((" ", "+"))), len(lines) - 1)
            found.append(" / ".join(each.strip() for each in lines[max(i, end - 8) : end + 1]))
        elif line.startswith(("ERROR", "CRITICAL")) or "failed" in line:
            found.append(line)
    return found


def audit(url: str, report: Report) -> None:
    """After a start: is everything there that the server said was finished, and every job that it took on?"""
    ledger = report.ledger
    with httpx.Client(base_url=url, timeout=120) as http:
        for picture, said in list(ledger.finished.items()):
            found = http.get(f"/api/pictures/{picture}/file")
            if found.status_code == 404:  # the server may have ended between deleting and undoing
                http.post(f"/api/pictures/{picture}/restore")
                found = http.get(f"/api/pictures/{picture}/file")
            if found.status_code != 200:
                ledger.lost.append(f"picture {picture}: {found.status_code}")
            elif said.file not in (None, hashlib.sha256(found.content).hexdigest()):
                ledger.lost.append(f"picture {picture}: its file has changed")
            else:
                ledger.compare("after a start", said.prompt, said.seed, found.content)
        report.jobs = {}
        for job in sorted(ledger.jobs):
            state = job_state(http, job)
            report.jobs[state] = report.jobs.get(state, 0) + 1
            if state == "unknown":
                ledger.lost.append(f"job {job}")


def job_state(http: httpx.Client, job: str) -> str:
    """How a job stands; "unknown" where the server does not know it."""
    answer = http.get(f"/api/jobs/{job}")
    return str(answer.json()["state"]) if answer.status_code == 200 else "unknown"


def rest(url: str, ledger: Ledger) -> None:
    """Take up again what was interrupted, and wait until nothing is left to draw."""
    with httpx.Client(base_url=url, timeout=120) as http:
        for job in http.get("/api/jobs/interrupted").json():
            if job["request"]["prompt"] == "a flood":
                http.delete(f"/api/jobs/{job['id']}")
            else:
                http.post(f"/api/jobs/{job['id']}/again")
        for job in http.get("/api/jobs").json():
            if job["request"]["prompt"] == "a flood":
                http.delete(f"/api/jobs/{job['id']}")
        until = time.monotonic() + REST_SECONDS
        while any(job["state"] in ("queued", "running") for job in http.get("/api/jobs").json()):
            if time.monotonic() > until:
                ledger.strange.append(f"jobs are not done after {REST_SECONDS:.0f} s of rest")
                return
            time.sleep(0.1)


def compare_all(url: str, ledger: Ledger) -> None:
    """Compare every picture of the gallery, also those that nobody was told of, with the one drawn alone."""
    with httpx.Client(base_url=url, timeout=120) as http:
        before = ""
        while before is not None:
            page: dict[str, Any] = http.get("/api/pictures", params={"before": before, "limit": 200}).json()
            for each in page["pictures"]:
                known = ledger.references.get((each["prompt"], each["seed"]))
                found = pixels_of(http.get(f"/api/pictures/{each['id']}/file").content)
                if known not in (None, found):
                    ledger.wrong.append(f"in the gallery: '{each['prompt']}' with seed {each['seed']}")
            before = page["next"]
