"""Prompting as a way to train: what is asked and with which rows, what of an answer counts, what such a run is good for."""
