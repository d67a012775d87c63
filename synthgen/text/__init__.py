"""Text: tokenisers, sentences, languages, hashes, Arrow columns."""
