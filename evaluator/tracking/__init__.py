"""`--track`: what the logs of runs have, exported to a tracker of experiments."""
