"""The judge, judged: seeded markets whose truth is known, one researcher on each, and how often the gate is right.

`assay.runs.selftest.runner.run_selftest` is the whole of it; ``docs/reference/selftest.md`` says what the figures mean.
"""
