"""The record looked after: laid, backed up, checked, read, given out."""
