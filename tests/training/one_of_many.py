"""Run by test_many.py as one of several processes that train together."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # as the command line does
sys.path.insert(0, str(Path(__file__).parent))

from test_many import trained

from fromnoise.ground.errors import UserError

try:
    trained(Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]))
except UserError as error:
    print(f"fromnoise: {error}", file=sys.stderr)
    sys.exit(2)
