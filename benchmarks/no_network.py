"""How often is a network asked for anything, from installation to pictures, where there is none? By the system's count.

    python benchmarks/no_network.py --wheels wheels

Wheels are fetched first, while there is a network: fromnoise's own is built and those that it needs are downloaded into
``--wheels``, or are there already. Then all else happens in a network namespace that has no network at all: an empty
environment is made, installed from the wheels, and used with an empty home, by all that draws, learns and serves.
``strace`` counts each attempt of any process of it to reach an address other than its own machine's. Needs Linux,
strace, and the right to make such a namespace (root, or user namespaces).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from formats import machine

ROOT = Path(__file__).resolve().parents[1]
PIN = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
OUTSIDE = ("connect", "sendto", "sendmsg", "sendmmsg")
ADDRESS = re.compile(r"sa_family=AF_INET6?, .*?(?:inet_addr\(\"([^\"]+)\"|inet_pton\(AF_INET6, \"([^\"]+)\")")
OWN = ("127.", "::1", "0.0.0.0", "::ffff:127.")
WORLD = "--set clip.loop.pictures=256 --set vae.loop.pictures=256 --set diffusion.loop.pictures=256 --no-self-test"
COMMANDS = (
    "generate red%20apple --seed 1 --out apple.png",
    "generate red%20apple --seed 1 --out signed.png --sign",
    "inspect origin signed.png",
    "story --seed 1",
    "sheet --out sheet.png",
    f"train first_model --data starter --out run {WORLD}",
    "generate red%20apple --model run/model --steps 2 --out own.png",
    "inspect copies apple.png",
)
SERVED = """
import subprocess, sys, time, urllib.request
studio = subprocess.Popen([sys.argv[1], "studio", "--port", "8787", "--no-browser"])
for _ in range(600):
    time.sleep(0.1)
    try:
        page = urllib.request.urlopen("http://127.0.0.1:8787/").read()
        break
    except OSError:
        assert studio.poll() is None, "the studio ended"
assert b"<html" in page
studio.terminate()
studio.wait(60)
"""


def fetched(wheels: Path) -> None:
    """Build and download what is missing."""
    wheels.mkdir(exist_ok=True)
    if any(wheels.glob("fromnoise-*.whl")) and any(wheels.glob("torch-*.whl")):
        return
    assert PIN, "constraints.txt names no torch"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(ROOT)], check=True)
    (own,) = wheels.glob("fromnoise-*.whl")
    held = ["-c", str(ROOT / "constraints.txt"), "-d", str(wheels), "--find-links", str(wheels)]
    subprocess.run([*pip, "download", *held, f"torch=={PIN[1]}", f"{own}[train]", "setuptools"], check=True)


def asked(trace: str) -> list[str]:
    """The lines of a trace that tell of an attempt to reach another machine."""
    found = []
    for line in trace.splitlines():
        address = ADDRESS.search(line)
        if address and not (address[1] or address[2]).startswith(OWN):
            found.append(line.strip())
    return found


def main() -> None:
    """Fetch, install and use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, default=Path("wheels"))
    options = parser.parse_args()
    wheels = options.wheels.resolve()
    if shutil.which("strace") is None or shutil.which("unshare") is None:
        sys.exit("this needs strace and unshare")
    fetched(wheels)
    cage = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    worst, total = 0, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = {k: v for k, v in os.environ.items() if not re.match("PIP_|HF_|FROMNOISE|PYTHON|.*proxy", k, re.I)}
        environment |= {"HOME": str(folder), "PIP_CONFIG_FILE": os.devnull}
        command = str(folder / "environment/bin/fromnoise")
        pip = f"{folder}/environment/bin/python -m pip install -q --no-index --find-links {wheels} fromnoise[train]"
        (folder / "served.py").write_text(SERVED)
        served = f"{folder}/environment/bin/python {folder}/served.py {command}"
        lines = [f"{sys.executable} -m venv {folder}/environment", pip, *(f"{command} {c}" for c in COMMANDS), served]
        for line in lines:
            words = [word.replace("%20", " ") for word in line.split()]
            trace, begin = folder / "trace.txt", time.monotonic()
            watched = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={','.join(OUTSIDE)}", "-o", str(trace)]
            inside = ["sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh", *watched, *words]
            done = subprocess.run([*cage, *inside], cwd=folder, env=environment, capture_output=True, text=True, check=False)
            tried = asked(trace.read_text(errors="replace"))
            total, worst = total + len(tried), worst or done.returncode
            shown = line.replace(str(folder), "~").replace(str(wheels), "WHEELS").replace("%20", " ")
            print(f"{time.monotonic() - begin:6.1f} s  code {done.returncode}, attempts {len(tried)}  {shown}", flush=True)
            for text in (*tried[:3], *([done.stdout[-1500:] + done.stderr[-1500:]] if done.returncode else [])):
                print(f"    {text}")
    print(f"{machine()}: {total} attempts to reach another machine; {'all well' if not worst else 'NOT all well'}")
    sys.exit(1 if worst or total else 0)


if __name__ == "__main__":
    main()
