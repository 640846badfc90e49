"""One picture of a job: what is asked for and what it starts from, and how that outlives the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fromnoise.drawing.picture_file import of_its_time
from fromnoise.drawing.plan import Plan
from fromnoise.drawing.request import Request
from fromnoise.drawing.style import as_drawn
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.planning import planned
from fromnoise.studio.desk.store import StoredJob


@dataclass(frozen=True, eq=False)
class Order:
    """One picture of a job.

    Attributes:
        plan: what will be done, for one picture.
        fast: drawn in a few steps.
        start: id of an uploaded picture to start from.
        mask: id of an uploaded mask.
    """

    plan: Plan
    fast: bool = False
    start: str | None = None
    mask: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the store keeps it: what was asked for, with nothing left open, to be planned again after a restart."""
        asked = self.plan.request.to_dict()
        notes = list(self.plan.notes)
        return {"request": asked, "fast": self.fast, "start": self.start, "mask": self.mask, "notes": notes}


def orders_of(job: StoredJob, models: Models) -> list[Order]:
    """What a stored job was to draw, planned anew.

    Raises:
        UserError: the model that is served now cannot draw it.
    """
    fast = bool(job.orders and job.orders[0].get("fast"))  # a job's pictures are asked for together
    model = models.get(fast)
    asked = [Request.from_dict(of_its_time(values["request"])) for values in job.orders]
    made = planned(model, [as_drawn(model, each) for each in asked])
    return [
        Order(each, fast, values.get("start"), values.get("mask"))
        for each, values in zip(made, job.orders, strict=True)
    ]
