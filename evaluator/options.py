"""The options of the commands, each declared once: its type in Python and its text in `--help`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from synthgen.runtime.typer_command import COMMAS, OptionCheck

DEFAULT_MODEL = "FacebookAI/xlm-roberta-base"


# What is compared, and on what.
Arms = Annotated[
    Sequence[str],
    Argument(
        help="name=DATASET[:N][+DATASET…][+mlm:CORPUS]; name=none (no intermediate data); name=own (the target's own "
        "training rows); name=model:REF; or one EXPERIMENT.toml."
    ),
]
TargetNames = Annotated[
    Sequence[str],
    Option(help="Targets, comma-separated: names or target files; `all`: XTREME-R's ten; `xtreme9`: XTREME's nine."),
    COMMAS,
]
OwnFile = Annotated[Path | None, Argument(metavar="FILE", help="With --new: the file to write.")]
NewTarget = Annotated[str | None, Option("--new", help="Write a commented target file: pair, choice, span or tags.")]
CheckedTarget = Annotated[Path | None, Option("--check", help="List all faults of a target file.")]
Languages = Annotated[
    Sequence[str],
    Option(help="BCP-47 codes, comma-separated; TARGET:CODE holds for one target [default: all languages]."),
    COMMAS,
]
SplitName = Annotated[str, Option(help="test or dev.")]
Sizes = Annotated[
    Sequence[str | int],
    Option(
        help="Sizes of the intermediate data, comma-separated: full, numbers of rows, fractions of an arm (real/4)."
    ),
    COMMAS,
]
Seeds = Annotated[
    str | int,
    Option(
        help="Number of seeds (5) or list of seeds (0,2-4), for each arm and size. A seed decides which rows are "
        "drawn, their order and the initialisation."
    ),
]
Match = Annotated[
    str,
    Option(help="Amount of training that is equal for all arms: epochs, or updates (as many as the largest arm has)."),
]
Draw = Annotated[
    str,
    Option(
        help="How a size draws rows of a dataset: by ids (a translation draws the rows of its source), or by positions."
    ),
]
Preset = Annotated[
    str | None,
    Option(
        help="Use the arms of a preset (mixture, multi-source, phang2020, synthetic-vs-real, two-stage) with your "
        "NAME=DATASET."
    ),
]

# One file for all of it.
ExperimentFile = Annotated[Path | str, Argument(help="An experiment file, as `evaluator init` writes.")]
NewExperiment = Annotated[Path | str, Argument(help="The file to write.")]
PresetFile = Annotated[
    str | None,
    Option(
        "--preset", help="Start from this preset: mixture, multi-source, phang2020, synthetic-vs-real or two-stage."
    ),
]
Changes = Annotated[Sequence[str], Option("--set", help="KEY=VALUE replaces a value of the file. Repeatable.")]
CheckFile = Annotated[bool, Option("--check", help="List all faults of the file; make and train nothing.")]
UntilResolved = Annotated[
    bool,
    Option(
        "--until-resolved",
        help="Add seeds to unresolved comparisons, with at most four interim analyses; needs --budget.",
    ),
]
Budget = Annotated[float | None, Option(help="Hours that --until-resolved may take.")]
OnlyData = Annotated[bool, Option("--only-data", help="Make the data; train nothing.")]

# How models are trained.
Model = Annotated[
    str, OptionCheck("synthgen.models.packs:check_ref"), Option(help="Encoder: hub id, local folder or pack:NAME.")
]
CheckedModel = Annotated[str | None, Option(help="A model to check instead: hub id, local folder or pack:NAME.")]
Recipe = Annotated[
    str,
    Option(
        help="Hyperparameters: xtreme (those for the encoder's size), phang2020, small, or a TOML file [default: that "
        "of the preset, else xtreme]."
    ),
]
Select = Annotated[
    str,
    Option(
        help="Checkpoint to score: last; en-dev (best on English development items); recipe (as the reference code of "
        "the recipe does) [default: that of the preset, else last]."
    ),
]
KeepHeads = Annotated[
    bool,
    Option(
        "--keep-heads",
        help="Continue with the head of the intermediate task where a target has the same format and labels [default: "
        "a new head].",
    ),
]
TrainCap = Annotated[
    int | None,
    Option(help="Maximum number of training examples per target, drawn anew for each seed [default: all]."),
]
EvalCap = Annotated[
    int | None,
    Option(help="Maximum number of test items per target and language, the same for all seeds [default: all]."),
]
Ray = Annotated[str | None, Option(help="Run on Ray: auto (the cluster here, else this machine), local, or HOST:PORT.")]
Workers = Annotated[
    int | None,
    Option(
        help="Simultaneous runs per GPU, or per machine without GPUs [default: 1; with --ray, as many as a GPU holds]."
    ),
]
PricePerHour = Annotated[
    float | None, Option(help="Price of one hour of one device, in any currency; the plan then includes the cost.")
]
Assume = Annotated[
    str | None,
    Option(
        help="Estimate the hours on another GPU (h100, a100, l4, …) from numbers of rows alone; arms are NAME=TASK:N."
    ),
]
KeepWeights = Annotated[
    bool, Option("--keep-weights", help="Keep the weights of target models, not only their predictions.")
]
Track = Annotated[
    str | None, Option(help="Export losses, scores and verdicts during the run to trackio, wandb or tensorboard.")
]
Dataset = Annotated[Path | str, Argument(help="A finished dataset folder.")]
Checkpoint = Annotated[Path | str, Option(help="New folder for the checkpoint.")]
Seed = Annotated[
    int,
    OptionCheck("evaluator.training.train:check_seed"),
    Option(help="Random seed of the order of rows and of the initialisation."),
]

# Where things are.
DataRoot = Annotated[
    Path | str | None,
    Option(
        help="Folder of the official files, or 'sample' (rows that come with the package) [default: $SYNTHGEN_DATA, "
        "else data/ in the current folder]."
    ),
]
FetchRoot = Annotated[Path | str, Option(help="Folder to which the files are written.")]
StorePlace = Annotated[Path | str, Argument(help="A store: the folder given to `evaluator compare` as --store.")]
Archive = Annotated[Path | str, Option("--out", help="The archive to write, such as runs.tar.gz.")]
ArchiveRead = Annotated[Path | str, Argument(metavar="ARCHIVE", help="A file that `evaluator store pack` wrote.")]
StoreFolder = Annotated[Path | str, Option(help="Folder, or s3://…, where finished runs are kept and reused.")]

# Where things go.
PublishedRun = Annotated[
    Path | str,
    Argument(
        metavar="RUN", help="A checkpoint of `evaluator train`, STORE/target/KEY of a comparison, or a report's folder."
    ),
]
Destination = Annotated[str, Option(help="owner/name on the hub, or a folder: ./path, /path, ~/path.")]
Private = Annotated[bool, Option("--private", help="Make the repository private.")]
DryRun = Annotated[bool, Option("--dry-run", help="Show exactly what would be sent; send nothing.")]

# What is scored and reported.
TargetName = Annotated[str, Argument(help="A target of `evaluator targets`, or a target file of your own.")]
Language = Annotated[str, Option(help="BCP-47 code of the language.")]
ScoreSplit = Annotated[str, Option(help="Split of the target: test, or dev if it has one.")]
Predictions = Annotated[
    Path | str,
    Option(
        help="The prediction file. xnli, pawsx: one label per line; xcopa: 0 or 1 per line; udpos, panx: one tag per "
        "line, a blank line between sentences; xquad, mlqa, tydiqa: {id: answer}; tatoeba: per line the line number of "
        "the English sentence, from 0; bucc2018: ID TAB ID per line; mewslix, lareqa: {query id: [ids]}."
    ),
]
Results = Annotated[Path | str, Argument(help="A results.jsonl or a store folder.")]
Page = Annotated[
    Path | str, Option(help="The HTML page to write; tables and comparison.json are written to its folder.")
]
Margin = Annotated[float, Option(help="Equivalence margin, in points.")]
ReportMargin = Annotated[
    float | None,
    Option("--margin", help="Equivalence margin, in points [default: the one in experiment.json, else 0.5]."),
]
Primary = Annotated[
    Sequence[str], Option(help="Primary comparison of two arms, planned before the runs: A:B or A:B@SIZE."), COMMAS
]
