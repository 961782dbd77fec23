"""Scores and truth to figures: counts and F1 at a threshold, the ranking without one, and time."""
