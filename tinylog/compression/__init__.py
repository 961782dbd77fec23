"""Arrays to smaller arrays: fewer bits a number (int8), or fewer numbers that are not 0 (pruning)."""
