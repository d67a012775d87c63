"""The reference metrics, one module per kind of prediction; every function checks lengths before it counts."""
