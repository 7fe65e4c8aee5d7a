# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What cursors with the same filters share: which subjects match, how many were appended, which went.

A message that is appended or goes is noted once per filter, not once per cursor. Each cursor looks at the list of those
gone when it is asked or moves; when the list is full all cursors look at it in one go.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memset

from natsd.store._native_subjects cimport Patterns

cdef enum:
    GONE = 1024
    FEW = 16  # cursors that look one after the other


@cython.final
@cython.no_gc
cdef class Filter:
    """One set of patterns and the cursors that have it."""

    def __init__(self, Patterns patterns not None, uint64_t next_seq):
        self.patterns = patterns
        self.recent_from = next_seq
        self.lowest = 0
        self.gone = <uint64_t*> malloc(GONE * sizeof(uint64_t))
        if not patterns.everything:
            self.recent = <uint64_t*> malloc(RECENT * sizeof(uint64_t))
        if self.gone == NULL or (self.recent == NULL and not patterns.everything):
            raise MemoryError("no memory for a filter")
        self.gone_capacity = GONE

    def __dealloc__(self):
        cdef uint32_t page
        for page in range(self.nbits):
            free(self.bits[page])
        free(self.bits)
        free(self.recent)
        free(self.gone)
        free(self.spots)

    # -- subjects

    cdef int admit(self, uint32_t row) except -1:
        """A row matches from now on."""
        cdef uint32_t page = row >> 12, n
        cdef uint64_t** bits
        if page >= self.nbits:
            n = (page + 1) * 3 // 2 + 1
            bits = <uint64_t**> realloc(self.bits, n * sizeof(uint64_t*))
            if bits == NULL:
                raise MemoryError("no memory for the subjects of a filter")
            memset(bits + self.nbits, 0, (n - self.nbits) * sizeof(uint64_t*))
            self.bits = bits
            self.nbits = n
        if self.bits[page] == NULL:
            self.bits[page] = <uint64_t*> calloc(64, sizeof(uint64_t))
            if self.bits[page] == NULL:
                raise MemoryError("no memory for the subjects of a filter")
        self.bits[page][(row & 4095) >> 6] |= <uint64_t> 1 << (row & 63)
        self.nsubjects += 1
        self.only ^= row
        return 0

    cdef void dismiss(self, uint32_t row) noexcept:
        self.bits[row >> 12][(row & 4095) >> 6] &= ~(<uint64_t> 1 << (row & 63))
        self.nsubjects -= 1
        self.only ^= row

    # -- cursors

    cdef int join(self, Spot* spot) except -1:
        cdef uint32_t capacity
        cdef Spot** spots
        cdef uint64_t* gone
        if self.nspots == self.capacity:
            capacity = self.capacity * 2 if self.capacity else 2
            spots = <Spot**> realloc(self.spots, capacity * sizeof(Spot*))
            if spots == NULL:
                raise MemoryError(f"no memory for {capacity} cursors")
            self.spots = spots
            self.capacity = capacity
            if capacity > self.gone_capacity:
                # A full list is looked at by all at once: that must not come more often than there are cursors.
                gone = <uint64_t*> realloc(self.gone, capacity * sizeof(uint64_t))
                if gone == NULL:
                    raise MemoryError(f"no memory for {capacity} cursors")
                self.gone = gone
                self.gone_capacity = capacity
        spot.slot = self.nspots
        spot.mark = self.gone_before + self.ngone
        self.spots[self.nspots] = spot
        self.nspots += 1
        self.lower(spot.next)
        return 0

    cdef void leave(self, Spot* spot) noexcept:
        self.nspots -= 1
        self.spots[spot.slot] = self.spots[self.nspots]
        self.spots[spot.slot].slot = spot.slot

    cdef void lower(self, uint64_t seq) noexcept:
        """A cursor stands at `seq` now."""
        if self.nspots == 1 or seq < self.lowest:
            self.lowest = seq
        if seq > self.farthest:
            self.farthest = seq

    cdef void catch_up(self, Spot* spot) noexcept:
        cdef size_t i
        cdef uint64_t next = spot.next
        cdef int64_t n = 0
        for i in range(spot.mark - self.gone_before, self.ngone):
            n += self.gone[i] >= next
        spot.before += n
        spot.mark = self.gone_before + self.ngone

    cdef void passed_by(self, uint64_t seq) noexcept:
        """A message was appended below where a cursor stands."""
        cdef uint32_t i
        for i in range(self.nspots):
            if self.spots[i].next > seq:
                self.spots[i].before += 1

    cdef void look(self) noexcept:
        """All cursors look at what went; then the list is empty."""
        cdef uint32_t i
        if self.nspots <= FEW or not self.look_sorted():
            for i in range(self.nspots):
                self.catch_up(self.spots[i])
        self.gone_before += self.ngone
        self.ngone = 0
        self.lowest = self.spots[0].next if self.nspots else 0
        for i in range(self.nspots):
            self.spots[i].mark = self.gone_before
            if self.spots[i].next < self.lowest:
                self.lowest = self.spots[i].next

    cdef bint look_sorted(self) noexcept:
        """Look for many cursors: those with the latest mark first, while the gone are counted from the end on."""
        cdef size_t n = self.ngone, left = n, at, low, high
        cdef uint32_t i
        cdef uint64_t* ranks = <uint64_t*> malloc((n + 1) * sizeof(uint64_t))
        cdef uint32_t* tree = <uint32_t*> calloc(n + 2, sizeof(uint32_t))
        cdef Spot** spots = <Spot**> malloc(self.nspots * sizeof(Spot*))
        cdef Spot* spot
        if ranks == NULL or tree == NULL or spots == NULL:
            free(ranks)
            free(tree)
            free(spots)
            return False
        for at in range(n):
            ranks[at] = self.gone[at]
        qsort(ranks, n, sizeof(uint64_t), by_number)
        for i in range(self.nspots):
            spots[i] = self.spots[i]
        qsort(spots, self.nspots, sizeof(Spot*), by_mark)
        for i in range(self.nspots):
            spot = spots[i]
            while left > spot.mark - self.gone_before:
                left -= 1
                at = n - rank_of(ranks, n, self.gone[left])  # a tree over the ranks, the highest first
                while at <= n:
                    tree[at] += 1
                    at += at & (~at + 1)
            at = n - rank_of(ranks, n, spot.next)
            while at:
                spot.before += tree[at]
                at &= at - 1
            spot.mark = self.gone_before + n
        free(ranks)
        free(tree)
        free(spots)
        return True

    cdef void forget_all(self) noexcept:
        """Every message went: nothing is pending for anybody."""
        cdef uint32_t i
        self.live = 0
        self.gone_before += self.ngone
        self.ngone = 0
        for i in range(self.nspots):
            self.spots[i].before = self.appended
            self.spots[i].mark = self.gone_before


cdef size_t rank_of(uint64_t* ranks, size_t n, uint64_t seq) noexcept:
    """How many are less."""
    cdef size_t low = 0, high = n, at
    while low < high:
        at = (low + high) >> 1
        if ranks[at] < seq:
            low = at + 1
        else:
            high = at
    return low


cdef int by_number(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<uint64_t*> a)[0], y = (<uint64_t*> b)[0]
    return (x > y) - (x < y)


cdef int by_mark(const void* a, const void* b) noexcept nogil:
    """The latest first."""
    cdef uint64_t x = (<Spot**> a)[0].mark, y = (<Spot**> b)[0].mark
    return (x < y) - (x > y)
