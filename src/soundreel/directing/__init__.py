"""What is shown when: shots, prompts in time, images handed out. Start reading at `direct`."""
