"""TensorBoard: event files in the folder `tensorboard`, one folder a run."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.tracking.backend import OpenRun


class EventFile:
    """The event file of one run."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._writer.add_text("config", json.dumps(config, ensure_ascii=False, indent=2))

    def log(self, values: Mapping[str, float | str], step: int | None) -> None:
        """Add numbers as scalars and texts as texts."""
        for name, value in values.items():
            add = self._writer.add_text if isinstance(value, str) else self._writer.add_scalar
            add(name, value, step)

    def finish(self) -> None:
        """Write what is left."""
        self._writer.close()


def opener(name: str, folder: Path) -> OpenRun:
    """Return what begins a run: its folder is named as the run, in letters that every file system takes."""
    return lambda run, config: EventFile(folder / name / re.sub(r"[^\w.,=-]+", "_", run)[:150], config)
