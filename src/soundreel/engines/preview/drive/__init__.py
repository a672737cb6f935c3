"""What the sound says, frame by frame. For all rooms; imports none."""
