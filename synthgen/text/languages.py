"""Languages: codes, English names, families and scripts, for models, prompts, targets and data of other code systems.

A language is its BCP-47 code: two letters (ISO 639-1), or three where it has no other, with script and region where
they are said (`zh-Hans`, `pt-BR`); langcodes (MIT) reads old codes and those of other systems. Families are those of
the XTREME-R paper (Ruder et al. 2021, table of languages): top-level families of Glottolog, with Indo-European split
into its branches ("IE: ...") because half of the languages belong to it. Scripts are ISO 15924 codes of the script
that the test sets are written in.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import langcodes
from langcodes.registry_parser import parse_registry

from synthgen.errors import UserError, unknown

ENGLISH = "en"
UNKNOWN_LANGUAGE, SEVERAL_LANGUAGES = "und", "mul"
"""BCP-47's codes where the language is not known, or not one."""


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
_OURS = {langcodes.standardize_tag(code): code for code in _ALL}
"""BCP-47 prefers `fil` to `tl`; the data of XTREME-R and the models know `tl`."""
_NO_LANGUAGE = (None, SEVERAL_LANGUAGES, "mis", "zxx")
"""What BCP-47 says of several languages, of a language without a code, and of what is no language."""


def language_code(code: str, *, where: str = "--language") -> str:
    """Return a language's BCP-47 code: old codes, those of three letters and FLORES-200's included.

    UserError for what is no language, with the nearest one.

    >>> [language_code(code) for code in ("iw", "deu", "eng_Latn", "zho_Hans", "pt_br", "arb", "fil")]
    ['he', 'de', 'en', 'zh-Hans', 'pt-BR', 'ar', 'tl']
    >>> language_code("jp", where="--to")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    synthgen.errors.UserError: --to jp is not a language code; did you mean 'ja' (Japanese)? give a BCP-47 code: ...
    """
    if canonical := find_language_code(code):
        return canonical
    near = _nearest(code)
    hint = f"did you mean '{near}' ({language_name(near)})? give" if near else "give"
    raise UserError(f"{where} {code} is not a language code; {hint} a BCP-47 code: de, sw, zh-Hans")


@lru_cache(1024)
def find_language_code(code: str) -> str:
    """Return the `language_code` of a code, empty for what is no language."""
    subtag, *rest = code.strip().replace("_", "-").split("-")
    try:
        tag = langcodes.Language.get("-".join([TWO_LETTERS.get(subtag.lower(), subtag), *rest]))
    except langcodes.LanguageTagError:
        return ""
    if not tag.is_valid() or tag.language in _NO_LANGUAGE or str(tag.language).startswith("x-"):
        return ""
    tag = langcodes.Language.get(langcodes.standardize_tag(str(tag), macro=True)).simplify_script()
    base = _OURS.get(str(tag.language), str(tag.language))
    is_implied = base in _ALL and base != "zh" and tag.script in (_ALL[base].script, _ALL[base].flores[4:])
    return str(tag.update_dict({"language": base, "script": None if is_implied else tag.script}))


def base_language(code: str) -> str:
    """Return a code without script and region, of two letters if any; what is no language as it is, in lower case.

    >>> base_language("zh-Hans"), base_language("deu_Latn"), base_language("sr-Latn"), base_language("?")
    ('zh', 'de', 'sr', '?')
    """
    return find_language_code(code).partition("-")[0] or code.lower()


@cache
def script_of(code: str) -> str:
    """Return the script (ISO 15924) that a language is mostly written in, empty where it is not known.

    >>> script_of("hi"), script_of("sw"), script_of("am"), script_of("zh-Hant")
    ('Deva', 'Latn', 'Ethi', 'Hant')
    """
    return str(langcodes.Language.get(code).maximize().script or "") if find_language_code(code) else ""


def language_name(code: str) -> str:
    """Return the English name of a language, for prompts and messages, with its script and region where they are said.

    >>> language_name("sw"), language_name("zh-Hans"), language_name("pt-BR"), language_name("sr-Latn")
    ('Swahili', 'Chinese (Simplified)', 'Portuguese (Brazil)', 'Serbian (Latin)')
    """
    base, *rest = code.split("-")
    name = NAMES.get(base) or _names().get(base, base)
    return f"{name} ({', '.join(_names('script', 'region').get(each, each) for each in rest)})" if rest else name


@cache
def _names(*kinds: str) -> dict[str, str]:
    """Return the first name of every language, or of scripts and regions, in the IANA registry, by code."""
    entries = (each for each in parse_registry() if each["Type"] in (kinds or ("language",)))
    names = {each["Subtag"]: each["Description"][0] for each in entries if each["Subtag"] not in _NO_LANGUAGE}
    return names | {"Hans": "Simplified", "Hant": "Traditional"} if kinds else names


def _nearest(text: str) -> str:
    """Return the code of the language whose name or country a text is, or that is nearest to it; empty for none."""
    text = text.strip().lower()
    if re.fullmatch("[a-z]{2}", text):
        of_country = str(langcodes.Language.get(f"und-{text}").maximize().language)
        return of_country if of_country != ENGLISH else _closest(text, NAMES) or _closest(text, _names())
    by_name = {name.lower(): code for code, name in (_names() | NAMES).items()}
    return by_name.get(_closest(text, by_name, 0.7), "")


def _closest(text: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    return next(iter(difflib.get_close_matches(text, list(known), n=1, cutoff=cutoff)), "")


@cache
def any_language(code: str) -> Language:
    """Return the language of a code; of one that no table here has the family is `other`.

    >>> any_language("sw").family, any_language("ks-Deva").family, any_language("ks-Deva").script
    ('Niger-Congo', 'other', 'Deva')
    """
    return LANGUAGES.get(code) or Language(code, language_name(code), f"und_{script_of(code) or 'other'}", "other")


def language(code: str, *, where: str = "") -> Language:
    """Return the XTREME-R language of a code; UserError with the nearest one.

    >>> language("sw").family, language("sw").script
    ('Niger-Congo', 'Latn')
    """
    if code not in LANGUAGES:
        raise unknown("language", code, LANGUAGES, where=where)
    return LANGUAGES[code]
