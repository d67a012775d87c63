"""Languages: codes, English names, families and scripts, for models, prompts, targets and data of other code systems.

A language is its BCP-47 code: two letters (ISO 639-1), or three where it has no other. Families are those of the
XTREME-R paper (Ruder et al. 2021, table of languages): top-level families of Glottolog, with Indo-European split into
its branches ("IE: ...") because half of the languages belong to it. Scripts are ISO 15924 codes of the script that the
test sets are written in.
"""

from dataclasses import dataclass
from pathlib import Path

from synthgen.errors import unknown

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: BCP-47 code, English name, FLORES-200 code, family, ISO 15924 script."""

    code: str
    name: str
    flores: str
    family: str = ""

    @property
    def script(self) -> str:
        """The script; FLORES-200 names Korean's by its alphabet alone."""
        return self.flores[4:].replace("Hang", "Kore")


def _read(path: Path) -> dict[str, Language]:
    """Read code, name, FLORES-200 code (NLLB Team 2022) and family, which only XTREME-R's languages have there."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {code: Language(code, *fields) for code, *fields in rows}


_ALL = _read(Path(__file__).with_name("languages.tsv"))
LANGUAGES = {code: language for code, language in _ALL.items() if language.family}
"""The fifty languages of XTREME-R."""
NLLB = {code: language.flores for code, language in _ALL.items()}
"""FLORES-200 codes, by which NLLB knows a language."""
NAMES = {code: language.name for code, language in _ALL.items()}
"""English names, for prompts; other languages go by their codes."""
TWO_LETTERS = {
    **{flores.partition("_")[0]: code for code, flores in NLLB.items()},
    **{"ara": "ar", "aze": "az", "cmn": "zh", "fas": "fa", "msa": "ms", "que": "qu", "swa": "sw"},
}
"""Codes of two letters by those of three (ISO 639-3), of which some languages have a narrower one too."""


def language(code: str, *, where: str = "") -> Language:
    """Return the XTREME-R language of a code; UserError with the nearest one.

    >>> language("sw").family, language("sw").script
    ('Niger-Congo', 'Latn')
    """
    if code not in LANGUAGES:
        raise unknown("language", code, LANGUAGES, where=where)
    return LANGUAGES[code]
