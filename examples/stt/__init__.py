"""Transcriptions: an API that answers at once, workers on two servers, and the story of what was wrong before."""
