"""A page beside a training: the studio in a process of its own, which reads the run's folder and nothing else of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fromnoise.ground.errors import UserError

GALLERY = ".studio"  # in the run's folder: another studio may be using the person's own gallery


def with_page(out: Path, training: Callable[[], None]) -> None:
    """Train while a page shows how it goes.

    The page stays when the training ends, finished or stopped, until Ctrl-C; where nobody sits at a terminal it ends
    too.

    Args:
        out: the run's folder.
        training: what to do.

    Raises:
        UserError: the page cannot be opened.
    """
    page, address = _opened(out)
    print(f"watch it at {address}", file=sys.stderr, flush=True)
    try:
        training()
    finally:
        _stay(page, address)


def _opened(out: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "fromnoise", "studio", "--run", str(out), "--port", "0", "--beside"]
    command += ["--gallery", str(out / GALLERY), *([] if sys.stderr.isatty() else ["--no-browser"])]
    # A group of its own: Ctrl-C in the terminal is meant for the training. The same session: "nice" counts in one only.
    page = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
    assert page.stdout is not None
    for line in page.stdout:
        if line.startswith("training: "):
            return page, line.split()[1]
    raise UserError("the page beside the training did not start; see above, or leave out --watch")


def _stay(page: subprocess.Popen[str], address: str) -> None:
    try:
        if page.poll() is None and sys.stdin is not None and sys.stdin.isatty():
            print(f"the page stays at {address} until Ctrl-C", file=sys.stderr, flush=True)
            page.wait()
    except KeyboardInterrupt:
        pass
    finally:
        assert page.stdin is not None
        with contextlib.suppress(OSError):
            page.stdin.close()  # it reads that to see whether we are there
        try:
            page.wait(60)
        except subprocess.TimeoutExpired:
            page.kill()
