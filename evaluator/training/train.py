"""`evaluator train`: from a dataset folder to a plain checkpoint folder."""

import shutil
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.experiment.encoders import check_heads, read_facts, recipe_for
from evaluator.experiment.graph import CODE_VERSION, stage_inputs
from evaluator.experiment.hardware import detect
from evaluator.experiment.jobs import DataDraw, Encoder, IntermediateJob, identity
from evaluator.experiment.recipe import LARGE_WIDTH, Recipe, check_soft_labels, load_recipe
from evaluator.store import Json, Node, Store
from evaluator.store.manifest import read_node
from evaluator.tracking.backend import check_tracker
from evaluator.tracking.tracker import Tracker, tracking, training_values
from evaluator.training.model_card import CARD_NAME, checkpoint_licence, model_card
from synthgen.console import progress
from synthgen.dataset.folder import refuse_inside
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.manifest import Manifest, dataset_format, read_intact_manifest
from synthgen.errors import UserError
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.runtime.drafts import sweep
from synthgen.runtime.files import check_writable, move, write_atomically
from synthgen.runtime.integrity import folder_faults
from synthgen.runtime.lock import only_writer

LARGEST_SEED = 2**32 - 1


def train(
    dataset: options.Dataset,
    *,
    out: options.Checkpoint,
    model: options.Model = options.DEFAULT_MODEL,
    recipe: options.Recipe = "xtreme",
    seed: options.Seed = 0,
    track: options.Track = None,
) -> dict[str, Any]:
    """Train an encoder on a dataset folder and write a checkpoint: weights, tokenizer, labels, manifest.

    Example: `evaluator train runs/mnli-n200-s0 --out runs/mnli-model --model pack:multilingual-e5-small --recipe small`

    Returns the manifest. The folder is that of `save_pretrained`: safetensors, tokenizer, `id2label` in the config,
    with a card and `synthgen.json`. A folder of the same training is left as it is, another is refused with UserError.
    """
    folder, target = Path(dataset), Path(out)
    check_tracker(track)
    manifest = _check(folder, target, recipe, seed)
    encoder = resolve(model)
    facts = read_facts(encoder)
    settings = recipe_for(recipe, facts)
    check_soft_labels(settings, [manifest])
    job = _job(folder, manifest, encoder, settings, seed)
    store = Store(target.parent / f".{target.name}.training")
    if target.exists():
        existing = _existing(target, job.node.inputs)
        shutil.rmtree(store.root, ignore_errors=True)  # of a run that was stopped while it removed it
        sweep(target.parent)
        return existing
    check_heads(encoder, facts, {dataset_format(manifest).name: [f"the dataset {folder}"]})
    with only_writer(target), tracking(track, target.parent) as tracker:
        training, draft = _train(job, store, tracker)
        card = model_card(manifest, encoder, recipe=job.recipe, stage=job.stage, seed=seed, training=training)
        write_atomically(draft / CARD_NAME, card)
        move(draft, target)
        shutil.rmtree(store.root, ignore_errors=True)
    return _existing(target, job.node.inputs)


def _train(job: IntermediateJob, store: Store, tracker: Tracker) -> tuple[dict[str, Any], Path]:
    """Train in a store of its own; return what the training did, and the checkpoint's folder."""
    from evaluator.training.jobs import train_intermediate  # torch, only where there is something to train

    with progress() as bar:
        line = bar.add_task("training", total=None, note="")

        def report(text: str) -> None:
            bar.update(line, note=text)
            tracker.progress(job.node.key, text)

        tracker.begin(job.node.key, job.label, job.node.inputs)
        try:
            train_intermediate(job, store, report)
        except UserError:
            shutil.rmtree(store.root, ignore_errors=True)
            raise
    training = store.results(job.node)["training"]
    tracker.end(job.node.key, lambda: training_values(training))
    return training, store.folder(job.node)


def check_seed(seed: int) -> None:
    """Raise UserError for a number that cannot be a seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"--seed {seed}; allowed: whole numbers from 0 to {LARGEST_SEED}")


def _check(folder: Path, out: Path, recipe: str, seed: int) -> Manifest:
    """Return the dataset's manifest; UserError for an argument that is wrong whatever the encoder."""
    check_seed(seed)
    if not out.exists():
        refuse_inside(out)
        check_writable(out.parent, f"to --out {out}")
    load_recipe(recipe, LARGE_WIDTH)
    manifest = read_intact_manifest(folder)
    if out.exists():
        _existing(out, {"parts": [_rows(folder, manifest).to_json()], "seed": seed})
    return manifest


def _rows(folder: Path, manifest: Manifest) -> DataDraw:
    return DataDraw(folder.resolve(), manifest.content_hash, manifest.kept, manifest.kept)


def _job(folder: Path, manifest: Manifest, model: ResolvedModel, recipe: Recipe, seed: int) -> IntermediateJob:
    stage, hardware, name = recipe.intermediate((dataset_format(manifest).name,)), detect(), identity(model)
    rows = _rows(folder, manifest)
    settings = {"stage": stage_inputs(stage, recipe), "seed": seed, **hardware.to_json()}
    inputs = {"code": CODE_VERSION, "model": name, "parts": [rows.to_json()], **settings}
    base, licence = Encoder.of(model), checkpoint_licence(manifest, model)
    return IntermediateJob(Node("checkpoint", inputs), base, (rows,), stage, recipe, seed, None, licence, hardware)


def _existing(folder: Path, inputs: Json) -> Json:
    """Return the manifest of a whole checkpoint of a training with these inputs; UserError for anything else."""
    advice = "give another folder or remove it"
    if not (folder / MANIFEST_NAME).is_file():
        raise UserError(f"--out {folder} contains other files; {advice}")
    try:
        manifest = read_node(folder)
    except UserError as error:
        raise UserError(f"--out {folder} contains other files; {advice} ({error})") from None
    stored = manifest["inputs"]
    if differing := ", ".join(name for name in inputs if stored.get(name) != inputs[name]):
        raise UserError(f"--out {folder} contains another training (differs in {differing}); {advice}")
    if fault := next(folder_faults(folder, manifest["files"], MANIFEST_NAME), None):
        raise UserError(f"{folder / fault}; remove {folder} to train it again")
    return manifest
