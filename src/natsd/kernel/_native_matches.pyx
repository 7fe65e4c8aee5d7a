# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Which subscriptions of an account match a subject, and the cache of results; `_plain_sublist` states the order.

A Match may outlive its place in the cache: whoever uses one holds a count on it. No Python code runs between taking a
pointer into a table and its last use, except in `look_up` (the mapper), which takes its pointers afterwards.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF

from natsd.kernel._native_interest cimport (
    Gathered, Leaf, Members, Subscription, gather, gather_trie, has_empty_token, has_wildcard, leaf_add, leaf_empty,
    leaf_new, leaf_remove, list_trie, trie_insert, trie_remove, twig_free, twig_kid, twig_new, ungather
)
from natsd.kernel._native_literals cimport (
    literals_add, literals_drop, literals_find, literals_free, literals_has, literals_list
)
from natsd.kernel._native_road cimport Road

cdef extern from "hash.h" nogil:
    uint64_t natsd_hash(const char* p, size_t n, uint64_t seed)

cdef enum:
    WAYS = 4
    FIRST_SETS = 16
    MOST_SETS = 65536  # times WAYS: results kept at most
    MOST_REFERENCES = 1 << 21  # subscriptions named in them at most


cdef void release_match(Match* match) noexcept:
    cdef uint32_t i, k
    match.refs -= 1
    if match.refs > 0:
        return
    for i in range(match.nplain):
        Py_DECREF(<object> match.plain[i])
    for i in range(match.ngroups):
        for k in range(match.groups[i].n):
            Py_DECREF(<object> match.groups[i].items[k])
    free(match)


cdef class Matches:
    """One account's subscriptions, without delivery to them."""

    def __cinit__(self, Road road not None):
        self.trie = twig_new(NULL, 0, 0)

    def __init__(self, Road road not None):
        self.road = road
        self._mapper = None
        # Told the subject of each subscription that came or went; may take note only, for it is called amid deliveries.
        self.on_changed = None
        self.changed()

    def __dealloc__(self):
        self.drop_cache()
        free(self.cache)
        literals_free(&self.literals)
        if self.trie != NULL:
            twig_free(self.trie)

    def __len__(self):
        return self.count

    @property
    def mapper(self):
        """Ingress mapping: subject -> (subject to match and deliver as, whether that may be cached); None for none."""
        return self._mapper

    @mapper.setter
    def mapper(self, value):
        self._mapper = value
        self.changed()
        self.drop_cache()

    @property
    def cache_count(self):
        """How many results the cache holds."""
        cdef size_t i
        cdef int64_t n = 0
        for i in range(self.cache_sets * WAYS):
            if self.cache[i].match != NULL and self.cache[i].match.generation == self.generation:
                n += 1
        return n

    def clear_cache(self):
        """Forget every result; for when `mapper` or its rules change."""
        self.changed()
        self.drop_cache()

    cdef void changed(self) noexcept:
        self.road.versions += 1
        self.version = self.road.versions

    cdef void drop_cache(self) noexcept:
        cdef size_t i
        for i in range(self.cache_sets * WAYS):
            if self.cache[i].match != NULL:
                release_match(self.cache[i].match)
                self.cache[i].match = NULL
        self.cache_filled = 0
        self.cache_references = 0
        if self.family != NULL:
            release_match(self.family)
            self.family = NULL

    # -- insert and remove

    def insert(self, Subscription sub not None):
        """Add a subscription; its subject is valid (the caller's business)."""
        cdef const char* subject = PyBytes_AS_STRING(sub.subject)
        cdef size_t size = PyBytes_GET_SIZE(sub.subject)
        cdef uint64_t hash
        cdef Leaf* leaf
        if sub.inside:
            raise ValueError(f"subscription on {sub.subject!r} is in a sublist already")
        self.changed()
        if has_wildcard(subject, size):
            trie_insert(self.trie, sub, self.road.seed)
            self.generation += 1
        else:
            hash = natsd_hash(subject, size, self.road.seed)
            leaf = literals_find(&self.literals, sub.subject, hash)
            if leaf == NULL:
                leaf = leaf_new()
                leaf.hash = hash
                leaf.subject = <PyObject*> sub.subject
                Py_INCREF(sub.subject)
                literals_add(&self.literals, leaf)
            leaf_add(leaf, sub)
            self.forget(sub.subject, hash)
        self.count += 1
        self.inserts += 1
        if self.on_changed is not None:
            self.on_changed(sub.subject)

    cdef void forget(self, bytes subject, uint64_t hash) noexcept:
        # Mapping lets one subject be delivered as another, so with it a single entry cannot be told.
        cdef Entry* entry
        cdef int way
        if self._mapper is not None:
            self.generation += 1
            return
        if self.cache_sets == 0:
            return
        entry = &self.cache[(hash & (self.cache_sets - 1)) * WAYS]
        for way in range(WAYS):
            if entry[way].hash == hash and entry[way].match != NULL:
                self.cache_references -= references(entry[way].match)
                release_match(entry[way].match)
                entry[way].match = NULL
                self.cache_filled -= 1

    def remove(self, Subscription sub not None):
        """Take a subscription out; False where it was not in."""
        cdef const char* subject = PyBytes_AS_STRING(sub.subject)
        cdef size_t size = PyBytes_GET_SIZE(sub.subject)
        cdef uint64_t hash
        cdef Leaf* leaf
        if not sub.inside:
            return False
        if has_wildcard(subject, size):
            if not trie_remove(self.trie, sub, self.road.seed):
                return False
            self.generation += 1
        else:
            hash = natsd_hash(subject, size, self.road.seed)
            leaf = literals_find(&self.literals, sub.subject, hash)
            if leaf == NULL or not leaf_remove(leaf, sub):
                return False
            self.forget(sub.subject, hash)
            if leaf_empty(leaf):
                literals_drop(&self.literals, leaf)
        self.changed()
        self.count -= 1
        self.removes += 1
        sub.outbound = None  # results that still name it must not keep its connection alive
        if self.on_changed is not None:
            self.on_changed(sub.subject)
        return True

    # -- matching

    cdef Match* build(self, bytes subject, bytes deliver_as, bint keep, uint64_t hash) except NULL:
        cdef Gathered found
        cdef Match* match = NULL
        cdef Leaf* leaf
        cdef const char* name = PyBytes_AS_STRING(deliver_as)
        cdef size_t name_size = PyBytes_GET_SIZE(deliver_as)
        cdef size_t total, i, k
        cdef char* at
        cdef bint mapped = deliver_as is not subject
        memset(&found, 0, sizeof(found))
        try:
            if not has_empty_token(name, name_size):
                if self.literals.count:
                    leaf = literals_find(&self.literals, 
                        deliver_as, natsd_hash(name, name_size, self.road.seed) if mapped else hash)
                    if leaf != NULL:
                        gather(&found, leaf)
                if self.trie.nkids or self.trie.star != NULL or self.trie.full != NULL:
                    gather_trie(&found, self.trie, name, name_size, self.road.seed)
            total = sizeof(Match) + found.nplain * sizeof(PyObject*) + found.ngroups * sizeof(Members)
            for i in range(found.ngroups):
                total += found.groups[i].n * sizeof(PyObject*)
            # A subject's copy may be read SLACK bytes beyond its end.
            total += PyBytes_GET_SIZE(subject) + (name_size if mapped else 0) + 64
            match = <Match*> malloc(total)
            if match == NULL:
                raise MemoryError(f"no memory for a match of {found.nplain} subscriptions")
            memset(match, 0, sizeof(Match))
            match.refs = 1
            match.keep = keep
            match.hash = hash
            match.generation = self.generation
            match.nplain = <uint32_t> found.nplain
            match.ngroups = <uint32_t> found.ngroups
            at = <char*> match + sizeof(Match)
            match.plain = <PyObject**> at
            at += found.nplain * sizeof(PyObject*)
            match.groups = <Members*> at
            at += found.ngroups * sizeof(Members)
            for i in range(found.nplain):
                match.plain[i] = found.plain[i]
                Py_INCREF(<object> found.plain[i])
            for i in range(found.ngroups):
                match.groups[i].n = <uint32_t> found.groups[i].n
                match.groups[i].items = <PyObject**> at
                at += found.groups[i].n * sizeof(PyObject*)
                for k in range(found.groups[i].n):
                    match.groups[i].items[k] = found.groups[i].items[k]
                    Py_INCREF(<object> found.groups[i].items[k])
            match.subject = at
            match.size = <uint32_t> PyBytes_GET_SIZE(subject)
            memcpy(at, PyBytes_AS_STRING(subject), match.size)
            match.deliver_as = at
            match.as_size = match.size
            if mapped:
                at += match.size
                match.deliver_as = at
                match.as_size = <uint32_t> name_size
                memcpy(at, name, name_size)
        finally:
            ungather(&found)
        return match

    cdef Match* look_up(self, const char* subject, size_t size) except NULL:
        """A result for a published subject; the caller owns one count of it."""
        cdef uint64_t hash = natsd_hash(subject, size, self.road.seed)
        cdef Entry* entry
        cdef Match* match
        cdef int way
        cdef bytes name, deliver_as
        cdef bint keep = True
        self.matches += 1
        if self.cache_sets:
            entry = &self.cache[(hash & (self.cache_sets - 1)) * WAYS]
            for way in range(WAYS):
                if entry[way].hash == hash:
                    match = entry[way].match
                    if match != NULL and match.generation == self.generation and match.size == size and memcmp(
                            match.subject, subject, size) == 0:
                        self.cache_hits += 1
                        match.refs += 1
                        return match
        name = PyBytes_FromStringAndSize(subject, size)
        deliver_as = name
        if self._mapper is not None:
            deliver_as, keep = self._mapper(name)
            if deliver_as == name:
                deliver_as = name
        match = self.build(name, deliver_as, keep, hash)
        # The subject of an acknowledgement does not come again.
        if keep and not (size > 8 and memcmp(subject, b"$JS.ACK.", 8) == 0):
            self.keep_match(match)
        return match

    cdef void keep_match(self, Match* match) noexcept:
        cdef Entry* old = self.cache
        cdef Entry* fresh
        cdef Entry* entry
        cdef size_t i, sets, old_sets = self.cache_sets
        cdef int way
        if self.cache_references + references(match) > MOST_REFERENCES:
            self.drop_cache()
        if self.cache_filled * 2 >= self.cache_sets * WAYS and self.cache_sets < MOST_SETS:
            sets = self.cache_sets * 4 if self.cache_sets else FIRST_SETS
            fresh = <Entry*> calloc(sets * WAYS, sizeof(Entry))
            if fresh != NULL:
                self.cache = fresh
                self.cache_sets = sets
                self.cache_filled = 0
                self.cache_references = 0
                for i in range(old_sets * WAYS):
                    if old[i].match != NULL:
                        if old[i].match.generation == self.generation:
                            self.place(old[i].match)
                        else:
                            release_match(old[i].match)
                free(old)
        if self.cache_sets == 0:
            return  # no memory for a cache: every lookup builds its own
        match.refs += 1
        self.place(match)

    cdef void place(self, Match* match) noexcept:
        """Into its set: a free or stale place, else the next victim's."""
        cdef Entry* entry = &self.cache[(match.hash & (self.cache_sets - 1)) * WAYS]
        cdef int way
        for way in range(WAYS):
            if entry[way].match == NULL:
                self.cache_filled += 1
                break
            if entry[way].match.generation != self.generation:
                break
        else:
            way = self.victim % WAYS
            self.victim += 1
        if entry[way].match != NULL:
            self.cache_references -= references(entry[way].match)
            release_match(entry[way].match)
        entry[way].hash = match.hash
        entry[way].match = match
        self.cache_references += references(match)

    cdef Match* own_match(self, bytes subject) except NULL:
        """A result for a message of the server's own; the caller owns one count of it."""
        cdef const char* name = PyBytes_AS_STRING(subject)
        cdef size_t size = PyBytes_GET_SIZE(subject)
        if self._mapper is None:
            return self.look_up(name, size)
        return self.build(subject, subject, False, natsd_hash(name, size, self.road.seed))

    cdef Match* reply_match(self, const char* to, size_t size, bytes subject) except NULL:
        """As own_match, for subjects that are new each time: one result serves all that differ in the last token only.

        The caller owns one count of it, and puts the subject to show in its own copy. subject: `to`, as an object.
        """
        cdef uint64_t hash
        cdef size_t begin = size
        cdef Match* match
        while begin and to[begin - 1] != c'.':
            begin -= 1
        if begin == 0 or begin == size:
            return self.own_match(subject)
        hash = natsd_hash(to, size, self.road.seed)
        if literals_has(&self.literals, to, size, hash):
            return self.own_match(subject)
        if (self.family != NULL and self.family_version == self.version and self.family_size == begin
                and memcmp(self.family.subject, to, begin) == 0):
            self.matches += 1
            self.cache_hits += 1
            self.family.refs += 1
            return self.family
        if has_empty_token(to, size) or not trie_blunt(self.trie, to, size, self.road.seed):
            return self.own_match(subject)
        self.matches += 1
        match = self.build(subject, subject, False, hash)
        if self.family != NULL:
            release_match(self.family)
        self.family = match
        self.family_size = begin
        self.family_version = self.version
        match.refs += 1
        return match

    def match(self, bytes subject not None):
        """Plain subscriptions and queue groups that a message on `subject` reaches (no mapping applied)."""
        cdef Match* match
        cdef uint32_t i, k
        match = self.build(subject, subject, False,
                           natsd_hash(PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject), self.road.seed))
        try:
            return (
                [<object> match.plain[i] for i in range(match.nplain)],
                [[<object> match.groups[i].items[k] for k in range(match.groups[i].n)] for i in range(match.ngroups)],
            )
        finally:
            release_match(match)

    def has_interest(self, bytes subject not None):
        """Whether anybody would get a message of the server's own on `subject`."""
        cdef Match* match = self.own_match(subject)
        cdef bint found = match.nplain or match.ngroups
        release_match(match)
        return found

    # -- looking in

    def stats(self):
        """The figures /subsz shows."""
        cdef size_t i
        cdef int64_t n = 0, fanout, most = 0, total = 0
        cdef Match* match
        for i in range(self.cache_sets * WAYS):
            match = self.cache[i].match
            if match != NULL and match.generation == self.generation:
                n += 1
                fanout = references(match)
                total += fanout
                if fanout > most:
                    most = fanout
        return {
            "num_subscriptions": self.count,
            "num_cache": n,
            "num_inserts": self.inserts,
            "num_removes": self.removes,
            "num_matches": self.matches,
            "cache_hit_rate": self.cache_hits / <double> self.matches if self.matches else 0.0,
            "max_fanout": most,
            "avg_fanout": total / <double> n if n else 0.0,
        }

    def subscriptions(self):
        """Every subscription, in no order."""
        cdef list found = []
        literals_list(found, &self.literals)
        list_trie(found, self.trie)
        return iter(found)


cdef inline int64_t references(Match* match) noexcept:
    cdef int64_t n = match.nplain
    cdef uint32_t i
    for i in range(match.ngroups):
        n += match.groups[i].n
    return n


cdef bint trie_blunt(Twig* root, const char* subject, size_t size, uint64_t seed) noexcept:
    """Whether the trie answers alike for every subject that differs from this one in its last token only."""
    cdef Twig* twigs[64]
    cdef size_t begins[64]
    cdef size_t n = 1, begin, end
    cdef Twig* twig
    cdef Twig* kid
    twigs[0] = root
    begins[0] = 0
    while n:
        n -= 1
        twig = twigs[n]
        begin = begins[n]
        end = begin
        while end < size and subject[end] != c'.':
            end += 1
        if end == size:
            if twig.nkids:
                return False
            continue
        if n + 2 > 64:
            return False
        if twig.nkids:
            kid = twig_kid(twig, subject + begin, end - begin, natsd_hash(subject + begin, end - begin, seed))
            if kid != NULL:
                twigs[n] = kid
                begins[n] = end + 1
                n += 1
        if twig.star != NULL:
            twigs[n] = twig.star
            begins[n] = end + 1
            n += 1
    return True
