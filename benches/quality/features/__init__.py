"""The features of a dataset: where they are, which rows are near-duplicates, how they are scaled."""
