"""How many frames per second the map's page draws while it is moved and zoomed, with 20,000 points.

    python benchmarks/map_frames.py [--points 20000] [--seconds 4] [--side 900]

A map of that many random points is written as ``fromnoise inspect map --out x.html`` writes it, opened in Chromium, and
moved at every frame. The time that painting one frame takes says more than the frames per second: a screen shows no
more than 60 of them, and 16.7 ms are what a frame may take there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

from formats import machine
from fromnoise.inspection.clip_map import ClipMap
from fromnoise.inspection.map_figure import map_figure

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from chromium import find_chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
MOVE = """(seconds) => new Promise((done) => {
  const frames = [], painting = [], begun = performance.now();
  const paint = map.paint.bind(map);
  map.paint = () => {
    const from = performance.now();
    paint();
    map.context.getImageData(0, 0, 1, 1);  // until the pixels are there
    painting.push(performance.now() - from);
  };
  const step = (now) => {
    frames.push(now);
    const part = (now - begun) / (1000 * seconds);
    if (part >= 1) return done({ frames, painting });
    map.look({ x: 0.5 + 0.2 * Math.sin(9 * part), y: 0.5 + 0.2 * Math.cos(9 * part), zoom: 1 + 7 * part ** 2 });
    return requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def random_map(points: int) -> ClipMap:
    """A fifth captions, the rest pictures, in 40 clouds."""
    rng, captions = torch.Generator().manual_seed(0), points // 5
    centres = torch.rand(40, 2, generator=rng)
    places = centres[torch.randint(40, (points,), generator=rng)] + 0.03 * torch.randn(points, 2, generator=rng)
    names = tuple(f"noto/{i}.png" for i in range(points - captions))
    whose = torch.randint(captions, (len(names),), generator=rng)
    texts, styles = tuple(f"small red thing {i}" for i in range(captions)), ("noto",) * len(names)
    space = torch.zeros(2, 8), torch.eye(8)[:2], torch.zeros(points, 2)
    return ClipMap("pca", places.clamp(0, 1), texts, whose, names, styles, *space, "x")


def main() -> None:
    """Write the page, move the map, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--side", type=int, default=900, help="of the window, in pixels")
    options = parser.parse_args()
    figure = map_figure(random_map(options.points), [], [], "fromnoise inspect map")
    assert figure.page is not None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "map.html"
        file.write_text(figure.page(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": options.side, "height": options.side})
        page.goto(file.as_uri())
        page.wait_for_function("globalThis.map?.frames > 0")
        found = page.evaluate(MOVE, options.seconds)
        browser.close()
    painting = torch.tensor(found["painting"])
    between = torch.tensor(found["frames"]).diff()
    figures = {
        "points": options.points,
        "frames per second": round(1000 / float(between.mean()), 1),
        "painting a frame takes, ms (median)": round(float(painting.median()), 2),
        "ms (95 %)": round(float(painting.quantile(0.95)), 2),
        "frames painted within 16.7 ms": f"{float((painting <= 16.7).float().mean()):.1%}",
    }
    print(f"{json.dumps(figures, ensure_ascii=False, indent=1)}\nwithout a graphics card; {machine()}")


if __name__ == "__main__":
    main()
