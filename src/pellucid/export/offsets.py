"""Where something lies in the arena: one number where time counts, another where the code has to be small."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offset:
    """Bytes from the arena's start. As text it is what C needs: a number, or AT(fast, small)."""

    fast: int
    small: int

    def __add__(self, more: int) -> Offset:
        return Offset(self.fast + more, self.small + more)

    def __floordiv__(self, by: int) -> Offset:
        return Offset(self.fast // by, self.small // by)

    def __int__(self) -> int:
        """The larger: what a type must hold."""
        return max(self.fast, self.small)

    def __str__(self) -> str:
        return str(self.fast) if self.fast == self.small else f"AT({self.fast}, {self.small})"


AT = "#define AT(fast, small) (NETWORK_SMALL ? small : fast) /* images lie as what code needs beside them allows */"
