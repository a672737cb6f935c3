"""A reference image with a face: the mouth follows the speech, eyes blink, the head sways."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats
from soundreel.engines.preview.draw.pictures import ImageSource
from soundreel.engines.preview.drive.curves import Curve
from soundreel.engines.preview.portrait.eyes import Eyes, blinks
from soundreel.engines.preview.portrait.face import (
    Face,
    Search,
    face_in_box,
    require_box,
)
from soundreel.engines.preview.portrait.lips import read_lips
from soundreel.engines.preview.portrait.mouth import Mouth
from soundreel.engines.preview.portrait.phonemes import Speech, frame_loudness
from soundreel.engines.preview.portrait.sway import Sway
from soundreel.errors import mention
from soundreel.types import Plan, Rgb

MIN_WIDTH = 0.022
"""A mouth narrower than this share of the frame's smaller side (at least MIN_PIXELS) is left alone:
nobody would see it move, and it would look like a fault."""

MIN_PIXELS = 12

FROM_THE_SIDE = 0.65
"""Eyes nearer to each other than this share of their distance to the mouth: half of the mouth is
hidden, and what is seen of it cannot open (people who look at the camera: 0.85 to 1.15)."""

PROBES, PROBES_WITHOUT_FACE = 3, 2
"""Windows of the sound that are listened to before the first picture, to say what will move."""

OPEN_EYES = 0.02
"""Below this nothing of a blink can be seen."""


class Portrait:
    """Frame i is a pure function of the plan and i: see FrameWarp."""

    def __init__(
        self, speech: Speech, mouth: Mouth, eyes: Eyes | None, shut: Curve, sway: Sway
    ) -> None:
        """shut: (N,) how far the eyes are shut, 0..1."""
        self._speech, self._mouth, self._eyes, self._sway = speech, mouth, eyes, sway
        self._blinks = shut

    def apply(self, canvas: Rgb, index: int) -> Rgb:
        shape = self._speech.shape(index)
        picture = self._mouth.draw(canvas, shape)
        shut = float(self._blinks[index])
        if self._eyes is not None and shut > OPEN_EYES:
            picture = picture.copy() if picture is canvas else picture
            self._eyes.draw(picture, shut)
        return picture

    def bend(self, where: Floats, index: int) -> Floats:
        return self._sway.bend(where, index)


def make_portrait(
    plan: Plan,
    seed: int,
    mouth: str,
    image: Rgb,
    source: ImageSource,
    rms: NDArray[np.float32],
    search: Search,
    hear: Callable[[], Speech],
    *,
    music: bool = False,
) -> tuple[Portrait | None, str]:
    """The face that moves, and one sentence for the user where there is speech (empty elsewhere,
    and with mouth "off").

    seed: of the shot. mouth: "auto", "off" or a box. image: the reference image as it is in the
    file. source: the image on its canvas. rms: (N,) of the frames. hear: what is said, the same for
    every shot; it may raise as `Recogniser`. music: there is a beat, so that nobody misses a face.
    Raises InputError for a box outside the image.
    """
    if mouth == "off":
        return None, ""
    side = min(plan.request.width, plan.request.height)
    face, problem = _choose_face(mouth, image, source, search, side)
    if face is None and music:
        return None, ""
    try:
        speech = hear()
    except (ImportError, OSError, RuntimeError) as err:
        said = f"no mouth: the phoneme recogniser cannot run here ({err})"
        return None, said if face is not None else ""
    if face is None:
        return None, problem if speech.heard(PROBES_WITHOUT_FACE) else ""
    lips = read_lips(source.canvas, face)
    eyes = Eyes(source.canvas, face) if face.eyes else None
    loudness = frame_loudness(rms, float(plan.fps))
    sway = Sway(face, loudness, plan.fps, seed)
    shut = blinks(plan.num_frames, plan.fps, seed)
    portrait = Portrait(speech, Mouth(source.canvas, face, lips), eyes, shut, sway)
    return portrait, "a face: the mouth follows the speech" if speech.heard(PROBES) else ""


def _choose_face(
    mouth: str, image: Rgb, source: ImageSource, search: Search, frame_side: int
) -> tuple[Face | None, str]:
    """The face on the canvas, or why there is none."""
    box = None if mouth == "auto" else require_box(mouth, image)
    faces = search.faces
    if box is None and search.problem:
        return None, f"no mouth: the face finder cannot run here ({search.problem})"
    if box is None and not faces:
        return None, f"no face found in the image: no mouth (mark one: {mention(mouth='x,y,w,h')})"
    face = face_in_box(box, faces) if box is not None else faces[0]
    if box is None and math.dist(*face.eyes) < FROM_THE_SIDE * face.height:
        mark = mention(mouth="x,y,w,h")
        return None, f"no mouth: the face is seen from the side (mark it if it shall move: {mark})"
    face = face.placed(source.image_box, image.shape[1])
    if not _in_sight(face, source):
        return None, "no mouth: the face lies outside the picture"
    if box is None and face.width < max(MIN_PIXELS, MIN_WIDTH * frame_side):
        return None, "no mouth: the face is too small in the picture"
    return face, ""


def _in_sight(face: Face, source: ImageSource) -> bool:
    rows, columns = source.canvas.shape[:2]
    x, y = face.mouth
    margin = source.margin
    return margin < x < columns - margin and margin < y < rows - margin
