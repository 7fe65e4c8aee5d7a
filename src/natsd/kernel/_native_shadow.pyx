# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_shadow`, where the rules are stated."""

cimport cython
from libc.string cimport memcmp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from natsd.kernel._native_interest cimport Subscription

cdef enum:
    MOST = 8192  # names kept


@cython.final
cdef class Renames:
    """`rename(subject) -> subject`, asked once per subject. Shared by all shadows of one import."""

    def __init__(self, rename):
        self.rename = rename
        self.names = {}

    def name(self, bytes subject not None):
        """What a subject is called, remembered or asked for."""
        return self.find(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))

    cdef bytes find(self, const char* subject, size_t n):
        cdef bytes given, name
        if self.last is not None and <size_t> PyBytes_GET_SIZE(self.last) == n and memcmp(
                PyBytes_AS_STRING(self.last), subject, n) == 0:
            return self.last_name
        given = PyBytes_FromStringAndSize(subject, n)
        name = <bytes> self.names.get(given)
        if name is None:
            name = self.rename(given)
            if len(self.names) >= MOST:
                self.names.clear()
            self.names[given] = name
        self.last = given
        self.last_name = name
        return name


@cython.final
cdef class Shadow:
    """The handler of a subscription that stands for another one. names: None where subjects stay as they are."""

    def __init__(self, Subscription origin not None, Renames names=None):
        self.origin = origin
        self.names = names


@cython.final
cdef class Carrier:
    """The handler of a subscription that takes messages at once: `carry(subject, reply, header, payload) -> int`.

    A fifth argument is the subject on the message's line, where it was matched by another.
    """

    def __init__(self, carry):
        self.carry = carry
