"""Runs from a spreadsheet, and back: the first row names the columns, the second says what each is."""
