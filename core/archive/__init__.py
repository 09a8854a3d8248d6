"""A project as one file, to be kept or to live in another workspace."""
