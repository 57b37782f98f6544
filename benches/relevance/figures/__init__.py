"""What is made of ranks: measures, verdicts, tables."""
