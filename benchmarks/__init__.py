"""Ratios against what one would do without this project; each file prints its own."""
