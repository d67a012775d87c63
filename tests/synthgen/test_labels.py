"""Label verification and its noise estimate; annotation artefacts."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from synthgen.analysis.artefacts import find_artefacts
from synthgen.analysis.label_noise import confusion, estimate, estimate_from_agreement
from synthgen.corpora.import_corpus import import_task
from synthgen.errors import UserError
from synthgen.filters.base import FilterContext
from synthgen.filters.labels.agreement import Agreement
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.filters.labels.filter import Verify, VerifySettings
from synthgen.filters.rows.rebalance import give_aways
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from tests.synthgen.conftest import NLI

PARAPHRASE = PairFormat(("question1", "question2"), ("not_duplicate", "duplicate"))


def noisy_counts(rng: np.random.Generator, n: int, noise: float, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a set with wrong labels and calibration rows, both seen by one verifier that is `right` so often."""
    truth = rng.integers(0, 3, n)
    assigned = np.where(rng.random(n) < noise, (truth + rng.integers(1, 3, n)) % 3, truth)
    calibration = rng.integers(0, 3, 1000)
    says = [np.where(rng.random(len(t)) < right, t, (t + 1) % 3) for t in (truth, calibration)]
    return confusion(list(assigned), list(says[0]), 3), confusion(list(calibration), list(says[1]), 3)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_interval_holds_the_true_share_of_wrong_labels_as_often_as_it_says(noise: float) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(40):
        low, high = estimate(*noisy_counts(rng, 1000, noise, 0.8), seed=draw).ci95
        held += low - 1e-9 <= noise <= high
    assert held >= 34  # of 40 with 95 % each, fewer than 34 has probability 0.4 %


def test_the_estimate_is_the_correction_of_rogan_and_gladen_for_two_labels() -> None:
    calibration = np.array([[90.0, 10.0], [20.0, 80.0]])
    found = np.array(
        [[0.5 * 0.8 * 0.9 + 0.1 * 0.2, 0.5 * 0.8 * 0.1 + 0.1 * 0.8], [0.1 * 0.9 + 0.4 * 0.2, 0.1 * 0.1 + 0.4 * 0.8]]
    )
    assert estimate(1000 * found / found.sum(), calibration).share == pytest.approx(0.2, abs=1e-3)


def test_a_verifier_at_chance_and_one_without_calibration_give_no_estimate() -> None:
    def counted(rows: int) -> Agreement:
        found = Agreement(PARAPHRASE)
        for number in range(rows):
            found.add(question_pair(number % 2), Annotation(PARAPHRASE.labels[number // 2 % 2]))
        return found

    assert "no better than chance" in counted(200).metadata(counted(200))["noise"]
    assert "--against" in counted(200).metadata(None)["noise"]
    assert "at least 100" in counted(200).metadata(counted(4))["noise"]


class Echo(Annotator):
    """A reader that finds two questions duplicates when they are of one length."""

    def __init__(self, *trained_on: str) -> None:
        self._trained_on = frozenset(trained_on)

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        same = [len(row["question1"]) == len(row["question2"]) for row in rows]
        labels = [PARAPHRASE.labels[each] for each in same]
        return [Annotation(label, {"not_duplicate": 0.1, "duplicate": 0.1} | {label: 0.9}) for label in labels]

    def metadata(self) -> dict[str, object]:
        return {"name": "echo"}

    def trained_on(self) -> frozenset[str]:
        return self._trained_on

    def close(self) -> None:
        pass


def question_pair(label: int) -> dict[str, object]:
    return {"question1": "How old is he?", "question2": "How tall is he and why?", "label": label}


def test_a_disputed_row_goes_with_what_both_sides_say_and_agreement_is_counted() -> None:
    judge = Verify("verify", FilterContext(PARAPHRASE), VerifySettings(), Echo())
    kept, disputed = judge.check_batch([("1", question_pair(0)), ("2", question_pair(1))])
    assert kept is None
    assert disputed is not None
    expected = {"label": "duplicate", "said": "not_duplicate", "probability": 0.9, "of the label": 0.1}
    assert json.loads(disputed.evidence) == expected
    found = judge.metadata()["verify"]
    assert (found["rows"], found["agreement"]) == (2, 0.5)
    assert found["confusion"]["duplicate"] == {"not_duplicate": 1, "duplicate": 0}


def test_an_unsure_verifier_disputes_nothing_below_the_confidence_asked_for() -> None:
    judge = Verify("verify", FilterContext(PARAPHRASE), VerifySettings(min_confidence=0.95), Echo())
    assert judge.check("1", question_pair(1)) is None


@pytest.mark.realdata
def test_real_rows_given_as_against_calibrate_unless_the_verifier_was_trained_on_them(
    data_root: Path, tmp_path: Path
) -> None:
    manifest = import_task("qqp", source=data_root / "qqp/train_9k.json", out=tmp_path / "real", n=300)
    subject = FilterContext(PARAPHRASE, against=(tmp_path / "real",))
    judge = Verify("verify", subject, VerifySettings(), Echo())
    judge.check("1", question_pair(1))
    assert "--against" not in str(judge.metadata()["verify"]["noise"])
    trained = Verify("verify", subject, VerifySettings(), Echo(manifest.content_hash))
    trained.check("1", question_pair(1))
    assert "--against" in trained.metadata()["verify"]["noise"]


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a checkpoint folder: it has no config\.json"):
        open_verifier(tmp_path, PARAPHRASE)


# --- answers -------------------------------------------------------------------------------------------------------


def question(answer: str = "") -> Row:
    answers = {"text": [answer] if answer else [], "answer_start": [0] if answer else []}
    return {"id": "1", "title": "", "context": "The old port of Bergen.", "question": "Which port?", "answers": answers}


def test_an_answer_comes_back_when_its_f1_reaches_the_threshold_and_none_when_there_is_none() -> None:
    found = Agreement(SpanFormat(("answerable", "unanswerable")), min_f1=0.6)
    assert found.add(question("old port of Bergen"), Annotation("the old port")) is None  # F1 2 * 1 * 0.5 / 1.5
    assert found.add(question("old port of Bergen"), Annotation("Bergen")) == {
        "answers": ["old port of Bergen"],
        "said": "Bergen",
        "f1": 0.4,
    }
    assert found.add(question(), Annotation("")) is None
    assert found.add(question(), Annotation("Bergen")) == {"answers": [], "said": "Bergen", "f1": 0.0}
    facts = found.metadata(None)
    assert (facts["rows"], facts["agreement"], facts["em"]) == (4, 0.5, 25.0)
    assert facts["confusion"]["unanswerable"] == {"answerable": 1, "unanswerable": 1}


def test_the_share_of_wrong_answers_follows_from_agreement_with_right_ones() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(40):
        agreed, known = rng.binomial(1000, 0.8 * 0.7), rng.binomial(500, 0.7)
        noise = estimate_from_agreement(int(agreed), 1000, (int(known), 500), seed=draw)
        held += noise.ci95[0] <= 0.2 <= noise.ci95[1]
    assert held >= 34


# --- annotation artefacts ---------------------------------------------------------------------------------------------


def pairs(count: int, seed: int, word: str = "", share: float = 0.0) -> list[dict[str, object]]:
    """Return rows whose texts say nothing of the label, but for `word` in a share of one label's hypotheses."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(300)]
    rows = []
    for number in range(count):
        label = number % 3
        texts = [" ".join(rng.choices(words, k=8)) for _ in range(2)]
        planted = f" {word}" if word and label == 2 and rng.random() < share else ""
        rows.append({"premise": texts[0], "hypothesis": texts[1] + planted, "label": label})
    return rows


def test_texts_that_say_nothing_stay_at_chance_and_like_the_real_set() -> None:
    found = find_artefacts(NLI, pairs(900, 0), pairs(900, 1))
    assert found["verdict"] == "like the real set"
    assert found["give_aways"] == []
    low, high = found["baselines"]["hypothesis-only"]["ci95"]
    assert low < 33.4 < high + 3


def test_a_give_away_word_is_named_and_the_set_called_suspicious() -> None:
    found = find_artefacts(NLI, pairs(900, 0, "definitely", 0.6), pairs(900, 1))
    assert found["verdict"] == "suspicious: hypothesis-only; the words 'definitely'"
    assert found["words"][0]["label"] == "contradiction"


def test_a_give_away_word_too_rare_to_move_a_baseline_is_said_and_one_that_the_real_set_has_too_is_not() -> None:
    planted = pairs(900, 0, "definitely", 0.15)
    found = find_artefacts(NLI, planted, pairs(900, 1))
    assert found["verdict"] == "suspicious: the words 'definitely'"
    (word,) = found["new_give_aways"]
    assert (word["text"], word["label"], word["share"], word["real_rows"]) == ("definitely", "contradiction", 1.0, 0)
    assert find_artefacts(NLI, planted, pairs(900, 1, "definitely", 0.15))["verdict"] == "like the real set"


def test_a_common_label_makes_no_word_a_give_away() -> None:
    rows = [row | {"label": 0 if number % 20 else 1} for number, row in enumerate(pairs(900, 0))]
    found = find_artefacts(NLI, rows, pairs(900, 1))
    assert found["give_aways"] == []
    assert found["new_give_aways"] == []


def test_rebalancing_drops_the_give_away_rows_and_brings_the_baseline_down() -> None:
    rows = pairs(450, 0, "definitely", 0.6)
    before = find_artefacts(NLI, rows)["baselines"]["hypothesis-only"]["accuracy"]
    gone = give_aways(NLI, rows, {"hypothesis-only": before - 8 - 100 / 3})
    assert gone
    assert any(found.evidence.startswith("hypothesis-only gives 'contradiction' at 0.9") for found in gone.values())
    left = [row for number, row in enumerate(rows) if number not in gone]
    assert find_artefacts(NLI, left)["baselines"]["hypothesis-only"]["accuracy"] <= before - 7
    with_word = sum("definitely" in str(rows[number]["hypothesis"]) for number in gone) / len(gone)
    assert with_word > 0.2


def test_endings_are_told_apart_by_themselves_and_by_their_length() -> None:
    swag = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
    rng = random.Random(0)
    rows = []
    for number in range(300):
        endings = [" ".join(rng.choices("abcdefgh", k=4)) for _ in range(2)]
        endings[number % 2] += " and so on"
        rows.append({"ctx_a": "x", "ctx_b": "y", "ctx": "x y", "endings": endings, "label": str(number % 2)})
    found = find_artefacts(swag, rows)["baselines"]
    assert found["longest-choice"]["accuracy"] == 100.0
    assert found["ending-only"]["accuracy"] > 90


def test_a_place_that_is_never_right_and_a_format_without_labels_end_no_radar_and_no_rebalancing() -> None:
    swag = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1", "2"))
    texts = {"ctx_a": "x", "ctx_b": "y", "ctx": "x y"}
    rows = [texts | {"endings": [f"a{n}", f"b {n}", "c c c"], "label": str(n % 2)} for n in range(60)]
    assert find_artefacts(swag, rows)["baselines"]["longest-choice"]["accuracy"] == 0
    tags = TagsFormat(("tokens", "tags"), ("NOUN", "VERB"))
    assert give_aways(tags, [{"tokens": ["Dogs", "bark"], "tags": [0, 1]}] * 3, {}) == {}


@pytest.mark.realdata
def test_snli_is_more_solvable_from_the_hypothesis_than_mnli_and_a_planted_word_shows(data_root: Path) -> None:
    rows = {}
    for task in ("snli", "mnli"):
        items = json.loads((data_root / task / "train_9k.json").read_text(encoding="utf-8")).values()
        labels = [NLI.labels.index(item["label"]) for item in items]
        rows[task] = [
            {"premise": item["text_a"], "hypothesis": item["text_b"], "label": label}
            for item, label in zip(items, labels, strict=True)
        ][:2500]
    rng = random.Random(0)
    planted = [
        row | {"hypothesis": f"{row['hypothesis']} indeed"} if row["label"] == 0 and rng.random() < 0.2 else row
        for row in rows["snli"]
    ]
    found = find_artefacts(NLI, planted, rows["mnli"])
    assert found["verdict"].startswith("suspicious: hypothesis-only; the words 'indeed'")
    assert {"sleeping", "nobody"} & {word["text"] for word in found["words"]}  # named by Gururangan et al. 2018
