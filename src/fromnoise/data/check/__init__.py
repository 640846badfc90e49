"""Looking at a set of pictures before it is trained on: ``fromnoise data check``."""
