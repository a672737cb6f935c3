"""From a plan to the scene that draws it: sound, words, image, composition."""

from __future__ import annotations

from soundreel.audio.features import analyse
from soundreel.engines.preview.draw.abstract import AbstractScene
from soundreel.engines.preview.draw.imagescene import ImageScene
from soundreel.engines.preview.draw.pictures import make_source
from soundreel.engines.preview.drive.fades import END_S, faded
from soundreel.engines.preview.drive.signals import Drive, make_drive
from soundreel.engines.preview.look.composition import compose, nature_of
from soundreel.engines.preview.look.vocabulary import describe, read_style
from soundreel.engines.preview.options import PreviewOptions
from soundreel.engines.preview.portrait.face import search_faces
from soundreel.engines.preview.portrait.speaking import make_portrait
from soundreel.engines.preview.session import Scene
from soundreel.events import RunControl
from soundreel.media.cover import reference_image
from soundreel.types import Plan


def make_scene(
    plan: Plan, options: PreviewOptions, control: RunControl | None = None
) -> tuple[Scene, list[str]]:
    """The scene, and sentences for the user about choices made."""
    request = plan.request
    features = analyse(plan.audio, plan.fps, plan.num_frames, control)
    drive = make_drive(features, float(plan.fps))
    drive = faded(drive, _fade_seconds(drive, options))
    style = read_style(request.prompt, request.negative_prompt)
    notices = [text] if (text := describe(style)) else []
    image = reference_image(request)
    if image is None:
        look = compose(style, drive, request.seed)
        return AbstractScene(request.width, request.height, drive, look), notices
    search = search_faces(image)
    boxes = [face.box for face in search.faces]
    source = make_source(image, request.width, request.height, options.fit, boxes)
    look = compose(style, drive, request.seed, source.palette)
    portrait, said = make_portrait(plan, options.mouth, image, source, features.rms, search)
    notices += [said] if said else []
    warps = [portrait] if portrait is not None else []
    return ImageScene(request.width, request.height, source, drive, look, warps), notices


def _fade_seconds(drive: Drive, options: PreviewOptions) -> float:
    """Somebody who speaks begins and ends by himself: the light follows him."""
    if options.fade is not None:
        return options.fade
    return 0.0 if nature_of(drive) == "voice" else END_S
