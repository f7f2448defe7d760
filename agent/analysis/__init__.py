"""Pure folds over records. No input or output, no clock of their own."""
