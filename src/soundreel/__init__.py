"""Sound in, synchronised video out.

>>> from soundreel import Request, generate
>>> result = generate(Request(audio="song.mp3", image="portrait.png"))
"""
