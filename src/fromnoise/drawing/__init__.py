"""From what a person says (a request) to what will be done (a plan), step by step, to a picture file."""
