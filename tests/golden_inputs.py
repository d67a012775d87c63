"""Small fixed inputs of the golden results: rows of every format in several scripts, replies, a tiny model, sets."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.dataset import Manifest, finish, row_features, write_rows
from synthgen.filters.base import FilterContext, JudgeConfig
from synthgen.formats import FORMATS
from synthgen.formats.base import Format, Row

SHAPES = {
    "pair": (("premise", "hypothesis", "label"), ("entailment", "neutral", "contradiction")),
    "choice": (("context", "question", "answer0", "answer1", "label"), ("0", "1")),
    "span": (("id", "title", "context", "question", "answers"), ("answerable", "unanswerable")),
    "tags": (("tokens", "tags"), ("NOUN", "VERB", "PUNCT")),
}
"""Columns and labels of a set of each format."""
PLANTED = 150
SYLLABLES = [first + last for first in "bdfgklm" for last in ("ana", "ert", "ilo", "onk", "uss")]
PROMPT = "Sentence A: The match was called off because of the heavy rain on Friday."

FERRY = "The ferry to the northern islands had been cancelled again because of the storm."
PAIRS = [
    ("en", FERRY, "The boat did not sail that day.", 0),
    ("en", f" {FERRY.upper()}", "the boat did  not sail that day.", 0),
    ("en", FERRY, "The old boat did not sail that day.", 0),
    ("en", FERRY, "The boat did not sail that night.", 1),
    ("en", "The storm had cancelled the ferry because of islands again.", "That day the boat did not sail.", 0),
    ("en", "It rained.", "It rained!", 2),
    ("en", "It rained.", "it rained.", 2),
    ("en", "", "Nobody was there to see it.", 1),
    ("en", "A man with no name sat on a bench.", "Somebody was sitting down.", 7),
    ("en", "I'm sorry, but I can't assist with that request.", "The request was turned down.", 0),
    ("en", "Hypothesis: the man sleeps.", "Someone is asleep in the house.", 1),
    ("en", "The match was called off because of the heavy rain, they say.", "It was wet on Friday.", 0),
    ("en", "Write to ann.lee@posteo.de or call +49 30 1234567 today, she said.", "She gave an address.", 0),
    ("en", "no no no no no no no no no no", "Yes.", 2),
    ("en", "word " * 150, "It is a very long text indeed.", 1),
    ("en", "go up and go on then go by or go in and go out but go home", "They went in and out.", 1),
    ("en", "row the boat " * 4 + "gently down the wide and slow stream today", "They rowed down the stream.", 0),
    ("en", "Some " + " ".join(f"man{number}" for number in range(40)), "Men came.", 0),
    ("en", "A bell\x07 rang  in the\u00a0tower.", "A sound was heard in the town.", 0),
    ("en", "Der Hund schläft heute wieder den ganzen Tag auf dem alten Sofa.", "The dog is not awake.", 0),
    ("de", "Der Hund schläft heute wieder den ganzen Tag auf dem alten Sofa.", "Der Hund ist nicht wach geworden.", 0),
    ("de", "Der Hund schläft heute wieder den ganzen Tag auf dem neuen Sofa.", "Der Hund ist nicht wach geworden.", 0),
    ("de", "Die Strasse war gestern wegen des Nebels gesperrt.", "Die Straße war zu.", 1),
    ("de", "Die Straße war gestern wegen des Nebels gesperrt.", "Die Strasse war zu.", 1),
    ("ru", "Кошка с рыжим хвостом спит на старом коврике в доме.", "Кошка сейчас не бегает по дому.", 0),
    ("ru", "Кошка с рыжим хвостом спит на старом коврике в доме!", "Кошка сейчас не бегает по дому.", 0),
    ("ar", "ألغيت الرحلة إلى الجزر الشمالية بسبب العاصفة القوية أمس.", "لم تبحر السفينة في ذلك اليوم.", 0),
    ("ar", "The flight to the islands was cancelled by the storm.", "لم تبحر السفينة في ذلك اليوم.", 0),
    ("hi", "तूफ़ान के कारण उत्तरी द्वीपों की नाव फिर रद्द कर दी गई।", "उस दिन नाव नहीं चली।", 0),
    ("zh", "由于暴风雨,开往北部岛屿的渡轮又一次被取消了。", "那天船没有开。", 0),
    ("zh", "由于暴风雨,开往北部岛屿的渡轮再一次被取消了。", "那天船没有开。", 0),
    ("th", "เรือข้ามฟากไปยังหมู่เกาะทางเหนือถูกยกเลิกอีกครั้งเพราะพายุ", "วันนั้นเรือไม่ได้ออก", 0),
    ("ja", "嵐のため北の島々へのフェリーはまた欠航になった。", "その日、船は出なかった。", 0),
    ("xx", "Tiu lingvo ne estas konata al la du modeloj kaj restas.", "Neniu scias tion.", 1),
]
CHOICES = [
    ("en", FERRY, "Why did nobody sail?", "There was a storm.", "It was a holiday.", 0),
    ("en", FERRY, "Why did nobody sail?", "there was a storm", "It was a holiday!", 0),
    ("en", FERRY, "Why did nobody sail?", "It was a holiday.", "There was a storm.", 1),
    ("en", FERRY, "What was cancelled?", "The ferry", "the ferry", 1),
    ("en", FERRY, "What was cancelled?", "", "the ferry", 1),
    ("en", "", "", "A dog", "A cat", 0),
    ("en", "As an AI language model I cannot say.", "Why not?", "It is not known.", "ann.lee@posteo.de", 0),
    ("de", "Der Hund schläft heute auf dem alten Sofa.", "Wo schläft der Hund?", "auf dem Sofa", "im Garten", 0),
    ("zh", "由于暴风雨,渡轮被取消了。", "为什么没有船?", "因为暴风雨", "因为节日", 0),
]
SPANS = [
    ("en", FERRY, "What was cancelled?", "The ferry", 0),
    ("en", FERRY, "what was cancelled", "ferry", 4),
    ("en", FERRY, "What was cancelled?", "islands", 3),
    ("en", FERRY, "Who sailed the ship?", "", None),
    ("en", FERRY, "", "storm", 74),
    ("en", "Call +49 30 1234567 now or write to ann.lee@posteo.de.", "Whom?", "now", 20),
    ("de", "Die Fähre fährt heute wegen des Sturms nicht.", "Was fährt heute nicht?", "Die Fähre", 0),
    ("ar", "ألغيت الرحلة إلى الجزر الشمالية بسبب العاصفة.", "لماذا ألغيت الرحلة؟", "بسبب العاصفة", 30),
    ("th", "เรือข้ามฟากถูกยกเลิกเพราะพายุ", "อะไรถูกยกเลิก", "เรือข้ามฟาก", 0),
]
TAGGED = [
    ("en", "Dogs bark loudly .", (0, 1, 0, 2)),
    ("en", "dogs bark loudly !", (0, 1, 0, 2)),
    ("en", "Dogs bark very loudly .", (0, 1, 0, 0, 2)),
    ("en", "Dogs bark .", (0, 1)),
    ("en", "Dogs bark", (0, 9)),
    ("en", "", ()),
    ("de", "Hunde bellen heute wieder sehr laut .", (0, 1, 0, 0, 0, 0, 2)),
    ("zh", "我们 明天 去 动物园", (0, 0, 1, 0)),
]


HEADS = {
    "pair": "SequenceClassification", "choice": "MultipleChoice", "span": "QuestionAnswering",
    "tags": "TokenClassification",
}  # fmt: skip
SCALES = {"word_embeddings": 1.0, "pooler": 1.0, "classifier": 1.0, "qa_outputs": 1.0, "attention": 0.3}
JUDGED = {
    "pair": (
        '{"label": "neutral"}',
        '{"label": "entailment"}',
        "no JSON",
        '{"label": "contradiction"}',
        '{"label": 1}',
    ),
    "choice": ('{"label": "A"}', '{"label": "B"}', '{"label": "C"}'),
    "span": ('{"answer": ""}', '{"answer": "The ferry"}', '{"answer": " Die Fähre! "}', "[]"),
}
"""What the judge replies, in turn."""
REPLIES = (
    "  A man  sleeps\x00 on the bench.  ",
    "Ein Hund schläft auf dem alten Sofa. Er träumt von",
    "由于暴风雨,渡轮又一次被取消了。",
    "",
    "half \ud83d a character",
    "The ferry did not sail.\nQuestion: Why?\nAnswer: The ferry\nWrong: the storm\nmore",
    "Question: Why?\n\nAnswer: The ferry\nWrong: a holiday of the islands",
    "Why?\nThe ferry",
    "one two three four five six seven eight nine ten eleven twelve thirteen",
)
_NAMES = ("premise", "hypothesis", "context", "question", "answer", "distractor1")
TEXTS = [
    dict(zip(_NAMES, texts, strict=True))
    for texts in (
        (FERRY, "The ferry  did not sail.", FERRY, "What was cancelled?", "The ferry", "The storm"),
        (
            "Cafe\u0301 on a hill.",
            "Es regnet.",
            "Die Fähre fährt nicht. Die Fähre!",
            "Was?",
            "Die Fähre",
            "ein Hund, " * 5,
        ),
        ("嵐のため。", "  ", "嵐のため北の島々へのフェリーはまた欠航になった。", "何?", "フェリー", "フェリー"),
        (FERRY, FERRY, FERRY, "Where?", "island", ""),
    )
]
TAGS = (("Dogs bark .", "NOUN VERB PUNCT"), ("我们 去", "NOUN VERB"), ("Dogs bark", "NOUN"), ("", ""), ("a", "X"))
STEPS = {
    "pair": "premise = {max_tokens = 48}\nhypothesis = {max_tokens = 48}\n[conditions]\nmin_words = {hypothesis = 2}\n"
    "max_words = {premise = 12}\nmin_word_overlap = {entailment = 0.3}\n",
    "choice": 'context = {max_tokens = 90}\nitem = {max_tokens = 90, fields = {question = "Question", answer = "Answer"'
    ', distractor1 = "Wrong"}}\n[conditions]\nmax_option_ratio = 3.0\n',
    "span": "context = {max_tokens = 90}\n"
    'item = {max_tokens = 90, fields = {question = "Question", answer = "Answer"}}\n',
    "tags": "sentence = {max_tokens = 48}\n",
}
"""Steps and conditions of a prompt file of each format."""


def rows_of(name: str, *, planted: int = 0) -> list[Row]:
    """Return the rows of a format; so many pairs of random words beside, a third with a word that says the label."""
    if name == "pair":
        draw = np.random.default_rng(0)
        texts = [" ".join(draw.choice(SYLLABLES, 8)) for _ in range(2 * planted)]
        ends = ["", "", " definitely"]
        random = [("en", texts[i], texts[i + planted] + ends[i % 3], i % 3) for i in range(planted)]
        values: list[tuple[Any, ...]] = [*PAIRS, *random]
    elif name == "span":
        answers = [{"text": [a] if a else [], "answer_start": [at] if a else []} for *_, a, at in SPANS]
        values = [(row[0], "", "", *row[1:3], answer) for row, answer in zip(SPANS, answers, strict=True)]
    elif name == "tags":
        values = [(language, text.split(), list(tags)) for language, text, tags in TAGGED]
    else:
        values = list(CHOICES)
    names = ("language", *SHAPES[name][0])
    return [dict(zip(names, row, strict=True)) | {"id": f"r{number}"} for number, row in enumerate(values)]


def real_rows(format_: Format) -> list[Row]:
    """Return rows that a set should be like: its own well-formed ones, without the planted word."""
    rows = [row for row in rows_of(format_.name, planted=PLANTED) if format_.check(row) is None]
    clean = [
        {**row, "hypothesis": row["hypothesis"].removesuffix(" definitely")} for row in rows if "hypothesis" in row
    ]
    return clean or rows


def write_models(folder: Path) -> dict[str, Path]:
    """Write a tiny BERT with the head of every format and return the folders.

    Weights follow from their names alone; texts are near each other when they share words.
    """
    import torch
    import transformers

    tokenizer = _tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    for name, head in HEADS.items():
        config = transformers.BertConfig(vocab_size=len(tokenizer), **sizes, id2label=dict(enumerate(SHAPES[name][1])))
        model = getattr(transformers, f"BertFor{head}")(config)
        with torch.no_grad():
            for weight_name, weight in model.named_parameters():
                scale = next((scale for part, scale in SCALES.items() if part in weight_name), 0.1)
                drawn = np.random.default_rng(zlib.crc32(weight_name.encode())).normal(size=tuple(weight.shape))
                weight.copy_(torch.from_numpy(drawn * scale + ("LayerNorm.weight" in weight_name)))
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in HEADS}


def _tokenizer() -> Any:
    """Return a tokenizer of the words of all pairs, in any script."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for _, premise, hypothesis, _ in PAIRS for word in f"{premise} {hypothesis}".lower().split()})
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "bos": "[CLS]", "eos": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{f"{key}_token": text for key, text in names.items()})


def write_set(folder: Path, rows: Sequence[Row], format_: Format) -> Path:
    """Write a finished folder of real rows."""
    files = write_rows(folder, rows, row_features(format_))
    columns: dict[str, Any] = {"format": format_.name, "columns": format_.columns, "labels": format_.labels}
    counts: dict[str, Any] = {"n": len(rows), "asked": len(rows), "kept": len(rows), "failed": 0, "rejected": {}}
    facts: dict[str, Any] = {"task": "t", "origin": "real", "language": "en", "licence": "cc0-1.0", "seed": 0}
    finish(folder, Manifest(**facts, **columns, **counts, label_counts={}, files=files))
    return folder


def contexts(folder: Path, models: dict[str, Path]) -> dict[str, FilterContext]:
    """Return a set of each format with all that it may be compared with, and a judge that answers from a file."""
    sets = {}
    for name, (columns, labels) in SHAPES.items():
        format_ = FORMATS[name](columns, labels)
        like = write_set(folder / "like" / name, real_rows(format_), format_)
        against = write_set(folder / "against" / name, real_rows(format_)[:1], format_)
        replies = folder / f"{name}.jsonl"
        replies.write_text("\n".join(json.dumps({"text": text}) for text in JUDGED.get(name, ("",))))
        sets[name] = FilterContext(format_, "en", PROMPT, (against,), models[name], like, JudgeConfig(str(replies)))
    return sets
