"""The method's own logic: which masks steer which step, and in which shares the tracks are heard."""
