"""Bad inputs of our own: what stock parts got wrong, and the neighbours of each case. `python -m tests.bad_inputs`."""
