"""The fifty languages of XTREME-R: name, family and script of each BCP-47 code.

Families are those of the XTREME-R paper (Ruder et al. 2021, table of languages): top-level families of Glottolog, with
Indo-European split into its branches ("IE: ...") because half of the languages belong to it. Scripts are ISO 15924
codes of the script that the test sets are written in.
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgen.errors import unknown

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: BCP-47 code, English name, family, ISO 15924 script."""

    code: str
    name: str
    family: str
    script: str


_FACTS = """
af Afrikaans|IE: Germanic|Latn
ar Arabic|Afro-Asiatic|Arab
az Azerbaijani|Turkic|Latn
bg Bulgarian|IE: Slavic|Cyrl
bn Bengali|IE: Indo-Aryan|Beng
de German|IE: Germanic|Latn
el Greek|IE: Greek|Grek
en English|IE: Germanic|Latn
es Spanish|IE: Romance|Latn
et Estonian|Uralic|Latn
eu Basque|Basque|Latn
fa Persian|IE: Iranian|Arab
fi Finnish|Uralic|Latn
fr French|IE: Romance|Latn
gu Gujarati|IE: Indo-Aryan|Gujr
he Hebrew|Afro-Asiatic|Hebr
hi Hindi|IE: Indo-Aryan|Deva
ht Haitian Creole|Creole|Latn
hu Hungarian|Uralic|Latn
id Indonesian|Austronesian|Latn
it Italian|IE: Romance|Latn
ja Japanese|Japonic|Jpan
jv Javanese|Austronesian|Latn
ka Georgian|Kartvelian|Geor
kk Kazakh|Turkic|Cyrl
ko Korean|Koreanic|Kore
lt Lithuanian|IE: Baltic|Latn
ml Malayalam|Dravidian|Mlym
mr Marathi|IE: Indo-Aryan|Deva
ms Malay|Austronesian|Latn
my Burmese|Sino-Tibetan|Mymr
nl Dutch|IE: Germanic|Latn
pa Punjabi|IE: Indo-Aryan|Guru
pl Polish|IE: Slavic|Latn
pt Portuguese|IE: Romance|Latn
qu Quechua|Quechuan|Latn
ro Romanian|IE: Romance|Latn
ru Russian|IE: Slavic|Cyrl
sw Swahili|Niger-Congo|Latn
ta Tamil|Dravidian|Taml
te Telugu|Dravidian|Telu
th Thai|Kra-Dai|Thai
tl Tagalog|Austronesian|Latn
tr Turkish|Turkic|Latn
uk Ukrainian|IE: Slavic|Cyrl
ur Urdu|IE: Indo-Aryan|Arab
vi Vietnamese|Austro-Asiatic|Latn
wo Wolof|Niger-Congo|Latn
yo Yoruba|Niger-Congo|Latn
zh Chinese|Sino-Tibetan|Hans
"""


def _parse(facts: str) -> dict[str, Language]:
    lines = (line.partition(" ") for line in facts.strip().splitlines())
    return {code: Language(code, *fields.split("|")) for code, _, fields in lines}


LANGUAGES: dict[str, Language] = _parse(_FACTS)


def language(code: str, *, where: str = "") -> Language:
    """Return the language of a code.

    >>> language("sw").family, language("sw").script
    ('Niger-Congo', 'Latn')
    """
    if code not in LANGUAGES:
        raise unknown("language", code, LANGUAGES, where=where)
    return LANGUAGES[code]
