"""What all looks stand on: the stage they are made from, layout, colours, the ground beneath."""
