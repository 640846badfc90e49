"""The views of ``fromnoise inspect`` that look at a drawing; :mod:`fromnoise.cli.inspect` lists them."""
