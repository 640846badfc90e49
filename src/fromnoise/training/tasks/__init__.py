"""The things the loop can train."""
