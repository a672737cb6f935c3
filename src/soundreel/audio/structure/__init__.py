"""What a sound is made of in time: beats, bars, sections, pauses; where a film of it may be cut."""
