"""The workshop of `Ranker`: retrievers propose, trees order."""
