"""Bytes to lines and their header fields: blocks of a stream, formats and how to recognise them, times, event-id files,
truth and template files. Knows nothing of templates, windows or models."""
