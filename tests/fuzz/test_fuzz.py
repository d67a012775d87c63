"""Every reader takes what was found before, and a second of new inputs, in one line or none."""

from pathlib import Path

import pytest

from tests.fuzz.mutation import Target, find_targets, hunt

TARGETS = find_targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_reader_reads_its_seeds_and_what_it_failed_at_before(target: Target, tmp_path: Path) -> None:
    for data in target.module.SEEDS:
        target.module.read(data, tmp_path)
    for data in target.seeds:
        assert target.fault(data, tmp_path) == ""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_reader_refuses_changed_inputs_in_one_line(target: Target, tmp_path: Path) -> None:
    tried, fault = hunt(target, tmp_path, 15 / len(TARGETS), seed=0)
    assert fault == ""
    assert tried
