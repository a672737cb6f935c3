"""Words in the picture: lyrics, captions, titles. From files to cues, from cues to pixels."""
