"""What the tables of options are made of. Kinds, and what a value of each may be in a file:

text            a string
int, size       an integer; a size may also be a string such as "1G"
bool            a boolean; `switch`: also enabled or disabled
duration        a string such as "2m"; a plain number is taken as seconds, with a warning
strict_duration a string such as "2m"
seconds         a number of seconds, or a string such as "2m"
listen          a port, or a string host:port; sets two attributes
texts           a string or a list of strings; `text_list`: only a list
durations       a list of strings such as "10ms"
text_map        a map of strings; `bool_map`: of booleans
block X         a map with the keys of the block X
blocks X        a list of such maps
X               anything else names a reader in readers.py
"""

from __future__ import annotations


class Option:
    """One key of a configuration: one row of a table.

    names: the first is the name, others are as good. sets: attributes of Options or of a record, several apart by
    blanks. default: as the attribute has it. flag: names on the command line. reload: whether a running server takes a
    new value. effect: False for what is accepted for the sake of files that have it, and does nothing.
    """

    __slots__ = ("default", "doc", "effect", "flag", "kind", "names", "reload", "sets", "unit")

    def __init__(
        self,
        names: str,
        kind: str,
        doc: str,
        *,
        sets: str = "",
        default: object = None,
        unit: str = "",
        flag: str = "",
        reload: bool = False,
        effect: bool = True,
    ) -> None:
        self.names = names.split()
        self.kind = kind
        self.doc = doc
        self.sets = (sets or self.names[0]).split()
        self.default = default
        self.unit = unit
        self.flag = flag
        self.reload = reload
        self.effect = effect

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def block(self) -> str:
        """The block that its value, or each of its values, is; empty where it is none."""
        kind, _, block = self.kind.partition(" ")
        return block if kind in ("block", "blocks") else ""
