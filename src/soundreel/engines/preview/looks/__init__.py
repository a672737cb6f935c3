"""The looks of `--look`: one file each, drawn before a ground of their own or of the user's.

How a look is made:

1. A class of one file, made from a `Stage` (`staging/stage.py`): the frame's layout, what is heard,
   the palette, the picture if there is one. What does not change is computed there, once a shot.
2. `draw(i)` gives frame i as a `Layer` (`canvas/layer.py`): premultiplied RGBA of the frame's size,
   nothing where the ground is to be seen. The ground comes beneath it later, or never
   (an overlay): a look draws no ground, and never reads it.
3. A frame is a pure function of i: no state between frames, no picture of before. What falls slowly
   (bars, peaks, wave fronts) is taken from curves: `stage.drive` (loudness, beats, hits, a value a
   frame) and `stage.sound` (spectrum with its peaks, the wave itself). `draw` runs in several
   threads at once.
4. It reacts on the very frame that holds the sound: position and size follow `drive.glow`, `bass`,
   `flash`, `bars`, which rise at once. In silence it is calm, not black.
5. It is composed for each shape: `stage.layout.shape` is "tall", "square" or "wide", and what says
   something lies within `stage.layout.safe`, where no player's buttons are. Nothing is stretched.
6. Colours come from `stage.inks` alone: they are the prompt's, the picture's, or fit a ground that
   the user chose.
7. `light` says where the look's own dark ground is lit, as shares of width and height; with None it
   is pale paper.

A new look is its file, a line in `table.py` and its word in `options.py`.
"""
