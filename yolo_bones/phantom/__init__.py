"""Synthetic hand radiographs with exact truth: skeleton, surfaces, projection, image formation."""
