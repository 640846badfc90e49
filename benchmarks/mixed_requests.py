"""Does the studio lose or spoil a picture? Mixed requests at a real server that is ended under load, again and again.

    python benchmarks/mixed_requests.py --minutes 30 [--model FOLDER] [--ends 11] [--clients 8] [--seed 0]

Clients draw by every route (base64, addresses, streams, edits, jobs, restyled uploads) and leave or cancel at any
step, look inside, search, mark, delete and undo in the gallery, send nonsense and malformed forms, read slowly, leave
connections half open, and flood the queue. The server lives half of the time in one go; the rest are short lives that
end in turns by SIGKILL and SIGTERM, all while clients ask. After each start every picture that it had said was
finished must be in the gallery, byte for byte, and every job that it had taken on must be known. Every picture that
comes by any route must have the pixels of the same request drawn alone, before anybody else asked. Without --model a
tiny model with random weights is served, which makes many requests of the time. Needs Linux, and
`pip install -e '.[dev]'`. Ends with 1 if anything was lost, wrong, or answered as it must not be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from formats import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import make_tiny_model
from mixed_campaign import Report, campaign


def show(report: Report, minutes: float) -> None:
    """Print what was found."""
    ledger = report.ledger
    routes: dict[str, Counter[str]] = {}
    for (action, answer), count in ledger.answers.items():
        routes.setdefault(action, Counter())[answer] += count
    print(
        f"\n{machine()}; {minutes:.1f} minutes, {ledger.requests:,} requests, {len(report.ends)} ends of the server\n"
    )
    print("| request | times | answers |\n| --- | ---: | --- |")
    for action, answers in sorted(routes.items()):
        told = ", ".join(f"{answer} ×{count:,}" for answer, count in answers.most_common())
        print(f"| {action} | {answers.total():,} | {told} |")
    requests, before, after = report.growth
    print(f"\npictures compared: {ledger.compared:,}; wrong: {len(ledger.wrong)}")
    print(f"finished pictures and jobs: {len(ledger.finished):,} and {len(ledger.jobs):,}; lost: {len(ledger.lost)}")
    print(f"jobs in the end: {', '.join(f'{state} {count:,}' for state, count in sorted(report.jobs.items()))}")
    print(f"p95 of a picture on the quiet server: {report.p95[0]:.3f} s before, {report.p95[1]:.3f} s after")
    print(f"memory in the longest life: {before:.0f} → {after:.0f} MiB over {requests:,} requests")
    print(f"ends: {', '.join(report.ends)}")
    for title, found in (("wrong", ledger.wrong), ("lost", ledger.lost), ("must not be", ledger.strange)):
        for said, count in Counter(found).most_common(20):
            print(f"{title} ×{count}: {said}")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="of mixed requests; starts come on top")
    parser.add_argument("--model", help="as for fromnoise studio; by default a tiny one")
    parser.add_argument("--ends", type=int, default=11, help="of the server, under load")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        model = given.model
        if model is None:
            model = str(Path(folder) / "tiny")
            make_tiny_model().save(Path(model))
        report = campaign(model, Path(folder) / "gallery", given.minutes, given.ends, given.clients, given.seed)
    show(report, (time.monotonic() - began) / 60)
    return 0 if report.ledger.fine else 1


if __name__ == "__main__":
    sys.exit(main())
