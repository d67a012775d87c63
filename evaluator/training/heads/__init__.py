"""One head per format, and two for retrieval. Importing this package imports torch; `targets` and `graph` do not."""
