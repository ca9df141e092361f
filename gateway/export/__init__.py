"""Exports: readings of any period as files that last, with a manifest that says what they are and where they come from."""
