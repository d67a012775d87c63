"""Filters keep a row or drop it with a short reason. The order of the tuple is the order they run in.

`synthgen make` asks them about one row at a time: `judge` says whether it may be kept given those kept before,
`remember` is called once for each that was kept. `synthgen filter` gives them whole sets. Filters never change a row.
To add one: a file here that cites its source, and an entry in ORDER.
"""

from __future__ import annotations

from synthgen.filters.base import Filter, Kind, Subject, Verdict
from synthgen.filters.comparison import NearSettings
from synthgen.filters.contamination import Contamination, ContaminationSettings
from synthgen.filters.edits import Clean
from synthgen.filters.exact import ExactDuplicates
from synthgen.filters.language import Language, LanguageSettings
from synthgen.filters.near import NearDuplicates
from synthgen.filters.personal import PersonalData
from synthgen.filters.rebalance import Rebalance, RebalanceSettings
from synthgen.filters.residue import Residue
from synthgen.filters.semantic import SemanticDuplicates, SemanticSettings
from synthgen.filters.shape import Shape, ShapeLimits
from synthgen.filters.verify import JudgeSettings, VerifySettings, by_checkpoint, by_judge
from synthgen.filters.wellformed import WellFormed

ORDER: tuple[Kind, ...] = (
    Kind("format", lambda subject, _: WellFormed(subject), runs="always"),
    Kind("shape", lambda subject, limits: Shape(subject.format, limits), ShapeLimits),
    Kind("residue", lambda subject, _: Residue(subject.format, subject.prompt)),
    Kind(
        "language",
        lambda subject, settings: Language(subject.format, subject.language, settings),
        LanguageSettings,
        check="language",
    ),
    Kind("personal", lambda subject, _: PersonalData(subject.format), runs="named", check="personal_data"),
    Kind("exact", lambda subject, _: ExactDuplicates(subject.format), check="deduplication"),
    Kind(
        "near", lambda subject, settings: NearDuplicates(subject.format, settings), NearSettings, check="deduplication"
    ),
    Kind(
        "semantic",
        lambda subject, settings: SemanticDuplicates(subject.format, settings),
        SemanticSettings,
        runs="named",
        check="deduplication",
    ),
    Kind(
        "contamination",
        lambda subject, settings: Contamination(subject.format, subject.against, settings, subject.language),
        ContaminationSettings,
        runs="against",
        needs="against",
        check="contamination",
    ),
    Kind("verify", by_checkpoint, VerifySettings, runs="verifier", needs="verifier", check="verification"),
    Kind("judge", by_judge, JudgeSettings, runs="judge", check="verification"),
    Kind("rebalance", Rebalance, RebalanceSettings, runs="named", needs="like"),
)

EDITS = {Clean.name: Clean}

__all__ = ["EDITS", "ORDER", "Filter", "Kind", "Subject", "Verdict"]
