"""Privacy: what the store holds of a person, to be shown to them, and to be erased from everywhere."""
