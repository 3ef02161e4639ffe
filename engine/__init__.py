"""Everything that is neither a step nor a rule: reading, analysing, planning, writing, proving and running."""
