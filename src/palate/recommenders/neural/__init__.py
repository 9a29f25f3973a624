"""The workshop of trained recommenders: what networks read, what they are made of."""
