"""What is wrong with annotations, and with predictions, as far as anatomy can tell."""
