"""Can this number be believed? QARTOD tests, streaming, and the judge that joins their verdicts to one flag (semantics D)."""
