"""The HTML report of a store: one file that opens without a network and says what went in, who is who, who gets what, and why.

reading → funnel · sources · customers · scores · segments · campaigns · mails · results · people → page
one day    what each section says, as plain data read from the store                          drawn once
"""

from dagster_project.measurement.report.writing import write_health, write_report

__all__ = ["write_health", "write_report"]
