"""Arms: the sources of intermediate data under comparison, and which rows each size and seed draws.

- `name=PART[+PART...]`, PART = `DATASET[:N]`: a dataset folder, N of its rows; or `mlm:CORPUS[:N]`: masked language
  modelling on a text file (a text a line), a folder of `*.txt`, or the texts of a dataset folder, mixed in, N lines of
  it. A size is drawn of the parts in proportion to their rows
- `name=shuffled:DATASET...`: the same rows with the labels of others, a control: what is left of a gain without labels;
  `name=mlm:DATASET` is the other control, its texts without the task
- `DATASET:P%` gives that share of every size, `DATASET:even` as much as the others; beside `DATASET:rest`, which gives
  the rest, `DATASET:N` gives N rows of every size
- `name=DATASET{0..4}`: five datasets, `DATASET0` to `DATASET4`: the runs of seed k draw from the k-th, so that seeds
  differ by their data too
- `name=10*PART...`: ten times the size
- `name=PART... then PART...`: trained on the first, then on the second
- `name=none`: target training only
- `name=own`: each target's own English training set as intermediate data, a control
- `name=model:REF`: a ready intermediate encoder
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from evaluator.experiment.parts import ArmPart, Corpus, check_shares, most_rows, shared
from synthgen.corpora.readers.text import read_lines as read_text_lines
from synthgen.dataset.manifest import dataset_format, is_finished, read_intact_manifest, scale_counts
from synthgen.errors import UserError, shorten
from synthgen.runtime.files import file_sha256
from synthgen.runtime.provenance import public_name

FULL = 0
"""The size that stands for all rows of an arm."""

_ARM = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.+-]{0,99})=(?P<value>.+)")
_PART = re.compile(r"(?P<folder>.+?)(?::(?P<amount>\d+|\d+(?:\.\d+)?%|rest|even))?")
_FACTOR = re.compile(r"(?:(?P<factor>[1-9]\d{0,3})\*)?(?P<value>.+)")
_TOO_LONG = re.compile(r":[\d.]{100,}")
_COUNTED = re.compile(r"\{(\d{1,6})\.\.(\d{1,6})\}")
MOST_DATASETS = 1_000
_GRAMMAR = "expected name=DATASET[:N][+DATASET[:N]...][+mlm:CORPUS[:N]], name=none, name=own or name=model:REF"
THEN = " then "
REST, EVEN = "rest", "even"
MLM = "mlm:"
SHUFFLED = "shuffled:"


@dataclass(frozen=True, slots=True)
class Arm:
    """One source of intermediate data; one that trains nothing stands for `model`, or the base model, as it is.

    `uses_target_data` takes each target's own training set; `factor` times the size is drawn (10: ten times the data).
    `by_seed` are the parts of seeds 0, 1, … where each has datasets of its own; `most` is then the full size of all.
    """

    name: str
    parts: tuple[ArmPart, ...] = ()
    model: str | None = None
    corpora: tuple[Corpus, ...] = ()
    uses_target_data: bool = False
    factor: int = 1
    by_seed: tuple[tuple[ArmPart, ...], ...] = ()
    most: int | None = None

    @property
    def is_trained(self) -> bool:
        """Whether the arm has an intermediate stage."""
        return bool(self.parts or self.corpora or self.uses_target_data)

    @property
    def rows(self) -> int:
        """Rows at full size: of the datasets, and of the corpora only where there is nothing else."""
        if self.most is not None:
            return self.most
        return most_rows(self.name, self.parts) if self._has_shares else sum(self._totals())

    @property
    def _has_shares(self) -> bool:
        return any(part.is_shared for part in self.parts)

    @property
    def stages(self) -> int:
        """How many trainings follow one another."""
        return max((part.stage for part in self.parts), default=0) + 1

    def of_stage(self, number: int) -> "Arm":
        """Return the arm with the datasets of one of its stages alone."""
        return replace(self, parts=tuple(part for part in self.parts if part.stage == number))

    def of_seed(self, seed: int) -> "Arm":
        """Return the arm with the datasets that a seed draws from; UserError for a seed that has none."""
        if not self.by_seed:
            return self
        if seed >= len(self.by_seed):
            datasets = f"it has {len(self.by_seed)} datasets, for seeds 0 to {len(self.by_seed) - 1}"
            advice = "make more, or give fewer --seeds"
            raise UserError(f"arm '{self.name}' has no dataset for seed {seed}: {datasets}; {advice}")
        return replace(self, parts=self.by_seed[seed], by_seed=())

    @property
    def all_parts(self) -> tuple[ArmPart, ...]:
        """The parts of every seed, each folder once."""
        if not self.by_seed:
            return self.parts
        return tuple({(part.folder, part.stage): part for parts in self.by_seed for part in parts}.values())

    def _totals(self) -> tuple[int, ...]:
        return tuple(part.rows for part in self.parts) or tuple(corpus.lines for corpus in self.corpora)

    def draws(self, size: int) -> tuple[int, ...]:
        """Return how many rows each dataset gives at a size, in proportion; UserError when the arm is smaller."""
        return self._draws(size) if self.parts else ()

    def lines(self, size: int) -> tuple[int, ...]:
        """Return how many lines each corpus gives: the share that the datasets give, since sizes count their rows."""
        if not self.parts:
            return self._draws(size)
        share = sum(self._draws(size)) / self.rows
        return tuple(round(corpus.lines * share) for corpus in self.corpora)

    def _draws(self, size: int) -> tuple[int, ...]:
        totals = self._totals()
        is_whole = size == FULL and self.most in (None, sum(totals))
        if not totals or (is_whole and not self._has_shares):
            return totals
        rows = self.rows if size == FULL else size * self.factor
        if rows > self.rows:
            places = " + ".join(f"{part.folder} ({part.rows} rows)" for part in self.parts) or "its corpora"
            times = f"{self.factor} times " if self.factor > 1 else ""
            allowed = self.rows // self.factor
            raise UserError(
                f"arm '{self.name}' has too few rows for {times}size {size}: {places}; allowed: up to {allowed}"
            )
        if self._has_shares:
            return shared(self.name, self.parts, rows)
        counts = scale_counts({str(i): total for i, total in enumerate(totals)}, rows)
        return tuple(counts[str(i)] for i in range(len(totals)))

    def facts(self) -> dict[str, Any]:
        """Return what the report says about the arm: where its data came from and what was kept."""
        manifests = [part.manifest for part in self.all_parts]
        rejected = Counter[str]()
        for manifest in manifests:
            rejected.update(manifest.rejected)
        model = next((manifest.model.get("ref") for manifest in manifests if manifest.model), None)
        is_shuffled = any(part.shuffled for part in self.parts)
        tasks = list(dict.fromkeys(manifest.task for manifest in manifests))
        if self.corpora:
            tasks.append("masked language modelling")
        if self.uses_target_data:
            tasks.append("the target's own")
        return {
            "origin": "+".join(dict.fromkeys(manifest.origin for manifest in manifests)) or None,
            "tasks": tasks,
            "model": public_name(self.model) if self.model else model,
            "kept": sum(manifest.kept for manifest in manifests),
            "failed": sum(manifest.failed for manifest in manifests),
            "rejected": dict(sorted(rejected.items())),
            "rows": self.rows,
            **({"control": "labels shuffled"} if is_shuffled else {}),
            **({"datasets": len(self.by_seed)} if self.by_seed else {}),
        }


def parse_arms(texts: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms of the command line in order; UserError for a second arm of the same name."""
    if not texts:
        raise UserError(f"no arm to compare; {_GRAMMAR}")
    check_names(texts)
    return tuple(map(parse_arm, texts))


def check_names(texts: Sequence[str]) -> None:
    """Raise UserError for a second arm of the same name."""
    for name, count in Counter(name for name, _ in map(split_arm, texts)).items():
        if count > 1:
            several = f"for one dataset per seed give one argument in quotes: '{name}=DATASET{{0..4}}'"
            raise UserError(f"arm '{name}' is given {count} times; names must differ; {several}")


def split_arm(text: str) -> tuple[str, str]:
    """Return the name and the value of an arm, name=value."""
    if not (match := _ARM.fullmatch(text)):
        raise UserError(f"cannot read the arm '{shorten(text)}'; {_GRAMMAR}")
    return match["name"], match["value"]


def parse_arm(text: str) -> Arm:
    """Return one arm; its dataset folders must be finished."""
    name, value = split_arm(text)
    texts = expanded(value, f"arm '{name}'")
    arms = [_parse_arm(name, each) for each in texts]
    if len(texts) == 1:
        return arms[0]
    formats = [[dataset_format(part.manifest) for part in arm.parts] for arm in arms]
    for number, (arm, own) in enumerate(zip(arms, formats, strict=True)):
        if not arm.parts or arm.corpora != arms[0].corpora:
            raise UserError(
                f"arm '{name}': '{texts[number]}' has no dataset for each seed; write {{0..4}} in the name of a dataset"
            )
        if [(each.name, each.labels) for each in own] != [(each.name, each.labels) for each in formats[0]]:
            raise UserError(f"arm '{name}': {texts[number]} and {texts[0]} differ in their format or labels")
    return replace(arms[0], by_seed=tuple(arm.parts for arm in arms), most=min(arm.rows for arm in arms))


def expanded(value: str, where: str) -> list[str]:
    """Return a text for each number that braces in it count; UserError for braces that count differently.

    >>> expanded("10*run-s{0..2}:500", "arm")
    ['10*run-s0:500', '10*run-s1:500', '10*run-s2:500']
    """
    counts = {int(last) - int(first) + 1 for first, last in _COUNTED.findall(value)}
    if not counts:
        return [value]
    if len(counts) > 1 or not 2 <= min(counts) <= MOST_DATASETS:
        allowed = f"2 to {MOST_DATASETS} datasets, as many in every part"
        raise UserError(f"{where}: '{value}' is not a range of datasets; allowed: {allowed}, such as run-s{{0..4}}")
    return [_counted(value, number) for number in range(min(counts))]


def _counted(value: str, number: int) -> str:
    """Return a text with the number after `number` others in place of each range in braces."""
    return _COUNTED.sub(lambda match: str(int(match[1]) + number), value)


def _parse_arm(name: str, value: str) -> Arm:
    if value == "none":
        return Arm(name)
    if value == "own":
        return Arm(name, uses_target_data=True)
    if long := _TOO_LONG.search(value):
        raise UserError(f"arm '{name}': '{shorten(long[0][1:])}' is no number of rows, and no share; {_GRAMMAR}")
    if value.startswith("model:"):
        return Arm(name, model=value.removeprefix("model:"))
    factor = 1
    if times := _FACTOR.fullmatch(value):
        factor, value = int(times["factor"] or 1), times["value"]
    stages = value.split(THEN)
    texts = [(stage, text) for stage, whole in enumerate(stages) for text in whole.split("+")]
    parts = tuple(_part(text, arm=name, stage=stage) for stage, text in texts if not text.startswith(MLM))
    corpora = tuple(_corpus(text, arm=name) for _, text in texts if text.startswith(MLM))
    is_even = [text.endswith(f":{EVEN}") for _, text in texts]
    if any(is_even):
        if not all(is_even):
            raise UserError(f"arm '{name}': if one part is ':{EVEN}', all parts must be ':{EVEN}'")
        parts = tuple(replace(part, share=Fraction(1, len(parts))) for part in parts)
    _check_parts(name, parts, corpora, len(stages))
    return Arm(name, parts, corpora=corpora, factor=factor)


def _part(text: str, *, arm: str, stage: int) -> ArmPart:
    if not (match := _PART.fullmatch(text)):
        raise UserError(f"arm '{arm}' has an empty part; {_GRAMMAR}")
    is_shuffled = match["folder"].startswith(SHUFFLED)
    folder, amount = Path(match["folder"].removeprefix(SHUFFLED)), match["amount"] or ""
    manifest = read_intact_manifest(folder)
    number = amount if amount.isdecimal() else None
    share = Fraction(amount[:-1]) / 100 if amount.endswith("%") else None
    rows = _row_count(number, manifest.kept, f"arm '{arm}': {folder}", text)
    return ArmPart(folder, manifest, rows, share, amount == REST, stage, is_shuffled)


def _check_parts(arm: str, parts: Sequence[ArmPart], corpora: Sequence[Corpus], stages: int) -> None:
    """Raise UserError for shares that do not make a whole, and for stages that cannot follow one another."""
    if stages > 1 and (corpora or {part.stage for part in parts} != set(range(stages))):
        raise UserError(f"arm '{arm}': '{THEN.strip()}' joins datasets; a corpus can only be added with +")
    if corpora and any(part.is_shared for part in parts):
        raise UserError(f"arm '{arm}': shares (%, rest, even) cannot be combined with a corpus; give numbers of rows")
    check_shares(arm, parts)


def _corpus(text: str, *, arm: str) -> Corpus:
    if not (match := _PART.fullmatch(text.removeprefix(MLM))):
        raise UserError(f"arm '{arm}': '{text}' names no corpus; {_GRAMMAR}")
    path, amount = Path(match["folder"]), match["amount"]
    if amount and not amount.isdecimal():
        raise UserError(f"arm '{arm}': the size of a corpus is a number of lines, not {amount}")
    if is_finished(path):
        manifest = read_intact_manifest(path)
        content, total = manifest.content_hash, manifest.kept
    elif files := text_files(path):
        total = sum(1 for _ in read_lines(files))
        content = hashlib.sha256("".join(file_sha256(file) for file in files).encode()).hexdigest()
    else:
        raise UserError(f"arm '{arm}': {path} is neither a text file, nor a folder of *.txt, nor a dataset folder")
    if not total:
        raise UserError(f"arm '{arm}': {path} contains no text; give another corpus")
    return Corpus(path, content, total, _row_count(amount, total, f"arm '{arm}': {path}", text))


def _row_count(number: str | None, total: int, where: str, text: str) -> int:
    rows = int(number) if number else total
    if not 1 <= rows <= total:
        raise UserError(f"{where} has {total} rows; '{text}' needs {rows}")
    return rows


def text_files(path: Path) -> list[Path]:
    """Return the text files of a corpus: the file itself, or a folder's `*.txt`."""
    return [path] if path.is_file() else sorted(path.glob("*.txt"))


def read_lines(files: Sequence[Path]) -> Iterator[str]:
    """Yield the lines that hold text."""
    for path in files:
        yield from (line.strip() for line in read_text_lines(path) if line.strip())
