"""The store of trained models, predictions and scores."""
