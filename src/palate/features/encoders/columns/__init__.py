"""How `Attributes` reads a column: kinds of columns, and the plan that each is learnt as."""
