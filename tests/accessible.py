"""What axe-core finds wrong with a page."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def make_axe() -> Any:
    """What runs axe-core; None where it is not installed."""
    name = "axe_playwright_python"
    return None if importlib.util.find_spec(name) is None else importlib.import_module(f"{name}.sync_playwright").Axe()


def violations(axe: Any, page: Any, where: str) -> list[str]:
    """Every violation of whatever weight, with the first elements that have it."""
    page.evaluate("document.getAnimations().forEach((one) => one instanceof CSSTransition && one.finish())")  # colours
    found = axe.run(page).response["violations"]
    return [
        f"{where}: {one['id']} ({one['impact']}): {[node['html'][:150] for node in one['nodes'][:3]]}" for one in found
    ]
