"""What a comparison says of an arm's data: figures from the manifest, and a link that gives nothing away."""

from __future__ import annotations

from pathlib import Path

from evaluator.reporting.data_summary import card_link, data_facts
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest


def test_an_imported_set_shows_its_licence_labels_lengths_and_diversity(tmp_path: Path) -> None:
    import_task("mnli", source="sample", out=tmp_path / "real")
    facts = data_facts(read_manifest(tmp_path / "real"))
    assert facts["labels"] == {"entailment": 20, "neutral": 20, "contradiction": 20}
    assert facts["median_tokens"] == {"premise": 18.0, "hypothesis": 9.0}
    assert facts["distinct_texts_%"] == {"premise": 33.3, "hypothesis": 100.0}
    assert set(facts) == {
        *("licence", "language", "labels", "median_tokens", "distinct_texts_%", "self_BLEU", "word_overlap"),
    }


def test_a_card_is_linked_relatively_and_not_across_the_root_of_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert card_link(tmp_path / "data", tmp_path / "runs") is None  # no card there
    (tmp_path / "data" / "README.md").write_text("card", encoding="utf-8")
    assert card_link(tmp_path / "data", tmp_path / "runs" / "one") == "../../data/README.md"
    assert card_link(tmp_path / "data", Path("/elsewhere")) is None
