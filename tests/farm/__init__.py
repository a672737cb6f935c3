"""Many hands, and any order: the bytes are those of one."""
