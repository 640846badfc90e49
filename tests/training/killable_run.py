"""Run by test_loop.py in a process of its own, to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_loop import killable

killable(Path(sys.argv[1]))
