"""Keys that hold either one word (`"auto"`, `"none"`, `"sustained"`) or a value."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from agent.core.units import Hertz, Quantity, Seconds

Value = TypeVar("Value")


class Choice(Generic[Value]):
    """A value, or None where the key holds its word. Compared and hashed by value."""

    __slots__ = ("value",)

    word: ClassVar[str] = "auto"

    def __init__(self, value: Value | None = None) -> None:
        """Take the value, or None for the word."""
        self.value = value

    def __eq__(self, other: object) -> bool:
        """Compare with another choice of the same key."""
        return type(self) is type(other) and self.value == other.value

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        """Show the key as it is written."""
        return f"{type(self).__name__}({self.written()!r})"

    def written(self) -> str | int | bool:
        """Return the key as the configuration writes it."""
        if self.value is None:
            return self.word
        if isinstance(self.value, Quantity):
            return str(self.value)
        return self.value  # type: ignore[return-value]


class Enabled(Choice[bool]):
    """`"auto"`: on wherever the source is found; true: the source must be there; false: never looked for."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> Enabled:
        """Read the key; raises ValueError when it is none of the three."""
        if isinstance(written, bool) or written == cls.word:
            return cls(written if isinstance(written, bool) else None)
        raise ValueError(f'{written!r} is not "auto", true or false')


class Threads(Choice[int]):
    """A number of threads, or `"auto"`."""

    __slots__ = ()
    most: ClassVar[int] = 1024

    @classmethod
    def parse(cls, written: object) -> Threads:
        """Read the key; raises ValueError when it is neither."""
        if written == cls.word:
            return cls()
        if isinstance(written, str) and written.isascii() and written.isdigit():
            written = int(written)
        if isinstance(written, int) and not isinstance(written, bool) and 1 <= written <= cls.most:
            return cls(written)
        raise ValueError(f'{written!r} is neither "auto" nor a number of threads from 1 to {cls.most}')


class Pace(Choice[Hertz]):
    """`"sustained"`: back to back; or a rate such as `"30 Hz"`."""

    __slots__ = ()
    word = "sustained"
    slowest: ClassVar[Hertz] = Hertz(1e-4)
    fastest: ClassVar[Hertz] = Hertz(1e5)

    @classmethod
    def parse(cls, written: object) -> Pace:
        """Read the key; raises ValueError when it is neither, or no rate that can be kept."""
        if written == cls.word:
            return cls()
        try:
            rate = Hertz.parse(written)
        except ValueError as error:
            raise ValueError(f'{error} (or "sustained")') from None
        if not cls.slowest <= rate <= cls.fastest:
            raise ValueError(f"{written!r} is not between {cls.slowest} and {cls.fastest}")
        return cls(rate)


class Deadline(Choice[Seconds]):
    """`"none"`, or how long an answer may take."""

    __slots__ = ()
    word = "none"

    @classmethod
    def parse(cls, written: object) -> Deadline:
        """Read the key; raises ValueError when it is neither."""
        if written == cls.word:
            return cls()
        limit = Seconds.parse(written)
        if limit <= 0:
            raise ValueError(f"{written!r} is no time at all")
        return cls(limit)
