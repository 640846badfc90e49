"""A model and its folder: its parts, how it is opened and saved, its defaults and identity, how it reads prompts."""
