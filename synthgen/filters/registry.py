"""Filters keep a row or drop it with a short reason. The order of the tuple is the order they run in.

`synthgen make` asks them about one row at a time: `judge` says whether it may be kept given those kept before,
`add_kept` is called once for each that was kept. `synthgen filter` gives them whole sets. Filters never change a row.
To add one: a file here that cites its source, and an entry in ORDER. Its VERSION is raised when its verdicts change:
that, not its source, is what tells whether a finished set is up to date.
"""

from __future__ import annotations

from synthgen.filters.base import Drop, Filter, FilterContext, FilterSpec
from synthgen.filters.decontamination.filter import Contamination, ContaminationSettings
from synthgen.filters.dedup import similarity
from synthgen.filters.dedup.exact import ExactDuplicates
from synthgen.filters.dedup.near import NearDuplicates
from synthgen.filters.dedup.semantic import SemanticDuplicates, SemanticSettings
from synthgen.filters.dedup.similarity import NearSettings
from synthgen.filters.labels.filter import LabelCheckSettings, Verify, VerifySettings, by_checkpoint, by_judge
from synthgen.filters.rows.edits import Clean
from synthgen.filters.rows.format import WellFormed
from synthgen.filters.rows.language import Language, LanguageSettings
from synthgen.filters.rows.personal import PersonalData
from synthgen.filters.rows.rebalance import Rebalance, RebalanceSettings
from synthgen.filters.rows.residue import Residue
from synthgen.filters.rows.shape import Shape, ShapeLimits
from synthgen.models import sentence_encoder
from synthgen.text import words

_TEXTS = {"comparison": similarity.VERSION, "words": words.VERSION}
_VECTORS = {"encoder": sentence_encoder.VERSION}

ORDER: tuple[FilterSpec, ...] = (
    FilterSpec("format", lambda subject, _: WellFormed(subject), runs="always", version=WellFormed.VERSION),
    FilterSpec("shape", lambda subject, limits: Shape(subject.format, limits), ShapeLimits, version=Shape.VERSION),
    FilterSpec("residue", lambda subject, _: Residue(subject.format, subject.prompt), version=Residue.VERSION),
    FilterSpec(
        "language",
        lambda subject, settings: Language(subject.format, subject.language, settings),
        LanguageSettings,
        check="language",
        version=Language.VERSION,
    ),
    FilterSpec(
        "personal",
        lambda subject, _: PersonalData(subject.format),
        runs="named",
        check="personal_data",
        version=PersonalData.VERSION,
    ),
    FilterSpec(
        "exact",
        lambda subject, _: ExactDuplicates(subject.format),
        check="deduplication",
        version=ExactDuplicates.VERSION,
        shared=_TEXTS,
    ),
    FilterSpec(
        "near",
        lambda subject, settings: NearDuplicates(subject.format, settings),
        NearSettings,
        check="deduplication",
        version=NearDuplicates.VERSION,
        shared=_TEXTS,
    ),
    FilterSpec(
        "semantic",
        lambda subject, settings: SemanticDuplicates(subject.format, settings),
        SemanticSettings,
        runs="named",
        check="deduplication",
        version=SemanticDuplicates.VERSION,
        shared=_TEXTS | _VECTORS,
    ),
    FilterSpec(
        "contamination",
        lambda subject, settings: Contamination(subject.format, subject.against, settings, subject.language),
        ContaminationSettings,
        runs="against",
        needs="against",
        check="contamination",
        version=Contamination.VERSION,
        shared=_TEXTS | _VECTORS | {"language": Language.VERSION},
    ),
    FilterSpec(
        "verify",
        by_checkpoint,
        VerifySettings,
        runs="verifier",
        needs="verifier",
        check="verification",
        version=Verify.VERSION,
    ),
    FilterSpec("judge", by_judge, LabelCheckSettings, runs="judge", check="verification", version=Verify.VERSION),
    FilterSpec("rebalance", Rebalance, RebalanceSettings, runs="named", needs="like", version=Rebalance.VERSION),
)

EDITS = {Clean.name: Clean}

__all__ = ["EDITS", "ORDER", "Drop", "Filter", "FilterContext", "FilterSpec"]
