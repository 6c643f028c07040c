"""mrg-llm: chest X-ray reports from a frozen language model and prompts that every image customizes for itself.

    from mrg_llm import load
    load("RUN").report(["front.dcm", "lateral.dcm"])

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrg_llm.errors import InputError, MRGError, TrainingError
    from mrg_llm.images import read_film
    from mrg_llm.model.configuration import MRGConfig
    from mrg_llm.model.modeling import MRGModel
    from mrg_llm.model.processing import Reporter
    from mrg_llm.runs import load
    from mrg_llm.settings import Settings, load_settings
    from mrg_llm.studies import open_studies
    from mrg_llm.studies.study import Study, StudySet, View

HOMES = {
    "InputError": "errors",
    "MRGConfig": "model.configuration",
    "MRGError": "errors",
    "MRGModel": "model.modeling",
    "Reporter": "model.processing",
    "Settings": "settings",
    "Study": "studies.study",
    "StudySet": "studies.study",
    "TrainingError": "errors",
    "View": "studies.study",
    "load": "runs",
    "load_settings": "settings",
    "open_studies": "studies",
    "read_film": "images",
}

__all__ = [
    "InputError",
    "MRGConfig",
    "MRGError",
    "MRGModel",
    "Reporter",
    "Settings",
    "Study",
    "StudySet",
    "TrainingError",
    "View",
    "load",
    "load_settings",
    "open_studies",
    "read_film",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'mrg_llm' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"mrg_llm.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
