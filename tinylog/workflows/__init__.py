"""Workflows of normal sessions: what follows what, in which order or in none, again and again or instead of what.

DeepLog (Du et al., CCS 2017), section 4.

graph        the workflow as arrays
following    a session through it
from_model   construction from the probabilities of a key model
clustering   construction from how densely events follow one another
blocks, contexts, assembly   what both constructions are made of
printing     as text and as Graphviz DOT
"""
