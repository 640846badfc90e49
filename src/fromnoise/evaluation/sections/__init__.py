"""The measurements: one module each, with a function that takes the bench and returns a section."""
