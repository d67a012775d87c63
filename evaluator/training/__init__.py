"""Training and inference of one model. Before torch is loaded, its threads are told to sleep while they wait."""

from synthgen.runtime.workers import wait_passively

wait_passively()
