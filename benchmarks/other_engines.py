"""Other programs that draw with Stable Diffusion checkpoints, as contenders of ``checkpoint_drawing.py``.

Their packages do not go together with the newest diffusers and transformers, so each lives in an environment of its
own, whose Python runs this file:

    python -m venv ov
    ov/bin/pip install "optimum-intel[openvino]" openvino-genai "diffusers<0.40" "huggingface-hub<2"
    python -m venv cpp && cpp/bin/pip install --no-binary stable-diffusion-cpp-python stable-diffusion-cpp-python

stable-diffusion.cpp computes as it was built; for AVX2, with CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON
-DGGML_F16C=ON" before pip.

It answers as ``checkpoint_drawing.py --serve`` does: a line with seconds and peak MiB for the first picture, from
opening on, and one for every line it is sent.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROMPT, NEGATIVE = "a lighthouse at dusk, oil on canvas", "blurry"
Draw = Callable[[Path, int], None]


def openvino_genai(folder: Path, weights: str) -> Draw:
    """OpenVINO's own pipeline on graphs from its own exporter; both are made for the size that is drawn."""
    import openvino_genai as genai
    from PIL import Image

    hints = {"PERFORMANCE_HINT": "LATENCY"}
    pipeline = genai.Text2ImagePipeline(exported(folder, weights))
    pipeline.reshape(1, 512, 512, pipeline.get_generation_config().guidance_scale)
    pipeline.compile("CPU", **hints)

    def draw(file: Path, steps: int) -> None:
        found = pipeline.generate(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=steps, width=512, height=512)
        Image.fromarray(found.data[0]).save(file)

    return draw


def exported(folder: Path, weights: str) -> Path:
    """Where the exporter puts its graphs, once: weights as "fp16" or "int8"."""
    place = folder.parent / f"{folder.name}-openvino-{weights}"
    if not place.exists():
        exporter = Path(sys.executable).parent / "optimum-cli"
        task = ["--task", "text-to-image", "--weight-format", weights]
        subprocess.run([exporter, "export", "openvino", "--model", folder, *task, place], check=True, stdout=sys.stderr)
    return place


def stable_diffusion_cpp(folder: Path, weights: str) -> Draw:
    """stable-diffusion.cpp on the single file that ``fromnoise convert`` writes; weights as "f16" or "q8_0"."""
    from stable_diffusion_cpp import StableDiffusion

    # Its environment has no fromnoise to ask.
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    file = folder.with_suffix(".safetensors")
    model = StableDiffusion(
        model_path=str(file), n_threads=threads, wtype=weights, diffusion_flash_attn=True, verbose=False
    )

    def draw(file: Path, steps: int) -> None:
        pictures = model.generate_image(
            PROMPT, negative_prompt=NEGATIVE, sample_method="euler", sample_steps=steps, width=512, height=512
        )
        pictures[0].save(file)

    return draw


ENGINES: dict[str, Callable[[Path], Draw]] = {
    "OpenVINO GenAI, fp16 weights": lambda folder: openvino_genai(folder, "fp16"),
    "OpenVINO GenAI, int8 weights": lambda folder: openvino_genai(folder, "int8"),
    "stable-diffusion.cpp f16": lambda folder: stable_diffusion_cpp(folder, "f16"),
    "stable-diffusion.cpp q8_0": lambda folder: stable_diffusion_cpp(folder, "q8_0"),
}


def peak_mib() -> float:
    """Most memory that was resident, ever or since it was last forgotten (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def serve(open_model: Callable[[], Draw], picture: Path, steps: int) -> None:
    """Draw once from scratch, then once for each line on stdin; say seconds and peak MiB each time."""
    begin = time.perf_counter()
    draw = open_model()
    draw(picture, steps)
    print("answer", time.perf_counter() - begin, peak_mib(), flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        draw(picture, int(line))
        print("answer", time.perf_counter() - begin, peak_mib(), flush=True)


def main() -> None:
    """Export, or be a contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--export", action="store_true", help="only make OpenVINO's graphs")
    options = parser.parse_args()
    if options.export:
        exported(options.folder, options.engine.split()[-2])
        return
    picture = options.folder / f"{options.engine}.png"
    serve(lambda: ENGINES[options.engine](options.folder), picture, options.steps)


if __name__ == "__main__":
    main()
