"""`python -m gateway` is `envgw`."""

from gateway.cli import main

main()
