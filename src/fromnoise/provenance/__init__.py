"""Where a picture comes from: marks that any program can read, and signatures that show whether it was changed."""
