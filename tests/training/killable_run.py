"""Run by test_loop.py in a process of its own, to be killed: a toy task that saves after every few steps."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_loop import Line, config

from fromnoise.training.loop import Trainer

folder = Path(sys.argv[1])
trainer = Trainer(Line(config(pictures=4800)), folder, seed=5)
while not trainer.clock.done:
    trainer.step()
    if trainer.clock.step % 5 == 0:
        trainer.save()
(folder / "result.bin").write_bytes(b"".join(m.numpy().tobytes() for m in (*trainer.masters, *trainer.averages)))
