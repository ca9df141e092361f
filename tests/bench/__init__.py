"""`python -m tests.bench`: the speed and size of the gateway, measured on this machine in one run (DESIGN section 6)."""
