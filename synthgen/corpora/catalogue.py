"""The table of human corpora: one entry a corpus with its columns, files, hub address, licence and citation.

What a *task* is (label counts, prompts) is in `prompts/<task>.md`; this says where its real rows come from. Hub ids
are those of the dataset cards; revisions are resolved at the first fetch (see `hub_files`), none is pinned here because
none has been seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgen.corpora.readers.choices import (
    read_commonsenseqa_jsonl,
    read_copa_jsonl,
    read_cosmosqa,
    read_hellaswag_jsonl,
    read_hellaswag_text,
    read_socialiqa_jsonl,
)
from synthgen.corpora.readers.item import Reader
from synthgen.corpora.readers.pairs import read_indexed_json, read_pair_jsonl, read_pair_tsv
from synthgen.corpora.readers.squad import read_span_json
from synthgen.corpora.readers.tagged import NER_TAGS, UPOS, read_ccg_tsv, read_tag_file
from synthgen.errors import unknown
from synthgen.formats import Format
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat

PARQUET_BRANCH = "refs/convert/parquet"
"""The branch where the hub keeps the Parquet conversion of a repository that itself has a loading script."""


@dataclass(frozen=True, slots=True)
class HubSplit:
    """The training rows of a corpus on the hub: repository, configuration, split, the branch to resolve, and how the
    ids of the rows begin where other rows are among them.
    """

    repo: str
    config: str
    split: str = "train"
    branch: str = "main"
    ids: str = ""


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """One human corpus. `readers` maps file suffixes to readers, the preferred one first; `folders` are the names it
    goes by under a data root, `files` the patterns of its files inside one.
    """

    name: str
    format: Format
    readers: dict[str, Reader]
    hub: tuple[HubSplit, ...]
    licence: str
    citation: str
    official: str
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ("*train*", "*dev*", "*val*", "*test*")

    @property
    def places(self) -> tuple[str, ...]:
        """The corpus's folders under a data root, which is its name where no other is stated."""
        return self.folders or (self.name,)


NLI = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
PARAPHRASE = PairFormat(("question1", "question2"), ("not_duplicate", "duplicate"))
POSITIONS = ("0", "1", "2", "3")
PAIR_READERS: dict[str, Reader] = {".json": read_indexed_json, ".jsonl": read_pair_jsonl, ".tsv": read_pair_tsv}

SNLI = CorpusEntry(
    name="snli",
    format=NLI,
    readers=PAIR_READERS,
    hub=(HubSplit("stanfordnlp/snli", "plain_text"),),
    licence="CC BY-SA 4.0",
    citation="Bowman, Angeli, Potts and Manning, EMNLP 2015",
    official="snli_1.0_train.jsonl from nlp.stanford.edu/projects/snli",
    folders=("snli", "snli_1.0"),
)
MNLI = CorpusEntry(
    name="mnli",
    format=NLI,
    readers=PAIR_READERS,
    hub=(HubSplit("nyu-mll/glue", "mnli"),),
    licence="OANC terms for most genres; fiction partly CC BY 3.0 and CC BY-SA 3.0",
    citation="Williams, Nangia and Bowman, NAACL 2018",
    official="multinli_1.0_train.jsonl from cims.nyu.edu/~sbowman/multinli",
    folders=("mnli", "multinli_1.0", "MNLI"),
)
ANLI = CorpusEntry(
    name="anli",
    format=NLI,
    readers=PAIR_READERS,
    hub=tuple(HubSplit("facebook/anli", "plain_text", f"train_r{number}") for number in (1, 2, 3)),
    licence="CC BY-NC 4.0",
    citation="Nie et al., ACL 2020",
    official="anli_v1.0 (R1, R2, R3) from github.com/facebookresearch/anli",
    folders=("anli", "anli_v1.0"),
    files=("*train*", "*dev*", "*test*", "R[123]/train.jsonl"),
)
QQP = CorpusEntry(
    name="qqp",
    format=PARAPHRASE,
    readers=PAIR_READERS,
    hub=(HubSplit("nyu-mll/glue", "qqp"),),
    licence="Quora terms, non-commercial",
    citation="Quora, First Quora Dataset Release: Question Pairs, 2017",
    official="quora_duplicate_questions.tsv from Quora, or QQP/train.tsv of GLUE",
    folders=("qqp", "QQP"),
    files=("*train*", "*dev*", "*test*", "quora_duplicate_questions.tsv"),
)
SQUAD_V1 = CorpusEntry(
    name="squad_v1",
    format=SpanFormat(("answerable",)),
    readers={".json": read_span_json},
    hub=(HubSplit("rajpurkar/squad", "plain_text"),),
    licence="CC BY-SA 4.0",
    citation="Rajpurkar, Zhang, Lopyrev and Liang, EMNLP 2016",
    official="train-v1.1.json from rajpurkar.github.io/SQuAD-explorer",
    folders=("squad_v1", "squad"),
    files=("*-v1.1.json", "squad_sample.json"),
)
SQUAD_V2 = CorpusEntry(
    name="squad_v2",
    format=SpanFormat(("answerable", "unanswerable")),
    readers={".json": read_span_json},
    hub=(HubSplit("rajpurkar/squad_v2", "squad_v2"),),
    licence="CC BY-SA 4.0",
    citation="Rajpurkar, Jia and Liang, ACL 2018",
    official="train-v2.0.json from rajpurkar.github.io/SQuAD-explorer",
    folders=("squad_v2", "squad"),
    files=("*-v2.0.json", "squad_sample.json"),
)
HELLASWAG = CorpusEntry(
    name="hellaswag",
    format=ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), POSITIONS),
    readers={".jsonl": read_hellaswag_jsonl, ".txt": read_hellaswag_text},
    hub=(HubSplit("Rowan/hellaswag", "default"),),
    licence="MIT",
    citation="Zellers, Holtzman, Bisk, Farhadi and Choi, ACL 2019",
    official="hellaswag_train.jsonl from github.com/rowanz/hellaswag",
)
CCG = CorpusEntry(
    name="ccg",
    format=TagsFormat(("tokens", "tags"), ()),
    readers={".tsv": read_ccg_tsv},
    hub=(),
    licence="LDC2005T13, licensed copies only",
    citation="Hockenmaier and Steedman, Computational Linguistics 2007",
    official="ccg.train.tsv (words TAB supertags) made from your own copy of CCGbank, LDC2005T13",
)
COSMOSQA = CorpusEntry(
    name="cosmosqa",
    format=ChoiceFormat(("context", "question", "answer0", "answer1", "answer2", "answer3", "label"), POSITIONS),
    readers={".csv": read_cosmosqa, ".jsonl": read_cosmosqa},
    hub=(HubSplit("allenai/cosmos_qa", "default", branch=PARQUET_BRANCH),),
    licence="CC BY 4.0",
    citation="Huang, Le Bras, Bhagavatula and Choi, EMNLP 2019",
    official="train.csv from wilburone.github.io/cosmos",
    folders=("cosmosqa", "cosmos_qa"),
)
COMMONSENSEQA = CorpusEntry(
    name="commonsenseqa",
    format=ChoiceFormat(("question", "question_concept", "choices", "answerKey"), ("A", "B", "C", "D", "E")),
    readers={".jsonl": read_commonsenseqa_jsonl},
    hub=(HubSplit("tau/commonsense_qa", "default"),),
    licence="MIT",
    citation="Talmor, Herzig, Lourie and Berant, NAACL 2019",
    official="train_rand_split.jsonl from www.tau-nlp.org/commonsenseqa",
)
SOCIALIQA = CorpusEntry(
    name="socialiqa",
    format=ChoiceFormat(("context", "question", "answerA", "answerB", "answerC", "label"), ("1", "2", "3")),
    readers={".jsonl": read_socialiqa_jsonl},
    hub=(HubSplit("lighteval/siqa", "default"),),
    licence="CC BY 4.0",
    citation="Sap, Rashkin, Chen, Le Bras and Choi, EMNLP 2019",
    official="socialiqa-train-dev (train.jsonl, train-labels.lst) from allenai.org/data/socialiqa",
    files=("*train*.jsonl", "*dev*.jsonl"),
)
COPA = CorpusEntry(
    name="copa",
    format=ChoiceFormat(("premise", "choice1", "choice2", "question", "label"), ("choice1", "choice2")),
    readers={".jsonl": read_copa_jsonl},
    hub=(HubSplit("aps/super_glue", "copa"),),
    licence="BSD 2-Clause",
    citation="Roemmele, Bejan and Gordon, AAAI Spring Symposium 2011",
    official="COPA/train.jsonl of SuperGLUE",
    folders=("copa", "COPA", "xcopa/en"),
    # SuperGLUE's test file has no labels, and XCOPA's test sets are its translation.
    files=("*train*", "*val*"),
)
PAWSX = CorpusEntry(
    name="pawsx",
    format=PairFormat(("sentence1", "sentence2"), ("0", "1")),
    readers={".tsv": read_pair_tsv},
    hub=(HubSplit("google-research-datasets/paws-x", "en"),),
    licence="free use, acknowledgement of Google LLC appreciated",
    citation="Yang, Zhang, Tar and Baldridge, EMNLP 2019",
    official="x-final/en/train.tsv from github.com/google-research-datasets/paws, or XTREME's train-en.tsv",
    folders=("pawsx", "x-final/en"),
    files=("train.tsv", "train-en.tsv", "dev-en.tsv"),
)
TYDIQA = CorpusEntry(
    name="tydiqa",
    format=SpanFormat(("answerable",)),
    readers={".json": read_span_json},
    hub=(HubSplit("google-research-datasets/tydiqa", "secondary_task", ids="english-"),),
    licence="Apache-2.0",
    citation="Clark et al., TACL 2020 (the gold passage task)",
    official="tydiqa.goldp.en.train.json, the English questions of tydiqa-goldp-v1.1-train.json",
    folders=("tydiqa/train", "tydiqa"),
    files=("tydiqa.goldp.en.train.json", "tydiqa.en.train.json"),
)
UDPOS = CorpusEntry(
    name="udpos",
    format=TagsFormat(("tokens", "pos_tags"), UPOS),
    readers={".tsv": read_tag_file, ".conllu": read_tag_file},
    hub=(HubSplit("google/xtreme", "udpos.English"),),
    licence="per treebank, Creative Commons, some of them non-commercial",
    citation="de Marneffe, Manning, Nivre and Zeman, Computational Linguistics 2021",
    official="train-en.tsv as written by XTREME's download_data.sh, or a .conllu file of universaldependencies.org",
    files=("*train*", "*dev*", "*test*"),
)
PANX = CorpusEntry(
    name="panx",
    format=TagsFormat(("tokens", "ner_tags"), NER_TAGS),
    readers={".tsv": read_tag_file},
    hub=(HubSplit("google/xtreme", "PAN-X.en"),),
    licence="text CC BY-SA (Wikipedia), annotation ODC-BY",
    citation="Pan et al., ACL 2017; split of Rahimi, Li and Cohn, ACL 2019",
    official="train-en.tsv as written by XTREME's download_data.sh",
)

_SINGLE = (
    *(MNLI, QQP, SQUAD_V2, SQUAD_V1, HELLASWAG, CCG, COSMOSQA, COMMONSENSEQA),
    *(SNLI, ANLI, SOCIALIQA, COPA, PAWSX, TYDIQA, UDPOS, PANX),
)
SOURCES: dict[str, tuple[CorpusEntry, ...]] = {
    "anli_plus": (SNLI, MNLI, ANLI),
    **{source.name: (source,) for source in _SINGLE},
}
"""What `synthgen import TASK` knows: the nine intermediate tasks and the extra sources, with the corpora of each."""


def find_sources(task: str) -> tuple[CorpusEntry, ...]:
    """Return the corpora a task is made of; UserError with the nearest name."""
    if task not in SOURCES:
        raise unknown("task", task, SOURCES)
    return SOURCES[task]
