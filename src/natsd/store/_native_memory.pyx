# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of `_plain_memory`: where a message lies is an owned payload, or an owned pair of header and payload."""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from natsd.store._native_index cimport Index
from natsd.store._native_pages cimport Entry, HEADED, Place, natsd_fetch, walk_from, walk_on

cdef enum:
    OVERHEAD = 16  # a message in memory counts for its bytes and these


cdef class MemoryIndex(Index):
    """The messages of one stream, with their bytes."""

    def __init__(self, uint64_t first_seq=1):
        Index.__init__(self, OVERHEAD, 0, first_seq)

    def __dealloc__(self):
        cdef Place place
        cdef Entry* entry
        walk_from(&self.pages, &place, 0)
        entry = walk_on(&self.pages, &place)
        while entry != NULL:
            Py_DECREF(<object> <PyObject*> <uintptr_t> entry.position)
            entry = walk_on(&self.pages, &place)

    cdef uint64_t put_message(self, uint64_t seq, bytes subject, bytes header, bytes payload, int64_t time_ns) except? 0:
        kept = payload if header is None else (header, payload)
        Py_INCREF(kept)
        return <uintptr_t> <PyObject*> kept

    cdef tuple get_message(self, uint64_t seq, uint64_t position, uint32_t length, bytes subject, object time_ns):
        kept = <object> <PyObject*> <uintptr_t> position
        if length & HEADED:
            return (seq, subject, (<tuple> kept)[0], (<tuple> kept)[1], time_ns)
        return (seq, subject, None, kept, time_ns)

    cdef void fetch_message(self, uint64_t position) noexcept:
        natsd_fetch(<void*> <uintptr_t> position)

    cdef int drop_message(self, uint64_t seq, uint64_t position, uint32_t length) except -1:
        Py_DECREF(<object> <PyObject*> <uintptr_t> position)
        return 0
