"""Languages: codes, English names, families and scripts, for models, prompts, targets and data of other code systems.

A language is its BCP-47 code: two letters (ISO 639-1), or three where it has no other. Families are those of the
XTREME-R paper (Ruder et al. 2021, table of languages): top-level families of Glottolog, with Indo-European split into
its branches ("IE: ...") because half of the languages belong to it. Scripts are ISO 15924 codes of the script that the
test sets are written in.
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgen.errors import unknown

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: BCP-47 code, English name, FLORES-200 code, family, ISO 15924 script."""

    code: str
    name: str
    flores: str
    family: str

    @property
    def script(self) -> str:
        """The script; FLORES-200 names Korean's by its alphabet alone."""
        return self.flores[4:].replace("Hang", "Kore")


# code, name | FLORES-200 code (NLLB Team 2022, table of languages) | family; XTREME-R's fifty have one
_TABLE = """
af Afrikaans|afr_Latn|IE: Germanic; ar Arabic|arb_Arab|Afro-Asiatic; az Azerbaijani|azj_Latn|Turkic;
bg Bulgarian|bul_Cyrl|IE: Slavic; bn Bengali|ben_Beng|IE: Indo-Aryan; ca Catalan|cat_Latn|;
de German|deu_Latn|IE: Germanic; el Greek|ell_Grek|IE: Greek; en English|eng_Latn|IE: Germanic;
es Spanish|spa_Latn|IE: Romance; et Estonian|est_Latn|Uralic; eu Basque|eus_Latn|Basque;
fa Persian|pes_Arab|IE: Iranian; fi Finnish|fin_Latn|Uralic; fr French|fra_Latn|IE: Romance;
gu Gujarati|guj_Gujr|IE: Indo-Aryan; he Hebrew|heb_Hebr|Afro-Asiatic; hi Hindi|hin_Deva|IE: Indo-Aryan;
ht Haitian Creole|hat_Latn|Creole; hu Hungarian|hun_Latn|Uralic; id Indonesian|ind_Latn|Austronesian;
it Italian|ita_Latn|IE: Romance; ja Japanese|jpn_Jpan|Japonic; jv Javanese|jav_Latn|Austronesian;
ka Georgian|kat_Geor|Kartvelian; kk Kazakh|kaz_Cyrl|Turkic; ko Korean|kor_Hang|Koreanic;
lt Lithuanian|lit_Latn|IE: Baltic; ml Malayalam|mal_Mlym|Dravidian; mr Marathi|mar_Deva|IE: Indo-Aryan;
ms Malay|zsm_Latn|Austronesian; my Burmese|mya_Mymr|Sino-Tibetan; nl Dutch|nld_Latn|IE: Germanic;
pa Punjabi|pan_Guru|IE: Indo-Aryan; pl Polish|pol_Latn|IE: Slavic; pt Portuguese|por_Latn|IE: Romance;
qu Quechua|quy_Latn|Quechuan; ro Romanian|ron_Latn|IE: Romance; ru Russian|rus_Cyrl|IE: Slavic;
sw Swahili|swh_Latn|Niger-Congo; ta Tamil|tam_Taml|Dravidian; te Telugu|tel_Telu|Dravidian; th Thai|tha_Thai|Kra-Dai;
tl Tagalog|tgl_Latn|Austronesian; tr Turkish|tur_Latn|Turkic; uk Ukrainian|ukr_Cyrl|IE: Slavic;
ur Urdu|urd_Arab|IE: Indo-Aryan; vi Vietnamese|vie_Latn|Austro-Asiatic; wo Wolof|wol_Latn|Niger-Congo;
yo Yoruba|yor_Latn|Niger-Congo; zh Chinese|zho_Hans|Sino-Tibetan
"""


def _parse(table: str) -> dict[str, Language]:
    entries = (entry.strip().partition(" ") for entry in table.split(";"))
    return {code: Language(code, *fields.split("|")) for code, _, fields in entries}


_ALL = _parse(_TABLE)
LANGUAGES = {code: language for code, language in _ALL.items() if language.family}
"""The fifty languages of XTREME-R."""
NLLB = {code: language.flores for code, language in _ALL.items()}
"""FLORES-200 codes, by which NLLB knows a language."""
NAMES = {code: language.name for code, language in _ALL.items()}
"""What a prompt calls a language; others go by their codes."""
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
