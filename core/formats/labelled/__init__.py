"""Rows of text with labels."""
