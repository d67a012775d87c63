"""The scores that a store holds of one target model: of nodes whose files have the hashes of their manifests."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluator.store.manifest import node_fault
from evaluator.store.store import Store
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError


@dataclass(frozen=True, slots=True)
class KeptScore:
    """The metrics of one language, in percent; `cap` is the most items that were read, None for all."""

    target: str
    language: str
    split: str
    cap: int | None
    n: int
    metrics: dict[str, float]
    data_revision: str
    date: str
    predictions: str
    scores: str

    def document(self) -> dict[str, Any]:
        """Return the score as JSON values; `predictions` and `scores` are keys of the store."""
        return asdict(self)


def kept_scores(root: Path, model: str) -> list[KeptScore]:
    """Return one score a language of a model: of the test split before others, of most items, the newest.

    UserError for a node that is not as it was finished.
    """
    store = Store(root)
    predictions = {
        each["key"]: each["inputs"] for each in store.finished("predictions") if each["inputs"]["model"] == model
    }
    best: dict[str, tuple[Any, KeptScore]] = {}
    for code, score in _scores(store, predictions):
        rank = score.split == "test", score.cap is None, score.n, code, len(score.metrics), score.date
        if score.language not in best or best[score.language][0] < rank:
            best[score.language] = rank, score
    return [score for _, (_, score) in sorted(best.items())]


def _scores(store: Store, made: dict[str, Any]) -> Iterator[tuple[int, KeptScore]]:
    for node in store.finished("scores"):
        of = made.get(predictions := node["inputs"]["predictions"])
        if of is None:
            continue
        for kind, key in (("predictions", predictions), ("scores", node["key"])):
            if fault := node_fault(store.root / kind / key):
                raise UserError(
                    f"not published: {store.root / kind / key}: {fault}; `evaluator store repair {store.root}` removes "
                    "it, and the same `evaluator compare` makes it again"
                )
        finished = (store.root / "scores" / node["key"] / MANIFEST_NAME).stat().st_mtime
        date = datetime.fromtimestamp(finished, UTC).date().isoformat()
        results = node["results"]
        yield node["inputs"]["code"], KeptScore(
            of["target"], of["language"], of["split"], of["max_eval_examples"], results["n"], results["metrics"],
            results["data_revision"], date, predictions, node["key"],
        )  # fmt: skip
