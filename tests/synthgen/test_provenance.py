"""What of a command and of a model's name others may read: markers wherever something private could stand."""

import pytest

from synthgen.runtime.provenance import command_line, public_name


@pytest.mark.parametrize(
    "arguments",
    [
        ["filter", "/home/MARKER/My Secret,Dir=x/MARKER/real"],
        ["filter", "My Secret,Dir=x/MARKER/real"],
        ["filter", "x", "--out", "projects/MARKER-merger/f"],
        ["filter", "x", "--out=projects/MARKER, a=b/f"],
        ["filter", "x", "--against", "../MARKER/xnli", "--verifier", "~MARKER/model"],
        ["filter", "x", "--judge", "http://MARKER:MARKER@10.0.0.7/v1?key=MARKER#/data/MARKER a/big"],
        ["make", "--model=https://MARKER/v1?key=MARKER", "--passages", "C:\\MARKER\\texts.txt"],
        ["translate", "x", "--mt", "llm:/data/MARKER, x/m", "--ray", "MARKER:6379"],
        ["translate", "x", "--qe", "python3 qe.py --api-key MARKER --url=https://MARKER/x?key=MARKER"],
        ["translate", "x", "--qe=python3 /MARKER/qe.py --api-key MARKER"],
        ["import", "mnli", "--from", "MARKER/files/x.tsv", "--from", "https://MARKER/x"],
    ],
)
def test_no_folder_key_or_address_stands_in_the_recorded_command(arguments: list[str]) -> None:
    assert "MARKER" not in command_line(["synthgen", *arguments])


def test_what_names_nothing_private_is_recorded_as_it_was_given() -> None:
    given = "synthgen make --task mnli --n 4 --model owner/name@main --ray auto --judge=pack:multilingual-e5-small"
    assert command_line(given.split()) == given


@pytest.mark.parametrize("name", ["/data/Ann MARKER/llm,x/My-Model", "D:\\MARKER\\My-Model", "a/MARKER/b/My-Model"])
def test_a_model_that_is_served_under_a_path_keeps_its_last_part(name: str) -> None:
    assert public_name(name) == "My-Model"
