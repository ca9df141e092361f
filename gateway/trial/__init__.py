"""Rules tried in virtual time with the production core: tests of rules, and backtests over history or a file."""
