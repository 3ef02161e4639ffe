"""The commands, one in each file. Nothing heavy is imported before a command needs it."""

OK, FINDINGS, ERROR, REFUSED = 0, 1, 2, 3
INTERRUPTED = 130
"""What a command exits with; see docs/commands.md."""
