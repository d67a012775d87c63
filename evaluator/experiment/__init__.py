"""An experiment's arguments, arms, recipe and graph of runs."""
