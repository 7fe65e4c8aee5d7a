# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Where subscriptions stand: arrays of them, the leaf of one subject, and the trie of subjects with wildcards.

Owned references in C arrays are counted by hand here and in `_native_sublist` and nowhere else. Nothing here runs
Python code while a pointer into a table is held. Walks keep a stack of their own: a subject may be deeper than C's.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from natsd.kernel._native_road cimport Outbound

cdef extern from "hash.h" nogil:
    uint64_t natsd_hash(const char* p, size_t n, uint64_t seed)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Subscription:
    """One interest in a subject: of a connection (`outbound`), or of the server itself (`handler`)."""

    def __init__(self, bytes subject not None, bytes sid not None, bytes queue=None, Outbound outbound=None,
                 handler=None):
        if outbound is None and handler is None:
            raise ValueError(f"subscription on {subject!r} has neither an outbound nor a handler")
        cdef size_t sid_size = PyBytes_GET_SIZE(sid)
        self.subject = subject
        self.sid = sid
        if sid_size < sizeof(self.label):
            memcpy(self.label, PyBytes_AS_STRING(sid), sid_size)
            self.label[sid_size] = c' '
            self.label_size = <uint32_t> sid_size + 1
        self.queue = queue
        self.outbound = outbound
        self.handler = handler

    def run_batch(self):
        """Hand the gathered messages to the handler."""
        batch, self.batch = self.batch, None
        if self.handler is not None and batch:
            self.handler(batch)


# ---- arrays of subscriptions

cdef inline PyObject** slots_of(Slots* slots) noexcept:
    return &slots.one if slots.capacity <= 1 else slots.items


cdef int slots_add(Slots* slots, Subscription sub) except -1:
    cdef uint32_t capacity
    cdef PyObject** fresh
    if slots.n == 0 and slots.capacity <= 1:
        slots.capacity = 1
    elif slots.n == slots.capacity:
        capacity = slots.capacity * 2
        fresh = <PyObject**> (realloc(slots.items, capacity * sizeof(PyObject*)) if slots.capacity > 1
                              else malloc(capacity * sizeof(PyObject*)))
        if fresh == NULL:
            raise MemoryError(f"no memory for {capacity} subscriptions")
        if slots.capacity == 1:
            fresh[0] = slots.one
        slots.items = fresh
        slots.capacity = capacity
    Py_INCREF(sub)
    sub.slot = slots.n
    sub.inside = True
    slots_of(slots)[slots.n] = <PyObject*> sub
    slots.n += 1
    return 0


cdef bint slots_remove(Slots* slots, Subscription sub) noexcept:
    """The last takes the removed one's place."""
    cdef PyObject** items = slots_of(slots)
    cdef PyObject* last
    if sub.slot >= slots.n or items[sub.slot] != <PyObject*> sub:
        return False
    slots.n -= 1
    last = items[slots.n]
    if last != <PyObject*> sub:
        items[sub.slot] = last
        (<Subscription> last).slot = sub.slot
    sub.inside = False
    sub.closed = True
    if slots.n == 0 and slots.capacity > 1:
        free(slots.items)
        slots.capacity = 1
    Py_DECREF(sub)
    return True


cdef void slots_clear(Slots* slots) noexcept:
    cdef PyObject** items = slots_of(slots)
    cdef uint32_t i
    for i in range(slots.n):
        (<Subscription> items[i]).inside = False
        (<Subscription> items[i]).closed = True
        Py_DECREF(<object> items[i])
    if slots.capacity > 1:
        free(slots.items)
    slots.n = 0
    slots.capacity = 0


# ---- the subscriptions of one subject

cdef Leaf* leaf_new() except NULL:
    cdef Leaf* leaf = <Leaf*> calloc(1, sizeof(Leaf))
    if leaf == NULL:
        raise MemoryError("no memory for a subscription")
    return leaf


cdef void leaf_free(Leaf* leaf) noexcept:
    cdef uint32_t i
    slots_clear(&leaf.plain)
    for i in range(leaf.ngroups):
        slots_clear(&leaf.groups[i].members)
        Py_DECREF(<object> leaf.groups[i].queue)
        free(leaf.groups[i])
    free(leaf.groups)
    if leaf.subject != NULL:
        Py_DECREF(<object> leaf.subject)
    free(leaf)


cdef Group* leaf_group(Leaf* leaf, bytes queue) noexcept:
    cdef uint32_t i
    for i in range(leaf.ngroups):
        if same_bytes(leaf.groups[i].queue, <PyObject*> queue):
            return leaf.groups[i]
    return NULL


cdef int leaf_add(Leaf* leaf, Subscription sub) except -1:
    cdef Group* group
    cdef Group** groups
    if sub.queue is None:
        return slots_add(&leaf.plain, sub)
    group = leaf_group(leaf, sub.queue)
    if group == NULL:
        groups = <Group**> realloc(leaf.groups, (leaf.ngroups + 1) * sizeof(Group*))
        if groups == NULL:
            raise MemoryError("no memory for a queue group")
        leaf.groups = groups
        group = <Group*> calloc(1, sizeof(Group))
        if group == NULL:
            raise MemoryError("no memory for a queue group")
        Py_INCREF(sub.queue)
        group.queue = <PyObject*> sub.queue
        groups[leaf.ngroups] = group
        leaf.ngroups += 1
    return slots_add(&group.members, sub)


cdef bint leaf_remove(Leaf* leaf, Subscription sub) noexcept:
    cdef Group* group
    cdef uint32_t i
    if sub.queue is None:
        return slots_remove(&leaf.plain, sub)
    group = leaf_group(leaf, sub.queue)
    if group == NULL or not slots_remove(&group.members, sub):
        return False
    if group.members.n == 0:
        i = 0
        while leaf.groups[i] != group:
            i += 1
        leaf.ngroups -= 1
        while i < leaf.ngroups:
            leaf.groups[i] = leaf.groups[i + 1]
            i += 1
        slots_clear(&group.members)
        Py_DECREF(<object> group.queue)
        free(group)
    return True


cdef bint leaf_empty(Leaf* leaf) noexcept:
    return leaf.plain.n == 0 and leaf.ngroups == 0


cdef bint same_bytes(PyObject* a, PyObject* b) noexcept:
    return a == b or (PyBytes_GET_SIZE(<object> a) == PyBytes_GET_SIZE(<object> b) and memcmp(
        PyBytes_AS_STRING(<object> a), PyBytes_AS_STRING(<object> b), PyBytes_GET_SIZE(<object> a)) == 0)


# ---- the trie of subjects with wildcards

cdef Twig* twig_new(const char* token, uint32_t size, uint64_t hash) except NULL:
    cdef Twig* twig = <Twig*> calloc(1, sizeof(Twig) + size)
    if twig == NULL:
        raise MemoryError("no memory for a subject's token")
    twig.token = <char*> twig + sizeof(Twig)
    twig.size = size
    twig.hash = hash
    if size:
        memcpy(twig.token, token, size)
    return twig


cdef void twig_free(Twig* root) noexcept:
    # With a stack of its own: a subject may be deeper than the C stack is.
    cdef Twig* twig
    cdef uint32_t i
    cdef size_t n, capacity = 64
    cdef Twig** stack = <Twig**> malloc(capacity * sizeof(Twig*))
    if stack == NULL:
        return  # memory is lost rather than the process
    stack[0] = root
    n = 1
    while n:
        n -= 1
        twig = stack[n]
        if n + twig.nkids + 2 > capacity:
            capacity = (n + twig.nkids + 2) * 2
            stack = <Twig**> realloc(stack, capacity * sizeof(Twig*))
            if stack == NULL:
                return
        if twig.star != NULL:
            stack[n] = twig.star
            n += 1
        if twig.full != NULL:
            stack[n] = twig.full
            n += 1
        for i in range(twig.capacity):
            if twig.kids[i] != NULL:
                stack[n] = twig.kids[i]
                n += 1
        if twig.leaf != NULL:
            leaf_free(twig.leaf)
        free(twig.kids)
        free(twig)
    free(stack)


cdef Twig* twig_kid(Twig* twig, const char* token, size_t size, uint64_t hash) noexcept:
    cdef uint32_t at
    cdef Twig* kid
    if twig.nkids == 0:
        return NULL
    at = hash & (twig.capacity - 1)
    while True:
        kid = twig.kids[at]
        if kid == NULL:
            return NULL
        if kid.hash == hash and kid.size == size and memcmp(kid.token, token, size) == 0:
            return kid
        at = (at + 1) & (twig.capacity - 1)


cdef void twig_place(Twig* twig, Twig* kid) noexcept:
    cdef uint32_t at = kid.hash & (twig.capacity - 1)
    while twig.kids[at] != NULL:
        at = (at + 1) & (twig.capacity - 1)
    twig.kids[at] = kid


cdef int twig_add_kid(Twig* twig, Twig* kid) except -1:
    cdef Twig** old = twig.kids
    cdef uint32_t i, capacity = twig.capacity
    if (twig.nkids + 1) * 4 > capacity * 3:
        twig.capacity = capacity * 2 if capacity else 4
        twig.kids = <Twig**> calloc(twig.capacity, sizeof(Twig*))
        if twig.kids == NULL:
            twig.kids = old
            twig.capacity = capacity
            raise MemoryError("no memory for a subject's tokens")
        for i in range(capacity):
            if old[i] != NULL:
                twig_place(twig, old[i])
        free(old)
    twig_place(twig, kid)
    twig.nkids += 1
    return 0


cdef void twig_drop_kid(Twig* twig, Twig* kid) noexcept:
    cdef uint32_t mask = twig.capacity - 1
    cdef uint32_t at = kid.hash & mask
    cdef Twig* moved
    while twig.kids[at] != kid:
        at = (at + 1) & mask
    twig.kids[at] = NULL
    twig.nkids -= 1
    # Those behind may have stood there because this place was taken.
    at = (at + 1) & mask
    while twig.kids[at] != NULL:
        moved = twig.kids[at]
        twig.kids[at] = NULL
        twig_place(twig, moved)
        at = (at + 1) & mask
    if twig.nkids == 0:
        free(twig.kids)
        twig.kids = NULL
        twig.capacity = 0


cdef bint has_wildcard(const char* subject, size_t size) noexcept:
    cdef size_t i
    for i in range(size):
        if (subject[i] == c'*' or subject[i] == c'>') and (i == 0 or subject[i - 1] == c'.') and (
                i + 1 == size or subject[i + 1] == c'.'):
            return True
    return False


cdef Twig* twig_step(Twig* twig, const char* token, size_t size, uint64_t seed, bint make) except? NULL:
    """The place of the next token of a filter; where `make` is false NULL if there is none."""
    cdef Twig* kid
    cdef uint64_t hash
    if size == 1 and token[0] == c'*':
        if twig.star == NULL and make:
            twig.star = twig_new(NULL, 0, 0)
        return twig.star
    if size == 1 and token[0] == c'>':
        if twig.full == NULL and make:
            twig.full = twig_new(NULL, 0, 0)
        return twig.full
    hash = natsd_hash(token, size, seed)
    kid = twig_kid(twig, token, size, hash)
    if kid == NULL and make:
        kid = twig_new(token, <uint32_t> size, hash)
        twig_add_kid(twig, kid)
    return kid


cdef int trie_insert(Twig* root, Subscription sub, uint64_t seed) except -1:
    cdef const char* subject = PyBytes_AS_STRING(sub.subject)
    cdef size_t size = PyBytes_GET_SIZE(sub.subject)
    cdef size_t begin = 0, end
    cdef Twig* twig = root
    while begin <= size:
        end = token_end(subject, begin, size)
        twig = twig_step(twig, subject + begin, end - begin, seed, True)
        begin = end + 1
    if twig.leaf == NULL:
        twig.leaf = leaf_new()
    return leaf_add(twig.leaf, sub)


cdef bint trie_remove(Twig* root, Subscription sub, uint64_t seed) except -1:
    """Take a subscription out, and the places that only it needed; False where it was not in."""
    cdef const char* subject = PyBytes_AS_STRING(sub.subject)
    cdef size_t size = PyBytes_GET_SIZE(sub.subject)
    cdef size_t begin = 0, end, depth = 0, k, ntokens = 1
    cdef Twig* twig = root
    cdef Twig* kid
    cdef Twig** path
    for k in range(size):
        if subject[k] == c'.':
            ntokens += 1
    path = <Twig**> malloc((ntokens + 1) * sizeof(Twig*))
    if path == NULL:
        raise MemoryError("no memory to remove a subscription")
    try:
        path[0] = twig
        while begin <= size:
            end = token_end(subject, begin, size)
            twig = twig_step(twig, subject + begin, end - begin, seed, False)
            if twig == NULL:
                return False
            depth += 1
            path[depth] = twig
            begin = end + 1
        if twig.leaf == NULL or not leaf_remove(twig.leaf, sub):
            return False
        if not leaf_empty(twig.leaf):
            return True
        leaf_free(twig.leaf)
        twig.leaf = NULL
        while depth:
            kid = path[depth]
            if kid.leaf != NULL or kid.nkids or kid.star != NULL or kid.full != NULL:
                break
            depth -= 1
            twig = path[depth]
            if twig.star == kid:
                twig.star = NULL
            elif twig.full == kid:
                twig.full = NULL
            else:
                twig_drop_kid(twig, kid)
            free(kid)
        return True
    finally:
        free(path)


cdef inline size_t token_end(const char* subject, size_t begin, size_t size) noexcept:
    while begin < size and subject[begin] != c'.':
        begin += 1
    return begin


# ---- listing and matching

cdef int list_leaf(list into, Leaf* leaf) except -1:
    cdef uint32_t i, k
    for i in range(leaf.plain.n):
        into.append(<object> slots_of(&leaf.plain)[i])
    for i in range(leaf.ngroups):
        for k in range(leaf.groups[i].members.n):
            into.append(<object> slots_of(&leaf.groups[i].members)[k])
    return 0


cdef int list_trie(list into, Twig* root) except -1:
    """Add every subscription of the trie."""
    cdef size_t i, n = 1, capacity = 64
    cdef Twig** stack = <Twig**> malloc(capacity * sizeof(Twig*))
    cdef void* fresh
    cdef Twig* twig
    if stack == NULL:
        raise MemoryError("no memory to list subscriptions")
    try:
        stack[0] = root
        while n:
            n -= 1
            twig = stack[n]
            if n + twig.nkids + 2 > capacity:
                capacity = (n + twig.nkids + 2) * 2
                fresh = realloc(stack, capacity * sizeof(Twig*))
                if fresh == NULL:
                    raise MemoryError("no memory to list subscriptions")
                stack = <Twig**> fresh
            if twig.leaf != NULL:
                list_leaf(into, twig.leaf)
            if twig.star != NULL:
                stack[n] = twig.star
                n += 1
            if twig.full != NULL:
                stack[n] = twig.full
                n += 1
            for i in range(twig.capacity):
                if twig.kids[i] != NULL:
                    stack[n] = twig.kids[i]
                    n += 1
    finally:
        free(stack)
    return 0


cdef int gather(Gathered* into, Leaf* leaf) except -1:
    cdef PyObject** items
    cdef Gathering* group
    cdef Group* source
    cdef size_t wanted, k
    cdef uint32_t i
    cdef void* fresh
    if leaf.plain.n:
        wanted = into.nplain + leaf.plain.n
        if wanted > into.plain_capacity:
            fresh = realloc(into.plain, wanted * 2 * sizeof(PyObject*))
            if fresh == NULL:
                raise MemoryError(f"no memory for {wanted} matches")
            into.plain = <PyObject**> fresh
            into.plain_capacity = wanted * 2
        memcpy(into.plain + into.nplain, slots_of(&leaf.plain), leaf.plain.n * sizeof(PyObject*))
        into.nplain = wanted
    for i in range(leaf.ngroups):
        source = leaf.groups[i]
        group = NULL
        for k in range(into.ngroups):
            if same_bytes(into.groups[k].queue, source.queue):
                group = &into.groups[k]
                break
        if group == NULL:
            if into.ngroups == into.groups_capacity:
                fresh = realloc(into.groups, (into.groups_capacity * 2 + 4) * sizeof(Gathering))
                if fresh == NULL:
                    raise MemoryError("no memory for matches")
                into.groups = <Gathering*> fresh
                into.groups_capacity = into.groups_capacity * 2 + 4
            group = &into.groups[into.ngroups]
            into.ngroups += 1
            memset(group, 0, sizeof(Gathering))
            group.queue = source.queue
        wanted = group.n + source.members.n
        if wanted > group.capacity:
            fresh = realloc(group.items, wanted * 2 * sizeof(PyObject*))
            if fresh == NULL:
                raise MemoryError(f"no memory for {wanted} matches")
            group.items = <PyObject**> fresh
            group.capacity = wanted * 2
        memcpy(group.items + group.n, slots_of(&source.members), source.members.n * sizeof(PyObject*))
        group.n = wanted
    return 0


cdef struct Step:
    Twig* twig
    uint32_t at
    bint full


cdef int gather_trie(Gathered* into, Twig* root, const char* subject, size_t size, uint64_t seed) except -1:
    """Add what the trie holds for a subject without empty tokens: depth first, `>` before `*` before the token."""
    cdef uint32_t ntokens = 1, at, i
    cdef size_t k, begin
    cdef uint32_t* ends
    cdef Step* stack
    cdef size_t n, capacity
    cdef Twig* twig
    cdef Twig* kid
    cdef void* fresh
    cdef uint32_t few_ends[32]
    cdef Step few_steps[64]
    for k in range(size):
        if subject[k] == c'.':
            ntokens += 1
    ends = &few_ends[0] if ntokens <= 32 else <uint32_t*> malloc(ntokens * sizeof(uint32_t))
    if ends == NULL:
        raise MemoryError("no memory to match a subject")
    i = 0
    for k in range(size):
        if subject[k] == c'.':
            ends[i] = <uint32_t> k
            i += 1
    ends[i] = <uint32_t> size
    stack = &few_steps[0]
    capacity = 64
    stack[0].twig = root
    stack[0].at = 0
    stack[0].full = False
    n = 1
    try:
        while n:
            n -= 1
            twig = stack[n].twig
            at = stack[n].at
            if stack[n].full or at == ntokens:
                if twig.leaf != NULL:
                    gather(into, twig.leaf)
                continue
            if n + 3 > capacity:
                if stack == &few_steps[0]:
                    fresh = malloc(capacity * 2 * sizeof(Step))
                    if fresh != NULL:
                        memcpy(fresh, stack, n * sizeof(Step))
                else:
                    fresh = realloc(stack, capacity * 2 * sizeof(Step))
                if fresh == NULL:
                    raise MemoryError("no memory to match a subject")
                stack = <Step*> fresh
                capacity *= 2
            if twig.nkids:
                begin = ends[at - 1] + 1 if at else 0
                kid = twig_kid(twig, subject + begin, ends[at] - begin,
                               natsd_hash(subject + begin, ends[at] - begin, seed))
                if kid != NULL:
                    stack[n].twig = kid
                    stack[n].at = at + 1
                    stack[n].full = False
                    n += 1
            if twig.star != NULL:
                stack[n].twig = twig.star
                stack[n].at = at + 1
                stack[n].full = False
                n += 1
            if twig.full != NULL:
                stack[n].twig = twig.full
                stack[n].at = at + 1
                stack[n].full = True
                n += 1
    finally:
        if ends != &few_ends[0]:
            free(ends)
        if stack != &few_steps[0]:
            free(stack)
    return 0


cdef bint has_empty_token(const char* subject, size_t size) noexcept:
    cdef size_t i
    if size == 0 or subject[0] == c'.' or subject[size - 1] == c'.':
        return True
    for i in range(1, size):
        if subject[i] == c'.' and subject[i - 1] == c'.':
            return True
    return False


cdef void ungather(Gathered* found) noexcept:
    cdef size_t i
    for i in range(found.ngroups):
        free(found.groups[i].items)
    free(found.groups)
    free(found.plain)
