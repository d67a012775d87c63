"""The report page, its charts and sentences."""
