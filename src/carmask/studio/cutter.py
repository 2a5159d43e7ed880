"""Takes pieces out of a skin, one after the other."""

from __future__ import annotations

from carmask.studio.mesh import Field, Mesh, split
from carmask.studio.parts import Piece

#: Half the width of the gap between two panels.
GAP = 0.0028


class Cutter:
    """Takes pieces out of a skin until only the plain body is left."""

    def __init__(self, skin: Mesh) -> None:
        self.skin = skin
        self.pieces: list[Piece] = []

    def drop(self, field: Field) -> None:
        """Cut an opening."""
        _, self.skin = split(self.skin, field)

    def take(self, field: Field) -> Mesh:
        """Cut a piece out and return it."""
        taken, self.skin = split(self.skin, field)
        return taken

    def add(self, part: str, material: str, mesh: Mesh) -> None:
        """Keep a finished piece."""
        if len(mesh.faces):
            self.pieces.append(Piece(part, material, mesh))

    def panel(self, part: str, field: Field, material: str = "paint", gap: float = GAP) -> None:
        """Cut a panel out, with a dark gap around it."""
        inner = self.take(lambda p: field(p) + gap)
        self.add(part, material, inner)
        self.add(part, "dark", self.take(lambda p: field(p) - gap).offset(-0.004))

    def framed(self, field: Field, width: float, part: str, material: str) -> Mesh:
        """Cut out what lies inside the field, and put a frame of this width around it."""
        inner = self.take(field)
        self.add(part, material, self.take(lambda p: field(p) - width).offset(-0.001))
        return inner
