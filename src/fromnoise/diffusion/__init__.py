"""Everything that is an equation: no weights, no models.

``schedule`` says how much noise there is at each time, ``prediction`` translates what a network predicts into the
clean estimate, ``denoiser`` is the one contract of the field, ``guidance`` wraps denoisers in denoisers, ``samplers``
walk from noise to a picture, and ``loss`` is what training minimises.
"""
