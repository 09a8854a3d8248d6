"""Rows of words with tags: named entities and the like."""
