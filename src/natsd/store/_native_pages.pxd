# The messages of one stream by sequence, for the native index and for stores that have one.

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #define NOBODY 0xFFFFFFFFu
    #define FAR 0xFFFFFFFFu
    #define HEADED 0x80000000u
    #define LASTING 0x40000000u
    #define LENGTH 0x3FFFFFFFu
    #if defined(__GNUC__)
    #define natsd_fetch(p) __builtin_prefetch(p)
    #else
    #define natsd_fetch(p) ((void)(p))
    #endif
    """
    void natsd_fetch(const void* p) noexcept  # into the cache
    uint32_t NOBODY  # a place without a message
    uint32_t FAR  # a neighbour further away than that
    uint32_t HEADED  # flags in a length: it has a header,
    uint32_t LASTING  # and max_age does not end it
    uint32_t LENGTH

cdef enum:
    PAGE_BITS = 12

cdef struct Entry:
    uint64_t position  # where the store has it
    uint32_t length  # its size as the limits count it, and flags
    uint32_t subject  # a row of the subjects; NOBODY: there is no message
    uint32_t back  # how far the last message of the subject lies before; 0: there is none
    uint32_t ahead

cdef struct Page:  # up to 4096 sequences; a page that has few messages left names their places
    uint64_t number
    uint64_t first  # sequence of its first place
    uint32_t n
    uint32_t capacity
    uint32_t live
    Entry* entries
    uint16_t* offsets  # NULL where the places have no gaps

cdef struct Pages:  # ascending; there is none without messages but maybe the last
    Page* base
    size_t head
    size_t end
    size_t capacity
    size_t hint

cdef struct Place:  # where a walk stands
    size_t page
    uint32_t at
    uint64_t seq

cdef Entry* pages_put(Pages* pages, uint64_t seq) except NULL
cdef void pages_cut(Pages* pages, Page* page, Entry* entry) noexcept
cdef void pages_free(Pages* pages) noexcept
cdef uint32_t sparse_at(Page* page, uint16_t offset) noexcept
cdef Page* page_search(Pages* pages, uint64_t number) noexcept


cdef inline Page* page_of(Pages* pages, uint64_t seq) noexcept:
    cdef uint64_t number = seq >> PAGE_BITS
    cdef size_t at = pages.hint
    if at < pages.end and at >= pages.head and pages.base[at].number == number:
        return &pages.base[at]
    return page_search(pages, number)


cdef inline Entry* entry_in(Page* page, uint64_t seq) noexcept:
    cdef uint64_t at
    cdef uint32_t place
    if page.offsets == NULL:
        at = seq - page.first
        if seq < page.first or at >= page.n or page.entries[at].subject == NOBODY:
            return NULL
        return &page.entries[at]
    place = sparse_at(page, <uint16_t> (seq & ((1 << PAGE_BITS) - 1)))
    if place < page.n and page.offsets[place] == (seq & ((1 << PAGE_BITS) - 1)) and (
            page.entries[place].subject != NOBODY):
        return &page.entries[place]
    return NULL


cdef inline Entry* entry_of(Pages* pages, uint64_t seq) noexcept:
    cdef Page* page = page_of(pages, seq)
    return NULL if page == NULL else entry_in(page, seq)


cdef inline void walk_from(Pages* pages, Place* place, uint64_t seq) noexcept:
    """Stand before the first message at or after `seq`."""
    cdef Page* page
    cdef size_t low = pages.head, high = pages.end, middle
    cdef uint64_t number = seq >> PAGE_BITS
    if low < high and pages.base[low].number >= number:
        high = low
    elif pages.hint < pages.end and pages.hint >= low and pages.base[pages.hint].number == number:
        low = high = pages.hint
    while low < high:
        middle = (low + high) >> 1
        if pages.base[middle].number < number:
            low = middle + 1
        else:
            high = middle
    place.page = low
    place.at = 0
    if low < pages.end:
        page = &pages.base[low]
        if page.number == number:
            if page.offsets != NULL:
                place.at = sparse_at(page, <uint16_t> (seq & ((1 << PAGE_BITS) - 1)))
            elif seq > page.first:
                place.at = page.n if seq - page.first >= page.n else <uint32_t> (seq - page.first)


cdef inline Entry* walk_on(Pages* pages, Place* place) noexcept:
    """The next message, with its sequence in the place; NULL at the end."""
    cdef Page* page
    cdef uint32_t at
    while place.page < pages.end:
        page = &pages.base[place.page]
        at = place.at
        while at < page.n:
            if page.entries[at].subject != NOBODY:
                place.at = at + 1
                place.seq = (page.first + at if page.offsets == NULL
                             else (page.number << PAGE_BITS) + page.offsets[at])
                return &page.entries[at]
            at += 1
        place.page += 1
        place.at = 0
    return NULL


cdef inline Entry* walk_back(Pages* pages, Place* place) noexcept:
    """The message before the place; NULL at the beginning."""
    cdef Page* page
    while True:
        if place.page < pages.end:
            page = &pages.base[place.page]
            while place.at:
                place.at -= 1
                if page.entries[place.at].subject != NOBODY:
                    place.seq = (page.first + place.at if page.offsets == NULL
                                 else (page.number << PAGE_BITS) + page.offsets[place.at])
                    return &page.entries[place.at]
        if place.page == pages.head:
            return NULL
        place.page -= 1
        place.at = pages.base[place.page].n
