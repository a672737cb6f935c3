"""Jobs on disk and at work: the store, the children that do the work, who starts them."""
