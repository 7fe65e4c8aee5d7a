# How subscriptions reach into other accounts, for the sublist.

from natsd.kernel._native_interest cimport Subscription

cdef class Renames:
    cdef readonly object rename
    cdef dict names
    cdef bytes last, last_name

    cdef bytes find(self, const char* subject, size_t n)

cdef class Shadow:
    cdef readonly Subscription origin
    cdef readonly Renames names

cdef class Carrier:
    cdef readonly object carry
