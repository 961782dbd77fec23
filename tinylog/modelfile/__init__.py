"""A model on disk: one file, no pickle, refused with one sentence when it is damaged."""
