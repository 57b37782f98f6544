"""What is made of runs: tables of means over seeds, checks and verdicts."""
