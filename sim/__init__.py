"""manynets."""
