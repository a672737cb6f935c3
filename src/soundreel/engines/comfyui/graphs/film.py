"""The node that puts pictures between pictures, where the server has one."""

from __future__ import annotations

from dataclasses import dataclass

from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.schema import NodeCatalog
from soundreel.errors import EngineUnavailable, mention

CORE_LOADER, CORE_NODE = "FrameInterpolationModelLoader", "FrameInterpolate"
PACK_NODE = "FILM VFI"
CORE_FOLDER = "models/frame_interpolation"


@dataclass(frozen=True, slots=True)
class Film:
    """class_type: the node to use. model_input: how it names its model (core only)."""

    class_type: str
    model: str
    model_input: str = ""

    def add(self, graph: Graph, pictures: Link, factor: int) -> Link:
        """From n pictures to (n - 1) * factor + 1; n is at least 2."""
        if self.class_type == PACK_NODE:
            return graph.add(
                PACK_NODE,
                title="FILM",
                ckpt_name=self.model,
                frames=pictures,
                clear_cache_after_n_frames=10,
                multiplier=factor,
            )
        model = graph.add(CORE_LOADER, title="Load FILM", model_name=self.model)
        node = graph.add(CORE_NODE, title="FILM", images=pictures, multiplier=factor)
        graph[node.node].inputs[self.model_input] = model
        return node


def find_film(catalog: NodeCatalog, wanted: str | None) -> Film:
    """The server's FILM; the core node before the pack's, where it has the model.

    wanted: the model file to use, None for the first whose name says FILM.
    Raises EngineUnavailable with what to install.
    """
    core = CORE_LOADER in catalog and CORE_NODE in catalog
    in_core = (catalog.options(CORE_LOADER, "model_name") or ()) if core else ()
    in_pack = catalog.options(PACK_NODE, "ckpt_name") or () if PACK_NODE in catalog else ()
    if name := _choose(in_core, wanted):
        return Film(CORE_NODE, name, _model_input(catalog))
    if name := _choose(in_pack, wanted):
        return Film(PACK_NODE, name)
    if core or PACK_NODE in catalog:
        raise EngineUnavailable(
            f"the server lists no frame interpolation model {wanted or 'of FILM'} "
            f"(it has: {', '.join((*in_core, *in_pack)) or 'none'})",
            hint=_model_hint(wanted, core=core, others=bool(in_core or in_pack)),
        )
    raise EngineUnavailable(
        f"the server has neither {CORE_NODE} nor {PACK_NODE}",
        hint="update ComfyUI (frame interpolation came in April 2026) or install the pack "
        f"ComfyUI-Frame-Interpolation; {mention(interpolate='flow')} needs neither",
    )


def _choose(names: tuple[str, ...], wanted: str | None) -> str | None:
    return next((name for name in names if (wanted or "film").lower() in name.lower()), None)


def _model_hint(wanted: str | None, *, core: bool, others: bool) -> str:
    ways = []
    if others:
        ways.append(f"leave {mention('film_model')} out, or name one that is there")
    if core:
        ways.append(f"put {wanted or 'film_net_fp16.safetensors'} into {CORE_FOLDER}")
    else:
        ways.append("update the pack ComfyUI-Frame-Interpolation")
    return "; or ".join(ways if wanted else ways[-1:])


def _model_input(catalog: NodeCatalog) -> str:
    """`interp_model`, or `model` in an early revision."""
    inputs = catalog[CORE_NODE].inputs
    return next(
        name for name, info in inputs.items() if info.type not in ("IMAGE", "INT", "BOOLEAN")
    )
