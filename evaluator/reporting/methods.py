"""The methods text of a report, filled in with its own numbers, and the references it cites."""

from __future__ import annotations

from evaluator.stats.comparison import Comparison
from evaluator.stats.item_bootstrap import DRAWS


def paragraphs(comparison: Comparison) -> list[str]:
    """Return the methods section, ready to paste."""
    targets = comparison.estimand["targets"]
    listed = "; ".join(
        f"{name} ({len(entry['languages'])} languages, {' and '.join(entry['metrics'])})"
        for name, entry in targets.items()
    )
    items = all(pair.estimate.items_resampled for pair in comparison.headline())
    scope = "seeds and test items" if items else "seeds alone (item scores were not stored for every cell)"
    return [
        f"The estimand is the {comparison.estimand['text']} (hash {comparison.estimand['hash']}), given by the "
        f"list of targets and languages alone: {listed}. A target with several metrics counts their mean. Averages are "
        "never taken over missing cells, failed runs, mixed data revisions or different test items.",
        f"Uncertainty covers {scope}, by the multi-bootstrap (Sellam et al., 2022) in a small-sample form: the "
        "variance of a difference is the unbiased variance between seeds plus the covariance, over "
        f"{DRAWS:,} resamples of the test items, between different seeds, with t intervals (Cochran & Cox, 1950). "
        "It is never smaller than the variance over the items alone. Items that are translations of each other are "
        "resampled jointly across languages; corpus metrics are recomputed in every resample. Arms that share seeds "
        "are paired, others are compared as independent (Welch). The variance between seeds is moderated by that of "
        "the other contrasts of the sweep, for at most two degrees of freedom (after Smyth, 2004). Arms are "
        "compared at every common size, and each at its own full size.",
        "Equivalence is tested by two one-sided tests (Schuirmann, 1987) against a margin of "
        f"±{comparison.margin:g} points and takes precedence over a difference smaller than the margin. The "
        "detectable difference is the smallest true difference found with 80 % power at the 5 % level. Languages are "
        'corrected by Holm (1979), and "better in at least k of m languages" is the partial conjunction count of '
        "Dror et al. (2017) in its form for dependent tests. With six or more paired seeds a sign-flip permutation "
        "p-value is given with the smallest value it can reach; it speaks of these test items only.",
        "Scaling curves are log-linear or a power law in the error, fitted to every seed; one form serves all arms, "
        "chosen by AICc, and the other widens bands and intervals while it is within 1 AICc. Nothing is extrapolated "
        "beyond four times what was measured. The exchange rate is the number of examples at which two curves meet; "
        "its interval holds every number at which they cannot be told apart (Fieller, 1954).",
    ]


BIBTEX = r"""@inproceedings{sellam2022multiberts,
  title = {The {MultiBERTs}: {BERT} Reproductions for Robustness Analysis},
  author = {Sellam, Thibault and Yadlowsky, Steve and Tenney, Ian and Wei, Jason and Saphra, Naomi and
            D'Amour, Alexander and Linzen, Tal and Bastings, Jasmijn and Turc, Iulia and
            Eisenstein, Jacob and Das, Dipanjan and Pavlick, Ellie},
  booktitle = {International Conference on Learning Representations}, year = {2022}, note = {arXiv:2106.16163}
}
@inproceedings{ruder2021xtremer,
  title = {{XTREME-R}: Towards More Challenging and Nuanced Multilingual Evaluation},
  author = {Ruder, Sebastian and Constant, Noah and Botha, Jan and Siddhant, Aditya and Firat, Orhan and Fu, Jinlan and
            Liu, Pengfei and Hu, Junjie and Garrette, Dan and Neubig, Graham and Johnson, Melvin},
  booktitle = {Proceedings of EMNLP}, year = {2021}, note = {arXiv:2104.07412}
}
@inproceedings{phang2020english,
  title = {{English} Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer Too},
  author = {Phang, Jason and Calixto, Iacer and Htut, Phu Mon and Pruksachatkun, Yada and Liu, Haokun and
            Vania, Clara and Kann, Katharina and Bowman, Samuel R.},
  booktitle = {Proceedings of AACL-IJCNLP}, year = {2020}, note = {arXiv:2005.13013}
}
@article{dror2017replicability,
  title = {Replicability Analysis for Natural Language Processing: Testing Significance with Multiple Datasets},
  author = {Dror, Rotem and Baumer, Gili and Bogomolov, Marina and Reichart, Roi},
  journal = {Transactions of the Association for Computational Linguistics}, volume = {5}, year = {2017}
}
@article{holm1979simple,
  title = {A Simple Sequentially Rejective Multiple Test Procedure}, author = {Holm, Sture},
  journal = {Scandinavian Journal of Statistics}, volume = {6}, number = {2}, pages = {65--70}, year = {1979}
}
@article{schuirmann1987comparison,
  title = {A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of
           Average Bioavailability},
  author = {Schuirmann, Donald J.},
  journal = {Journal of Pharmacokinetics and Biopharmaceutics}, volume = {15}, number = {6},
  pages = {657--680}, year = {1987}
}
@article{smyth2004linear,
  title = {Linear Models and Empirical {Bayes} Methods for Assessing Differential Expression in Microarray Experiments},
  author = {Smyth, Gordon K.},
  journal = {Statistical Applications in Genetics and Molecular Biology}, volume = {3}, number = {1}, year = {2004}
}
@article{fieller1954problems,
  title = {Some Problems in Interval Estimation}, author = {Fieller, E. C.},
  journal = {Journal of the Royal Statistical Society: Series B}, volume = {16}, number = {2},
  pages = {175--185}, year = {1954}
}
@book{cochran1950experimental,
  title = {Experimental Designs}, author = {Cochran, William G. and Cox, Gertrude M.},
  publisher = {Wiley}, year = {1950}
}"""
