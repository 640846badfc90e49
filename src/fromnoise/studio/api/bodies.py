"""Which route reads which body, of all routes."""

from __future__ import annotations

from fromnoise.studio.api import schemas
from fromnoise.studio.api.schemas_map import AreaIn, MapIn

BODIES: dict[str, type[schemas.Fields]] = {
    **schemas.BODIES,
    "/api/inside/map": MapIn,
    "/api/inside/map/area": AreaIn,
}
