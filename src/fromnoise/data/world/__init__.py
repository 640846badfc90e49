"""The endless world: drawings, and pictures without end that are made from them, with exact captions."""
