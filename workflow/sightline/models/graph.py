"""The graph that autograd records: what lies on every way from the image to the score.

Nodes are operations, `next_functions` lead from a result to what it was made
of. All weights are frozen, so the image is the only leaf.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Set
from typing import Any

from torch.autograd.graph import GradientEdge

Node = Any  # torch gives its nodes no public type


class Graph:
    """Operations between an image and a score.

    Parameters
    ----------
    root
        The score's ``grad_fn``.
    """

    def __init__(self, root: Node) -> None:
        self.order = _topological(root)
        self.place = {node: i for i, node in enumerate(self.order)}
        self.trunk = self._dominators()
        self._read: dict[Node, set[int]] = {root: {0}}
        self._first_reader: dict[tuple[Node, int], int] = {}
        for node in self.order:
            for child, output in _edges(node):
                self._read.setdefault(child, set()).add(output)
                known = self._first_reader.get((child, output), math.inf)
                self._first_reader[child, output] = int(min(known, time_of(node)))

    def _dominators(self) -> frozenset[Node]:
        """Operations that no path bypasses."""
        furthest, found = 0, set()
        for i, node in enumerate(self.order):
            if furthest <= i:
                found.add(node)
            furthest = max([furthest, *(self.place[child] for child, _ in _edges(node))])
        return frozenset(found)

    def cut(self, edges: Iterable[GradientEdge]) -> set[Node]:
        """Of some results those that the score reads first, if they separate it from the image.

        Returns
        -------
        set of Node
            Operations without which no path leads from score to image; empty
            where a path goes past them.
        """
        wanted: dict[Node, set[int]] = {}
        for edge in edges:
            if edge.node in self.place:
                wanted.setdefault(edge.node, set()).add(edge.output_nr)
        # Of an operation with several results all that are read must be among them.
        stops = {node for node, results in wanted.items() if self._read[node] <= results}
        if len(wanted) == 1:
            return stops & self.trunk
        reached = self._reach([self.order[0]], stops)
        return set() if self.order[-1] in reached else reached & stops

    def first_reader(self, edge: GradientEdge) -> float:
        """When a result was first read, by `time_of`; infinity for one that never was."""
        return self._first_reader.get((edge.node, edge.output_nr), math.inf)

    def depth(self, nodes: Iterable[Node]) -> int:
        """Number of operations up to and with some of them."""
        nodes = list(nodes)
        if len(nodes) == 1 and nodes[0] in self.trunk:
            return len(self.order) - self.place[nodes[0]]
        return len(self._reach(nodes))

    def _reach(self, start: Iterable[Node], stops: Set[Node] = frozenset()) -> set[Node]:
        """Everything below some operations, and no further than others."""
        found = set(start)
        waiting = [node for node in found if node not in stops]
        while waiting:
            for child, _ in _edges(waiting.pop()):
                if child not in found:
                    found.add(child)
                    if child not in stops:
                        waiting.append(child)
        return found


def time_of(node: Node) -> int:
    """A number that grows with the operations that autograd records."""
    return node._sequence_nr()


def _edges(node: Node) -> Iterator[tuple[Node, int]]:
    return iter([(child, output) for child, output in node.next_functions if child is not None])


def _topological(root: Node) -> list[Node]:
    """Nodes from the score to the image, each before what it was made of."""
    finished: list[Node] = []
    seen = {root}
    stack: list[tuple[Node, Iterator[tuple[Node, int]]]] = [(root, _edges(root))]
    while stack:
        node, rest = stack[-1]
        following = next((child for child, _ in rest if child not in seen), None)
        if following is None:
            finished.append(node)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, _edges(following)))
    return finished[::-1]
