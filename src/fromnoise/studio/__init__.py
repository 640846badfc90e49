"""The studio: a page in the browser and an image API, served by one process around one drawing thread."""
