"""The starter model, which comes inside the package: where it lies, and what has to be said of it.

In: what a user gave as a model, a run folder or the name "starter". Out: the folder. `scripts/publish_starter.py` makes
the folder from a run; its README.md is the model card.
"""

from __future__ import annotations

from pathlib import Path

from mrg_llm.errors import CheckpointError

STARTER = "starter"
FOLDER = Path(__file__).with_name(STARTER)
NOTE = (
    "starter model, trained on IU X-ray (weights CC BY-NC 4.0, not for commercial use); research use only, not a "
    "medical device"
)
"""One line for standard error, wherever the starter writes."""


def is_starter(model: str | Path) -> bool:
    """Whether the name means the model in the package; a folder of that name is given as ./starter."""
    return model == STARTER


def model_folder(model: str | Path) -> Path:
    """The run folder that is meant. Raises CheckpointError where the starter is asked for and this copy has none."""
    if not is_starter(model):
        return Path(model)
    if not FOLDER.is_dir():
        raise CheckpointError(
            "this copy of mrg-llm was built without the starter model; give a run folder, for example the one that "
            "'mrg train' or 'mrg demo' writes"
        )
    return FOLDER
