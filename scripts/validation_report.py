"""Measure validation over a corpus: detection by fault class, false alarms, milliseconds, beside R4B alone.

    python scripts/validation_report.py CORPUS [--write docs/validation.md]

CORPUS is a folder with a manifest.csv (path, kind, source, expected) and the files it names. Expected verdicts
are only compared with, never used to decide.
"""
