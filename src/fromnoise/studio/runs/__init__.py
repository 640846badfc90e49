"""A training that is watched from the studio: reading its folder, and asking its process to begin, stop or go on."""
