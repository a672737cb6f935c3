"""The builder of API-format graphs."""

from __future__ import annotations

import pytest

from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.errors import InputError


def small() -> Graph:
    graph = Graph()
    loaded = graph.add("Load", node_id="7", title="Load it", name="a.wav")
    graph.add("Cut", node_id="12", source=loaded.out(1), length=3, names=["x", "y"])
    return graph


def test_json_is_what_the_server_reads() -> None:
    assert small().to_json() == {
        "7": {"inputs": {"name": "a.wav"}, "class_type": "Load", "_meta": {"title": "Load it"}},
        "12": {
            "inputs": {"source": ["7", 1], "length": 3, "names": ["x", "y"]},
            "class_type": "Cut",
        },
    }


def test_json_comes_back_as_the_same_graph() -> None:
    raw = small().to_json()
    graph = Graph.from_json(raw)
    assert graph.to_json() == raw
    assert graph["12"].inputs["source"] == Link("7", 1)
    assert graph["7"].title == "Load it"


def test_new_nodes_get_free_numbers() -> None:
    graph = small()
    assert graph.add("New").node == "13"
    assert graph.add("New").node == "14"
    with pytest.raises(ValueError, match="7"):
        graph.add("New", node_id="7")


def test_pruning_keeps_what_an_output_depends_on() -> None:
    graph = small()
    graph.add("Other", node_id="other")
    kept = graph.add("Show", picture=Link("12"))
    graph.prune(kept.node)
    assert set(graph) == {"7", "12", kept.node}


def test_a_copy_is_independent() -> None:
    graph = small()
    graph.copy()["12"].inputs["length"] = 9
    assert graph["12"].inputs["length"] == 3


def test_upstream_survives_missing_nodes_and_cycles() -> None:
    graph = Graph()
    graph.add("A", node_id="1", other=Link("2"))
    graph.add("B", node_id="2", other=Link("1"), gone=Link("99"))
    assert graph.upstream("1") == ["1", "2"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "JSON object"),
        ({}, "no nodes"),
        ({"nodes": [], "links": []}, "editor"),
        ({"1": {"inputs": {}}}, "class_type"),
        ({"1": {"class_type": "A"}}, "inputs"),
        ({"1": "A"}, "class_type"),
    ],
)
def test_other_formats_are_refused_with_the_way_to_export(raw: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Graph.from_json(raw)
    assert "Export (API)" in caught.value.hint
