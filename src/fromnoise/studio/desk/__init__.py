"""What draws and keeps: the drawing thread, jobs and their news, the gallery, pictures to start from."""
