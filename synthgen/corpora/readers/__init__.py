"""One reader for each file format of the official releases."""
