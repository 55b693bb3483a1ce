"""Data sets, splits and mini-batches; one file per source format."""
