"""What everything stands on: errors, typed configs, the CPU's cores, and files that are written whole or not at all."""
