"""Imports: archives of old readings, judged like live ones, brought into every history through the ledger and nowhere else."""
