# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Native form of a look through the subjects that match, piece by piece; see the contract.

Where there are no wildcards it goes through the names that are wanted, else through the rows there were.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from natsd.store._native_filter cimport Filter, has_row
from natsd.store._native_ledger cimport Ledger
from natsd.store._native_pages cimport NOBODY, entry_of
from natsd.store._native_subjects cimport Patterns, Row


@cython.final
@cython.no_gc_clear
cdef class Search:
    """A look through the subjects that match; see the contract."""

    cdef Ledger index
    cdef readonly Patterns patterns
    cdef list names
    cdef uint32_t at, end
    cdef Filter wanted

    def __init__(self, Ledger index not None, list filters not None):
        if self.index is not None:
            raise ValueError("a search begins once")
        self.index = index
        self.patterns = Patterns(filters)
        self.end = index.subject_rows.nrows
        if not self.patterns.everything and not self.patterns.wildcards:
            self.names = list(self.patterns.words)
            self.end = len(self.names)

    def __dealloc__(self):
        if self.wanted is not None:
            self.wanted.searches -= 1
            if self.wanted.nspots == 0:
                self.index.idle = True

    @property
    def done(self):
        return self.at >= self.end

    cdef uint32_t next_row(self, Filter known, int64_t* steps) except? 0:
        """The next row that matches; NOBODY where none is left, or none of so many. known: the filter that knows them,
        which is sought once for many rows: its key may be long."""
        cdef uint32_t number
        cdef Row* row
        while self.at < self.end and steps[0] > 0:
            steps[0] -= 1
            number = self.at
            self.at += 1
            if self.names is not None:
                number = self.index.find_row(<bytes> self.names[number])
                if number != NOBODY:
                    return number
            elif number < self.index.subject_rows.nrows:
                row = &self.index.subject_rows.rows[number]
                if row.name != NULL and (self.patterns.everything or (
                        has_row(known, number) if known is not None else self.patterns.matches(<bytes> row.name))):
                    return number
        return NOBODY

    def subjects(self, int64_t steps):
        cdef list found = []
        cdef Filter known = self.index.known_filter(self.patterns)
        cdef uint32_t number = self.next_row(known, &steps)
        cdef Row* row
        while number != NOBODY:
            row = &self.index.subject_rows.rows[number]
            found.append((<bytes> row.name, row.count))
            number = self.next_row(known, &steps)
        return found

    def lasts(self, int64_t steps, uint64_t upto=0):
        cdef list found = []
        cdef Filter known = self.index.known_filter(self.patterns)
        cdef uint32_t number = self.next_row(known, &steps)
        cdef uint64_t seq
        while number != NOBODY:
            seq = self.index.subject_rows.rows[number].last
            while upto and seq > upto:
                seq = self.index.back_of(seq, entry_of(&self.index.pages, seq))
            if seq:
                found.append(seq)
            number = self.next_row(known, &steps)
        found.sort()
        return found

    def prepare(self, uint32_t steps):
        cdef Filter wanted
        if self.patterns.everything or not self.patterns.wildcards:
            return True
        wanted = self.index.filters.get(self.patterns.key)
        if wanted is None:
            wanted = self.index.begin_filter(self.patterns)
        if wanted is not self.wanted:
            if self.wanted is not None:
                self.wanted.searches -= 1
            wanted.searches += 1
            self.wanted = wanted
        if wanted.swept < wanted.until:
            self.index.sweep(wanted, steps)
        return wanted.swept >= wanted.until
