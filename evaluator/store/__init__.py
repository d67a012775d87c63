"""The store of trained models, predictions and scores: on disk (`store`), and its copy at an address (`mirror`)."""

from evaluator.store.store import Json, Node, Store, check_store

__all__ = ["Json", "Node", "Store", "check_store"]
