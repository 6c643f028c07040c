"""Run folders that survive kill -9: a checkpoint is written aside, flushed, and renamed; a manifest holds its hashes.

    RUN/config.json model.safetensors settings.json manifest.json journal.jsonl README.md     the model that is used
    RUN/checkpoints/step-N/{model,optimizer}.safetensors state.json manifest.json            where --resume goes on

safetensors alone notices almost no flipped bit, the SHA-256 manifest notices all.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from mrg_llm.errors import CheckpointError, ResourceError
from mrg_llm.files import aside_of, flush, put_in_place, write_whole
from mrg_llm.model.wheels import file_sha256

MANIFEST = "manifest.json"
KEPT = 2  # the newest checkpoints; the one before the newest is there should the newest be damaged


@dataclass(frozen=True)
class Position:
    """Where a run stands: steps done in which stage, and what validation has said so far."""

    stage: str
    stage_step: int
    step: int
    best: float | None = None
    best_step: int | None = None
    waited: int = 0


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """All files and their manifest, or nothing: written aside, flushed to disk, then renamed.

    Raises ResourceError where the disk is full or cannot be written.
    """
    aside = aside_of(folder)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        for name, data in files.items():
            write_flushed(aside / name, data)
        write_flushed(aside / MANIFEST, manifest_bytes({n: aside / n for n in files}))
        shutil.rmtree(folder, ignore_errors=True)
        put_in_place(aside, folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise cannot_write(folder, error) from error


def write_file(path: Path, data: bytes) -> None:
    """One file, or nothing. Raises ResourceError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        flush(stream)


def manifest_bytes(paths: Mapping[str, Path]) -> bytes:
    return json.dumps({name: file_sha256(path) for name, path in paths.items()}, indent=1).encode()


def cannot_write(path: Path, error: OSError) -> ResourceError:
    if error.errno == errno.ENOSPC:
        return ResourceError(f"the disk of {path} is full; free some space and go on with --resume")
    return ResourceError(f"{path} cannot be written ({error.strerror}); choose a folder that can")


def verify(folder: Path) -> list[str]:
    """The files that the manifest names and that are missing or changed; raises CheckpointError without a manifest."""
    path = folder / MANIFEST
    try:
        expected = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} has no {MANIFEST}: it is not a run folder, or was not finished") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged; restore the folder from a copy") from error
    return [n for n, digest in expected.items() if not (folder / n).is_file() or file_sha256(folder / n) != digest]


def save_checkpoint(run: Path, position: Position, model: dict[str, Tensor], optimizer: dict[str, Tensor]) -> None:
    """RUN/checkpoints/step-N; older ones beyond KEPT are deleted after the new one is safe."""
    files = {
        "model.safetensors": tensor_bytes({n: t.contiguous() for n, t in model.items()}),
        "optimizer.safetensors": tensor_bytes(optimizer),
        "state.json": json.dumps(asdict(position)).encode(),
    }
    write_folder(run / "checkpoints" / f"step-{position.step}", files)
    for old in checkpoints(run)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def checkpoints(run: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    found = (run / "checkpoints").glob("step-*")
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def latest_checkpoint(run: Path) -> tuple[Position, dict[str, Tensor], dict[str, Tensor]] | None:
    """The newest checkpoint whose hashes are right, or None where the run has none at all.

    Raises CheckpointError when there are some and all are damaged.
    """
    found = checkpoints(run)
    for folder in reversed(found):
        if not verify(folder):
            tensors = [load_tensors((folder / f"{n}.safetensors").read_bytes()) for n in ("model", "optimizer")]
            return Position(**json.loads((folder / "state.json").read_text())), tensors[0], tensors[1]
    if found:
        raise CheckpointError(f"every checkpoint in {run / 'checkpoints'} is damaged; start again without --resume")
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """The optimizer's state by parameter name, so that it needs no pickle."""
    return {
        f"{names[parameter]}|{key}": value.detach().cpu().contiguous()
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Put saved state back, on each parameter's device: a fused optimizer has its step counters there, too."""
    for label, value in tensors.items():
        name, key = label.rsplit("|", 1)
        parameter = parameters[name]
        optimizer.state[parameter][key] = value.to(parameter.device)
