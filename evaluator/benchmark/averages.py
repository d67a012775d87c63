"""The averages that the benchmarks publish."""

XTREME_R, XTREME = "XTREME-R", "XTREME"
AVERAGES = {
    XTREME_R: ("xnli", "xcopa", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "mewslix", "lareqa"),
    XTREME: ("xnli", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "pawsx", "bucc2018"),
}
"""The targets of each benchmark's average, in the order of its paper. No other target is ever part of one."""
