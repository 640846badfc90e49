"""Many clients at once: our studio beside a plain FastAPI server around diffusers, with the very same weights.

    python benchmarks/serving.py [--model FOLDER] [--clients 1,4,16] [--seconds 120] [--steps 20]

Each client asks for one picture after the other, as soon as it has the last one, through HTTP, PNG in base64. The
plain server is what one writes in an afternoon: one pipeline, a lock, since a pipeline's scheduler keeps state that
parallel calls would corrupt (diffusers issue 3672), its own DPM-Solver++, and its number format (fp32) or ``--bf16``.
Rounds of both servers alternate. Printed: pictures a second, median and 95th percentile of the time a client waits,
and the server's memory at the beginning and the end of its round.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from formats import machine, measurable
from fromnoise.system.opening import find_model

PROMPTS = ("red apple", "blue house", "cat face", "green tree", "yellow sun", "guitar", "mushroom", "car")
GUIDANCE = 3.0


def plain_server(folder: Path, port: int, steps: int, bf16: bool) -> None:
    """The server that one writes in an afternoon."""
    import torch
    import uvicorn
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
    from fastapi import FastAPI

    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.bfloat16 if bf16 else torch.float32)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    size, lock, app = pipe.unet.config.sample_size * pipe.vae_scale_factor, threading.Lock(), FastAPI()

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/images/generations")
    def generations(asked: dict[str, Any]) -> dict[str, object]:
        generator = torch.Generator().manual_seed(asked["seed"])
        options = {"num_inference_steps": steps, "guidance_scale": GUIDANCE, "height": size, "width": size}
        with lock:
            picture = pipe(asked["prompt"], generator=generator, **options).images[0]
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return {"data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}

    uvicorn.run(app, port=port, log_level="warning")


@dataclass
class Round:
    """What one server did for one number of clients."""

    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds that a share of the clients waited at most."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str

    def memory(self) -> float:
        """Resident MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def started(command: list[str], port: int) -> Served:
    """Start a server and wait until it answers and has drawn one picture."""
    served = Served(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), f"http://127.0.0.1:{port}"
    )
    until = time.monotonic() + 180
    while time.monotonic() < until:
        try:
            httpx.get(f"{served.url}/healthz")
            break
        except httpx.TransportError:
            time.sleep(0.2)
    try:
        first = httpx.post(f"{served.url}/v1/images/generations", json={"prompt": "x", "seed": 0}, timeout=120)
        first.raise_for_status()
    except httpx.HTTPError:
        served.stop()
        raise
    return served


def load(served: Served, clients: int, seconds: float, extra: dict[str, object]) -> Round:
    """Let clients ask for pictures until the time is over; what is under way then is waited for and counted."""
    found, before = Round(), served.memory()
    lock, began = threading.Lock(), time.perf_counter()

    def client(number: int) -> None:
        with httpx.Client(base_url=served.url, timeout=300) as http:
            asked = 0
            while time.perf_counter() - began < seconds:
                seed = number * 100_000 + asked
                body = {"prompt": PROMPTS[seed % len(PROMPTS)], "seed": seed, **extra}
                at = time.perf_counter()
                http.post("/v1/images/generations", json=body).raise_for_status()
                with lock:
                    found.waits.append(time.perf_counter() - at)
                asked += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.seconds, found.memory = time.perf_counter() - began, (before, served.memory())
    return found


def show(rows: dict[tuple[int, str], Round], clients: list[int]) -> None:
    """Print the table."""
    table = Table(title=f"many clients, {machine()}")
    for name in ("clients", "server", "pictures/s", "p50, s", "p95, s", "memory, MiB", "ratio"):
        table.add_column(name, justify="right")
    for count in clients:
        for name in ("diffusers", "fromnoise"):
            row, memory = rows[count, name], rows[count, name].memory
            ratio = f"{row.rate / rows[count, 'diffusers'].rate:.2f}x" if name == "fromnoise" else ""
            times = (f"{statistics.median(row.waits):.3f}", f"{row.percentile(0.95):.3f}")
            table.add_row(str(count), name, f"{row.rate:.2f}", *times, f"{memory[0]:.0f} → {memory[1]:.0f}", ratio)
    Console(width=120).print(table)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--bf16", action="store_true", help="the plain server in bf16")
    parser.add_argument("--plain", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = find_model(options.model)
    if options.plain:
        plain_server(folder, options.plain, options.steps, options.bf16)
        return
    in_bf16 = options.bf16 and bool(measurable(["the plain server in bf16; it is in fp32"]))
    clients = [int(count) for count in options.clients.split(",")]
    rows: dict[tuple[int, str], Round] = {}
    with ExitStack() as stack:
        gallery, ports = stack.enter_context(tempfile.TemporaryDirectory()), (free_port(), free_port())
        plain = [
            sys.executable,
            __file__,
            "--plain",
            str(ports[0]),
            "--model",
            str(folder),
            "--steps",
            str(options.steps),
        ]
        studio = [sys.executable, "-m", "fromnoise", "studio", "--no-browser", "--port", str(ports[1])]
        studio += ["--gallery", gallery, "--model", str(folder)]
        for count in clients:  # one server at a time: the other would take memory and cache
            for name, command, port in (
                ("diffusers", plain + (["--bf16"] if in_bf16 else []), ports[0]),
                ("fromnoise", studio, ports[1]),
            ):
                served = started(command, port)
                extra = {"steps": options.steps, "guidance": GUIDANCE} if name == "fromnoise" else {}
                try:
                    rows[count, name] = load(served, count, options.seconds, extra)
                finally:
                    served.stop()
    show(rows, clients)


if __name__ == "__main__":
    main()
