"""Pages to look at: a record of images with their layers and scores, its pictures, and the one HTML file of both."""
