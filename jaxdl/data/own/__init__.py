"""The user's own pictures and texts as data sets: found, read once, divided into splits, cached."""
