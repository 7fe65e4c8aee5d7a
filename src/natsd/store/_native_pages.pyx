# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The messages of one stream by sequence: pages of places, of which only the last grows.

A sequence range that lost most of its messages costs little, and one that has none nothing, however long it is: a
bucket whose oldest key never changes keeps one page for it. No place's address outlives a call that adds or removes.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove, memset

cdef enum:
    PAGE_PLACES = 4096
    FIRST_PLACES = 16


cdef Page* page_search(Pages* pages, uint64_t number) noexcept:
    cdef size_t low = pages.head, high = pages.end, at
    cdef uint64_t distance
    if low == high or number < pages.base[low].number:
        return NULL
    distance = number - pages.base[low].number
    if distance < high - low and pages.base[low + distance].number == number:
        pages.hint = low + distance
        return &pages.base[pages.hint]
    while low < high:
        at = (low + high) >> 1
        if pages.base[at].number < number:
            low = at + 1
        else:
            high = at
    if low == pages.end or pages.base[low].number != number:
        return NULL
    pages.hint = low
    return &pages.base[low]


cdef uint32_t sparse_at(Page* page, uint16_t offset) noexcept:
    """The first place at or after an offset."""
    cdef uint32_t low = 0, high = page.n, at
    while low < high:
        at = (low + high) >> 1
        if page.offsets[at] < offset:
            low = at + 1
        else:
            high = at
    return low


cdef int page_grow(Page* page, uint32_t wanted) except -1:
    cdef uint32_t capacity = page.capacity * 2 if page.capacity else FIRST_PLACES
    cdef Entry* entries
    while capacity < wanted:
        capacity *= 2
    entries = <Entry*> realloc(page.entries, capacity * sizeof(Entry))
    if entries == NULL:
        raise MemoryError(f"no memory to know of {capacity} messages")
    page.entries = entries
    page.capacity = capacity
    return 0


cdef void page_shrink(Page* page) noexcept:
    """Keep no places but those with a message. Without memory it stays as it is."""
    cdef uint16_t* offsets = <uint16_t*> malloc((page.live or 1) * sizeof(uint16_t))
    cdef Entry* entries
    cdef uint32_t i, n = 0
    if offsets == NULL:
        return
    for i in range(page.n):
        if page.entries[i].subject != NOBODY:
            offsets[n] = page.offsets[i] if page.offsets != NULL else <uint16_t> (
                (page.first + i) & (PAGE_PLACES - 1))
            page.entries[n] = page.entries[i]
            n += 1
    free(page.offsets)
    page.offsets = offsets
    page.n = n
    entries = <Entry*> realloc(page.entries, (n or 1) * sizeof(Entry))
    if entries != NULL:
        page.entries = entries
        page.capacity = n or 1


cdef Page* pages_open(Pages* pages, uint64_t seq) except NULL:
    cdef Page* page
    cdef Page* base
    cdef size_t capacity
    if pages.end > pages.head:
        page = &pages.base[pages.end - 1]
        if page.live * 8 < page.n:
            page_shrink(page)
    if pages.end == pages.capacity:
        if pages.head * 2 > pages.capacity:
            memmove(pages.base, pages.base + pages.head, (pages.end - pages.head) * sizeof(Page))
            pages.end -= pages.head
            pages.head = 0
            pages.hint = 0
        else:
            capacity = pages.capacity * 2 if pages.capacity else 4
            base = <Page*> realloc(pages.base, capacity * sizeof(Page))
            if base == NULL:
                raise MemoryError(f"no memory to know of {capacity} pages of messages")
            pages.base = base
            pages.capacity = capacity
    page = &pages.base[pages.end]
    memset(page, 0, sizeof(Page))
    page.number = seq >> PAGE_BITS
    page.first = seq
    pages.end += 1
    return page


cdef Entry* pages_put(Pages* pages, uint64_t seq) except NULL:
    """The place of a sequence above all others, for the caller to fill in."""
    cdef Page* page = &pages.base[pages.end - 1] if pages.end > pages.head else NULL
    cdef uint32_t at
    if page != NULL and page.live == 0:
        # It was left for this: a stream that empties all the time keeps its page.
        page.number = seq >> PAGE_BITS
        page.first = seq
        page.n = 0
    elif page == NULL or page.number != seq >> PAGE_BITS or page.offsets != NULL:
        page = pages_open(pages, seq)
    at = <uint32_t> (seq - page.first)
    if at >= page.capacity:
        page_grow(page, at + 1)
    while page.n < at:
        page.entries[page.n].subject = NOBODY
        page.n += 1
    page.n = at + 1
    page.live += 1
    pages.hint = pages.end - 1
    return &page.entries[at]


cdef void pages_cut(Pages* pages, Page* page, Entry* entry) noexcept:
    """Take a message out."""
    cdef size_t at = page - pages.base
    entry.subject = NOBODY
    page.live -= 1
    if at + 1 == pages.end:
        return
    if page.live == 0:
        free(page.entries)
        free(page.offsets)
        if at == pages.head:
            pages.head += 1
        else:
            memmove(page, page + 1, (pages.end - at - 1) * sizeof(Page))
            pages.end -= 1
        return
    if page.live * (2 if page.offsets != NULL else 8) < page.n:
        page_shrink(page)


cdef void pages_free(Pages* pages) noexcept:
    cdef size_t i
    for i in range(pages.head, pages.end):
        free(pages.base[i].entries)
        free(pages.base[i].offsets)
    free(pages.base)
    memset(pages, 0, sizeof(Pages))
