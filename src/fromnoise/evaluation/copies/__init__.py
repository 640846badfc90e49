"""Is a drawing a copy of a training picture? docs/copies.md says how it is found out."""

from importlib.util import find_spec

from fromnoise.ground.errors import missing_packages

if find_spec("scipy") is None:
    raise missing_packages("checking for copies needs more packages", "evaluate")
