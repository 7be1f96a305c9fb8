"""How far two sets of films lie apart: the Frechet distance, and what a film's features are."""
