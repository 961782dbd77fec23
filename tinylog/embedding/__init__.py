"""Templates to vectors, by their words. NumPy only: this folder looks up, `training/word_vectors.py` learns."""
