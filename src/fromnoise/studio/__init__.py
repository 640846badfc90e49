"""The studio: a page in the browser and an image API, served by one process around one drawing thread.

``desk`` draws and keeps, ``api`` speaks HTTP, ``web`` is the page's files; what stands here starts them.
"""
