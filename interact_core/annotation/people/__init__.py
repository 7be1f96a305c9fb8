"""Stages 5 to 8: who is in a clip, where, who speaks, and what they look like at other moments."""
