"""Labels of which a fifth is wrong: trained on as they are, weighted by a verifier, or as its probabilities.

    python benchmarks/soft_labels.py --data-root DATA --out /tmp/soft --seeds 5

Of Quora's question pairs, a checkpoint is trained on as many rows with their own labels, as a verifier of generated
rows would be. Other rows get 20 % of their labels flipped, and `synthgen filter` gives them the verifier's
probabilities. A checkpoint each is trained on these with `targets` hard, weighted and soft for `--epochs`, and scored
on rows that were not flipped. With `--flip-all` the verifier's rows are flipped too: no clean label is seen at all.
`--layers` keeps so many of the encoder's layers, for small machines.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import evaluator
import synthgen
from synthgen.dataset.manifest import dataset_format, finish, read_manifest
from synthgen.dataset.shards import read_rows, row_features, write_rows
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.formats.base import Row
from synthgen.models.loading import load_model, load_tokenizer
from synthgen.models.packs import resolve

FLIPPED = 0.2
TARGETS = ("hard", "weighted", "soft")
FILTERS = "[verify]\nmin_confidence = 1.0\nprobabilities = true\n"


def write_set(folder: Path, rows: Sequence[Row], like: Path) -> Path:
    """Write rows as a finished set like another."""
    manifest = read_manifest(like)
    files = write_rows(folder, rows, row_features(dataset_format(manifest)))
    size = len(rows)
    finish(folder, replace(manifest, files=files, n=size, asked=size, kept=size, label_counts={}, rejected={}))
    return folder


def flipped(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    """Return the rows, a fifth of them with the other label."""
    return [{**row, "label": 1 - row["label"]} if draw.random() < FLIPPED else row for row in rows]


def small_encoder(folder: Path, layers: int) -> Path:
    """Write the pack's encoder with its first layers alone."""
    source = resolve("pack:multilingual-e5-small").path
    model = load_model("AutoModel", source)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    model.save_pretrained(folder)
    load_tokenizer(source).save_pretrained(folder)
    return folder


def recipe(folder: Path, targets: str, epochs: int = 2) -> str:
    """Write the recipe of one kind of targets and return its path."""
    path = folder / f"{targets}-{epochs}.toml"
    path.write_text(f'base = "small"\n[stages.intermediate]\ntargets = "{targets}"\nepochs = {epochs}\n')
    return str(path)


def accuracy(checkpoint: Path, rows: Sequence[Row], like: Path) -> float:
    """Return the share of rows whose label a checkpoint gives."""
    format_ = dataset_format(read_manifest(like))
    said = open_verifier(checkpoint, format_).read(rows)
    return sum(each.text == format_.cell(row) for each, row in zip(said, rows, strict=True)) / len(rows)


def run(
    seed: int, out: Path, real: Path, rows: Sequence[Row], model: str, options: argparse.Namespace
) -> dict[str, float]:
    """Return the accuracy of each kind of targets for one seed."""
    draw = random.Random(seed)
    mixed = draw.sample(list(rows), len(rows))
    first, second, test = mixed[: options.rows], mixed[options.rows : 2 * options.rows], mixed[2 * options.rows :]
    verifiers = write_set(out / "first", flipped(first, draw) if options.flip_all else first, real)
    others = write_set(out / "second", flipped(second, draw), real)
    evaluator.train(verifiers, out=out / "verifier", model=model, recipe=recipe(out, "hard"), seed=seed)
    (out / "filters.toml").write_text(FILTERS)
    synthgen.filter(others, out=out / "believed", verifier=out / "verifier", filters=out / "filters.toml")
    scores = {"verifier": accuracy(out / "verifier", test, real)}
    for targets in options.targets.split(","):
        chosen = recipe(out, targets, options.epochs)
        evaluator.train(out / "believed", out=out / targets, model=model, recipe=chosen, seed=seed)
        scores[targets] = accuracy(out / targets, test, real)
    return scores


def main() -> None:
    """Run the seeds and print a line for each, and in how many each kind is not worse than hard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS), help="hard and others")
    parser.add_argument("--epochs", type=int, default=2, help="of the trainings that are compared")
    parser.add_argument("--flip-all", action="store_true", help="flip labels of the verifier's rows too")
    parser.add_argument("--layers", type=int, default=12)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    real, size = options.out / "real", 2 * options.rows + options.test
    synthgen.import_task("qqp", source=str(options.data_root / "qqp"), out=real, n=size)
    model = str(small_encoder(options.out / "encoder", options.layers))
    rows, scores = list(read_rows(real)), list[dict[str, float]]()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        (folder := options.out / f"seed-{seed}").mkdir()
        scores.append(run(seed, folder, real, rows, model, options))
        print(f"seed {seed}: " + ", ".join(f"{name} {score:.3f}" for name, score in scores[-1].items()), flush=True)
    for targets in options.targets.split(",")[1:]:
        wins = sum(each[targets] >= each["hard"] for each in scores)
        mean = sum(each[targets] - each["hard"] for each in scores) / len(scores)
        print(f"{targets}: not worse than hard in {wins} of {len(scores)} seeds, {100 * mean:+.1f} points on average")


if __name__ == "__main__":
    main()
