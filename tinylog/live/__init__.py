"""Scores while a session is open: one line at a time, exact after each, in plain numbers of Python.

    lines.py     raw lines -> session keys and event ids -> scores
    stepper.py   (what is known of the events so far, an event) -> the same with it, and the score; remembered
    facts.py     the rules, event by event
    network.py   the small student, event by event
"""
