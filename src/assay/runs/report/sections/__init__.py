"""The chapters of the page, one a file: numbers in, parts out."""
