"""The service, and the same decision on files and cohorts. Exports are loaded when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cds_hooks.app import create_app
    from cds_hooks.python_api import evaluate

__all__ = ["create_app", "evaluate"]
_PLACES = {"create_app": "cds_hooks.app", "evaluate": "cds_hooks.python_api"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
