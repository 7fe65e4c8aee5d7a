/* The disk thread of the native log. It never holds the interpreter lock.

   1. The loop thread fills chunks and says how far (natsd_disk_publish); only the disk thread writes and syncs.
   2. What is published is written, then synced, then `durable` grows, then the eventfd is written: in this order. The
      last is left out while the loop thread has said that it will look by itself (`watched`).
   3. An error ends the thread. Nothing is tried again and `durable` never grows from then on. That there are too many
      open files is none: nothing was written or synced yet.
   4. The mutex guards the ring of chunks, `published`, `durable`, the orders and the error; chunk bytes below
      `published` never change.
   5. A new segment is a spare file under a new name, or a new file; its directory is synced before anything in it
      counts as durable.
   6. Where a trace is asked for, every system call that changes the directory is noted there once it is done.
   7. A test may have one of these calls fail: the fault_at-th, as if the system had said `fault` (0: a short write). */
#ifndef NATSD_DISK_H
#define NATSD_DISK_H
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NATSD_SPANS = 256, NATSD_OPEN_FILES = 8, NATSD_STEP_BYTES = 1 << 17 };
enum { NATSD_SHARES = 16, NATSD_SPARES = 4, NATSD_PATIENCE = 6000, NATSD_PAUSE_NS = 10000000 };

typedef struct natsd_chunk {
    uint32_t segment, offset; /* where its first byte belongs */
    size_t cap, filled, published, written;
    char *data;
} natsd_chunk;

enum { NATSD_RECYCLE = 1, NATSD_OVERWRITE = 2, NATSD_KEEP = 3 };

typedef struct natsd_order { /* to be carried out once `durable` has reached `after` */
    int what;
    uint64_t after;
    uint32_t segment, offset;
    size_t n;
    char *data, name[32];
    struct natsd_order *next;
} natsd_order;

typedef struct natsd_disk {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    int dir, trace, event, running, stop, failed, in_step, carrying, watched;
    char failed_at[64];
    natsd_chunk **ring; /* ring[(first + i) % cap], i < count */
    size_t first, count, ring_cap, next_to_write;
    size_t cached_bytes;
    uint64_t unwritten_bytes;
    uint64_t published, written, durable, synced;
    uint64_t syncs, writes;
    int64_t sync_interval_ns; /* 0: durable after the sync, else after the write */
    uint64_t segment_bytes;
    uint32_t spares, spares_wanted, spare_made, spare_first;
    natsd_order *orders, **orders_end;
    /* the disk thread's own */
    struct { uint32_t segment; int fd, dirty; off_t size; } files[NATSD_OPEN_FILES];
    int dir_dirty;
    /* tests only */
    uint64_t calls, fault_at;
    int64_t slow_ns; /* what every sync takes longer */
    int fault;
} natsd_disk;

/* Is this the call that has to fail? */
static inline int natsd_disk_faulty(natsd_disk *d) {
    if (!d->fault_at || ++d->calls != d->fault_at) return 0;
    errno = d->fault;
    return 1;
}

static inline int natsd_disk_fail(natsd_disk *d, const char *at, int error) {
    pthread_mutex_lock(&d->mutex);
    if (!d->failed) {
        snprintf(d->failed_at, sizeof d->failed_at, "%s", at);
        d->failed = error ? error : EIO; /* last: whoever sees it reads the text without the mutex */
    }
    pthread_mutex_unlock(&d->mutex);
    return -1;
}

static inline void natsd_disk_wake(natsd_disk *d) {
    uint64_t one = 1;
    ssize_t done;
    do done = write(d->event, &one, 8);
    while (done < 0 && errno == EINTR);
}

/* One step of a trace: what, the lengths of two names, place and length of data; then these. */
static inline void natsd_disk_note(natsd_disk *d, char what, const char *name, const char *other, uint64_t at,
                                   const struct iovec *v, int n) {
    struct { uint32_t what, name, other, pad; uint64_t at, n; } head = {(uint32_t)what, 0, 0, 0, at, 0};
    struct iovec all[NATSD_SPANS + 3];
    if (d->trace < 0) return;
    head.name = (uint32_t)strlen(name);
    head.other = (uint32_t)strlen(other);
    all[0].iov_base = &head;
    all[0].iov_len = sizeof head;
    all[1].iov_base = (void *)name;
    all[1].iov_len = head.name;
    all[2].iov_base = (void *)other;
    all[2].iov_len = head.other;
    for (int i = 0; i < n; i++) {
        all[3 + i] = v[i];
        head.n += v[i].iov_len;
    }
    if (writev(d->trace, all, n + 3) < 0) d->trace = -1;
}

static inline int64_t natsd_disk_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Much is written in pieces of this size, and the disk told to begin with each while the next one is copied. */
enum { NATSD_PIECE = 1 << 20 };

static inline int natsd_disk_write(natsd_disk *d, int fd, const char *name, struct iovec *v, int n, off_t at) {
    size_t total = 0;
    natsd_disk_note(d, 'w', name, "", (uint64_t)at, v, n);
    for (int i = 0; i < n; i++) total += v[i].iov_len;
    while (n) {
        ssize_t done = -1;
        struct iovec piece = v[0];
        size_t size = 0;
        int k = 0;
        while (k < n && size + v[k].iov_len <= NATSD_PIECE) size += v[k++].iov_len;
        if (!k) piece.iov_len = NATSD_PIECE;
        if (!natsd_disk_faulty(d)) done = k ? pwritev(fd, v, k, at) : pwritev(fd, &piece, 1, at);
        else if (!d->fault) done = pwrite(fd, v->iov_base, v->iov_len / 2 + 1, at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return natsd_disk_fail(d, "write", done ? errno : EIO);
#ifdef SYNC_FILE_RANGE_WRITE
        /* A hint; what goes wrong with it the sync behind will say. */
        if (total > NATSD_PIECE && !d->sync_interval_ns) sync_file_range(fd, at, done, SYNC_FILE_RANGE_WRITE);
#endif
        at += done;
        while (n && (size_t)done >= v->iov_len) {
            done -= v->iov_len;
            v++;
            n--;
        }
        if (n) {
            v->iov_base = (char *)v->iov_base + done;
            v->iov_len -= done;
        }
    }
    d->writes++;
    return 0;
}

static const char natsd_disk_zeros[NATSD_STEP_BYTES];

/* Zeros behind what was written last: the syncs that follow find the size of the file as it was, and need not write
   that too. Zeros are what an unused part of a segment holds anyway; without them all goes on as well, only slower. */
static inline void natsd_disk_extend(natsd_disk *d, int fd, const char *name, off_t end, off_t *size) {
    struct iovec v = {(void *)natsd_disk_zeros, NATSD_STEP_BYTES};
    if ((uint64_t)end >= d->segment_bytes) return;
    if (d->segment_bytes - end < NATSD_STEP_BYTES) v.iov_len = d->segment_bytes - end;
    ssize_t done = pwritev(fd, &v, 1, end);
    if (done <= 0) return;
    v.iov_len = done;
    natsd_disk_note(d, 'w', name, "", (uint64_t)end, &v, 1);
    *size = end + done;
}

static inline int natsd_disk_sync_file(natsd_disk *d, int fd, const char *name) {
    int done;
    if (d->slow_ns) nanosleep(&(struct timespec){d->slow_ns / 1000000000, d->slow_ns % 1000000000}, NULL);
    do done = natsd_disk_faulty(d) && d->fault ? -1 : fdatasync(fd);
    while (done < 0 && errno == EINTR);
    d->syncs++;
    if (done) return natsd_disk_fail(d, "fdatasync", errno);
    natsd_disk_note(d, 's', name, "", 0, NULL, 0);
    return 0;
}

static inline int natsd_disk_sync_dir(natsd_disk *d) {
    int done;
    if (!d->dir_dirty) return 0;
    do done = natsd_disk_faulty(d) && d->fault ? -1 : fsync(d->dir);
    while (done < 0 && errno == EINTR);
    d->dir_dirty = 0;
    if (done) return natsd_disk_fail(d, "fsync of the directory", errno);
    natsd_disk_note(d, 'd', "", "", 0, NULL, 0);
    return 0;
}

static inline int natsd_disk_rename(natsd_disk *d, const char *old, const char *fresh) {
    int done;
    do done = natsd_disk_faulty(d) && d->fault ? -1 : renameat(d->dir, old, d->dir, fresh);
    while (done < 0 && errno == EINTR);
    if (done) return natsd_disk_fail(d, "rename", errno);
    natsd_disk_note(d, 'r', old, fresh, 0, NULL, 0);
    d->dir_dirty = 1;
    return 0;
}

/* Whether to open again what could not be. That clients have taken all files a process may have open says nothing of
   the disk: one that is not in use is closed, then it is waited for somebody to let go of one. */
static inline int natsd_disk_make_room(natsd_disk *d, int *patience) {
    int error = errno;
    if (error == EINTR) return 1;
    if ((error != EMFILE && error != ENFILE) || *patience <= 0 || d->stop) return 0;
    --*patience;
    for (int i = 0; i < NATSD_OPEN_FILES; i++)
        if (d->files[i].fd >= 0 && !d->files[i].dirty) {
            close(d->files[i].fd);
            d->files[i].fd = -1;
            return 1;
        }
    nanosleep(&(struct timespec){0, NATSD_PAUSE_NS}, NULL);
    errno = error;
    return 1;
}

/* Open a file to write to; it is made where there is none. patience: see natsd_disk_make_room. */
static inline int natsd_disk_reach(natsd_disk *d, const char *name, int flags, int patience) {
    int fd;
    do fd = natsd_disk_faulty(d) && d->fault ? -1 : openat(d->dir, name, O_RDWR | O_CLOEXEC | flags);
    while (fd < 0 && natsd_disk_make_room(d, &patience));
    if (fd < 0 && errno == ENOENT) {
        do fd = openat(d->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        while (fd < 0 && natsd_disk_make_room(d, &patience));
        if (fd >= 0) {
            d->dir_dirty = 1;
            natsd_disk_note(d, 'c', name, "", 0, NULL, 0);
        }
    }
    return fd;
}

static inline const char *natsd_disk_name(char *name, uint32_t segment) {
    snprintf(name, 32, "%08u.seg", segment);
    return name;
}

static inline int natsd_disk_sync(natsd_disk *d) {
    char name[32];
    for (int i = 0; i < NATSD_OPEN_FILES; i++)
        if (d->files[i].fd >= 0 && d->files[i].dirty) {
            if (natsd_disk_sync_file(d, d->files[i].fd, natsd_disk_name(name, d->files[i].segment))) return -1;
            d->files[i].dirty = 0;
        }
    return natsd_disk_sync_dir(d);
}

/* The index into d->files of a segment's open file; it is made where there is none. */
static inline int natsd_disk_file(natsd_disk *d, uint32_t segment) {
    char name[32], spare[32];
    struct stat info;
    int slot = -1, fd;
    for (int i = 0; i < NATSD_OPEN_FILES; i++) {
        if (d->files[i].fd >= 0 && d->files[i].segment == segment) return i;
        if (d->files[i].fd < 0) slot = i;
    }
    if (slot < 0) { /* the oldest goes; synced first if it has to be */
        slot = 0;
        for (int i = 1; i < NATSD_OPEN_FILES; i++)
            if (d->files[i].segment < d->files[slot].segment) slot = i;
        natsd_disk_name(name, d->files[slot].segment);
        if (d->files[slot].dirty && natsd_disk_sync_file(d, d->files[slot].fd, name)) return -1;
        close(d->files[slot].fd);
        d->files[slot].fd = -1;
    }
    natsd_disk_name(name, segment);
    if (d->spares && faccessat(d->dir, name, F_OK, 0) && errno == ENOENT) {
        snprintf(spare, sizeof spare, "spare-%08u", d->spare_first);
        if (natsd_disk_rename(d, spare, name)) return -1;
        pthread_mutex_lock(&d->mutex);
        d->spares--;
        d->spare_first++;
        pthread_mutex_unlock(&d->mutex);
    }
    fd = natsd_disk_reach(d, name, 0, NATSD_PATIENCE);
    if (fd < 0) return natsd_disk_fail(d, "open", errno);
    d->files[slot].segment = segment;
    d->files[slot].fd = fd;
    d->files[slot].dirty = 0;
    d->files[slot].size = fstat(fd, &info) ? 0 : info.st_size;
    return slot;
}

static inline void natsd_disk_forget(natsd_disk *d, uint32_t segment) {
    for (int i = 0; i < NATSD_OPEN_FILES; i++)
        if (d->files[i].fd >= 0 && d->files[i].segment == segment) {
            close(d->files[i].fd);
            d->files[i].fd = -1;
        }
}

static inline int natsd_disk_carry_out(natsd_disk *d, natsd_order *o) {
    char name[32], spare[32];
    if (o->what == NATSD_RECYCLE) {
        struct stat info;
        natsd_disk_forget(d, o->segment);
        natsd_disk_name(name, o->segment);
        if (fstatat(d->dir, name, &info, 0)) return errno == ENOENT ? 0 : natsd_disk_fail(d, "stat", errno);
        if (d->spares_wanted && d->spares < NATSD_SPARES && (uint64_t)info.st_size == d->segment_bytes) {
            snprintf(spare, sizeof spare, "spare-%08u", d->spare_first + d->spares);
            if (natsd_disk_rename(d, name, spare)) return -1;
            pthread_mutex_lock(&d->mutex);
            d->spares++;
            pthread_mutex_unlock(&d->mutex);
        } else if ((natsd_disk_faulty(d) && d->fault && d->fault != EINTR) || unlinkat(d->dir, name, 0)) {
            return natsd_disk_fail(d, "unlink", errno);
        } else {
            natsd_disk_note(d, 'u', name, "", 0, NULL, 0);
        }
        d->dir_dirty = 1;
        return natsd_disk_sync_dir(d);
    }
    struct iovec v = {o->data, o->n};
    if (o->what == NATSD_KEEP) { /* under another name first: it is there as a whole, or as it was */
        const char *coming = "coming-checkpoint";
        int fd = natsd_disk_reach(d, coming, O_TRUNC, NATSD_PATIENCE);
        if (fd < 0) return natsd_disk_fail(d, "open", errno);
        int bad = natsd_disk_write(d, fd, coming, &v, 1, 0) || natsd_disk_sync_file(d, fd, coming);
        close(fd);
        return bad || natsd_disk_rename(d, coming, o->name) || natsd_disk_sync_dir(d) ? -1 : 0;
    }
    natsd_disk_name(name, o->segment);
    int file = natsd_disk_file(d, o->segment);
    if (file < 0 || natsd_disk_write(d, d->files[file].fd, name, &v, 1, o->offset)) return -1;
    return natsd_disk_sync_file(d, d->files[file].fd, name);
}

/* Is there room for what is left of a spare, and for a segment besides? What a disk has last is for records. */
static inline int natsd_disk_has_room(natsd_disk *d) {
    struct statvfs space;
    if (fstatvfs(d->dir, &space)) return 0;
    return (uint64_t)space.f_bavail * space.f_frsize > 2 * d->segment_bytes - d->spare_made;
}

/* One more piece of the next spare, synced at once: whoever comes meanwhile waits for no more than that. A disk that
   has no room for it is no error. */
static inline int natsd_disk_prepare(natsd_disk *d) {
    const char *name = "coming";
    struct iovec v = {(void *)natsd_disk_zeros, NATSD_STEP_BYTES};
    int fd = natsd_disk_has_room(d) ? natsd_disk_reach(d, name, 0, 0) : -1;
    if (fd < 0) { d->spares_wanted = 0; return 0; }
    if (d->spare_made + NATSD_STEP_BYTES > d->segment_bytes) v.iov_len = d->segment_bytes - d->spare_made;
    ssize_t done = v.iov_len ? pwritev(fd, &v, 1, d->spare_made) : 0;
    if (done < 0 || fdatasync(fd) || !natsd_disk_has_room(d)) {
        close(fd);
        unlinkat(d->dir, name, 0);
        d->spares_wanted = 0;
        d->spare_made = 0;
        return 0;
    }
    d->spare_made += done;
    if (d->spare_made >= d->segment_bytes) {
        char spare[32];
        snprintf(spare, sizeof spare, "spare-%08u", d->spare_first + d->spares);
        int bad = renameat(d->dir, name, d->dir, spare);
        if (!bad) natsd_disk_note(d, 'r', name, spare, 0, NULL, 0);
        d->spare_made = 0;
        d->dir_dirty = 1;
        if (bad) d->spares_wanted = 0;
        else d->spares++;
    }
    close(fd);
    return 0;
}

static void *natsd_disk_main(void *given) {
    natsd_disk *d = (natsd_disk *)given;
    struct { uint32_t segment, offset; char *data; size_t n; } spans[NATSD_SPANS];
    struct iovec v[NATSD_SPANS];
    int64_t sync_at = 0;
    uint64_t passed_over = 0, share = d->segment_bytes / NATSD_SHARES; /* bytes written while an order waited */
    char name[32];
    pthread_mutex_lock(&d->mutex);
    for (;;) {
        int n = 0, bad = 0;
        natsd_order *o = d->orders;
        int due = d->synced < d->written, late = due && d->sync_interval_ns && natsd_disk_now() >= sync_at;
        if (o && o->after > d->synced) o = NULL;
        /* However much comes in, orders have their turn: they are what gives space back. */
        int patient = !late && (!o || passed_over < share);
        while (patient && d->next_to_write < d->count && n < NATSD_SPANS) {
            natsd_chunk *c = d->ring[(d->first + d->next_to_write) % d->ring_cap];
            if (c->published > c->written) {
                spans[n].segment = c->segment;
                spans[n].offset = c->offset + (uint32_t)c->written;
                spans[n].data = c->data + c->written;
                spans[n].n = c->published - c->written;
                n++;
            }
            if (d->next_to_write + 1 == d->count) break;
            d->next_to_write++;
        }
        if (late || (!n && !o)) {
            if (d->stop && !due) break;
            if (due && (d->stop || natsd_disk_now() >= sync_at)) {
                uint64_t target = d->written;
                d->in_step = 1;
                pthread_mutex_unlock(&d->mutex);
                bad = natsd_disk_sync(d);
                pthread_mutex_lock(&d->mutex);
                d->in_step = 0;
                if (bad) break;
                d->synced = target;
                pthread_cond_broadcast(&d->done);
                continue;
            }
            if (d->spares < d->spares_wanted) {
                /* Only where nothing came for a moment. */
                struct timespec until;
                clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += 3000000;
                if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
                if (pthread_cond_timedwait(&d->work, &d->mutex, &until) == ETIMEDOUT) {
                    pthread_mutex_unlock(&d->mutex);
                    natsd_disk_prepare(d);
                    pthread_mutex_lock(&d->mutex);
                }
            } else if (due) {
                int64_t left = sync_at - natsd_disk_now();
                struct timespec until;
                if (left < 0) left = 0;
                clock_gettime(CLOCK_MONOTONIC, &until);
                left += until.tv_nsec;
                until.tv_sec += left / 1000000000;
                until.tv_nsec = left % 1000000000;
                pthread_cond_timedwait(&d->work, &d->mutex, &until);
            } else {
                pthread_cond_wait(&d->work, &d->mutex);
            }
            continue;
        }
        if (o && !n) {
            d->orders = o->next;
            if (!d->orders) d->orders_end = &d->orders;
            d->carrying = 1;
            passed_over -= passed_over < share ? passed_over : share;
            pthread_mutex_unlock(&d->mutex);
            bad = natsd_disk_carry_out(d, o);
            free(o->data);
            free(o);
            pthread_mutex_lock(&d->mutex);
            d->carrying = 0;
            if (bad) break;
            pthread_cond_broadcast(&d->done);
            continue;
        }
        d->in_step = 1;
        pthread_mutex_unlock(&d->mutex);
        uint64_t target = 0, bytes = 0;
        for (int i = 0; i < n && !bad;) {
            int file = natsd_disk_file(d, spans[i].segment), k = 0;
            size_t end = spans[i].offset;
            if (file < 0) { bad = -1; break; }
            uint32_t segment = spans[i].segment, offset = spans[i].offset;
            for (; i < n && spans[i].segment == segment && spans[i].offset == end; i++, k++) {
                v[k].iov_base = spans[i].data;
                v[k].iov_len = spans[i].n;
                end += spans[i].n;
            }
            bytes += end - offset;
            d->files[file].dirty = 1;
            bad = natsd_disk_write(d, d->files[file].fd, natsd_disk_name(name, segment), v, k, offset);
            if (!bad && (off_t)end > d->files[file].size) {
                d->files[file].size = end;
                if (end - offset < NATSD_STEP_BYTES / 8 && !d->sync_interval_ns)
                    natsd_disk_extend(d, d->files[file].fd, name, end, &d->files[file].size);
            }
            target = (uint64_t)segment << 32 | end;
        }
        if (!bad && !d->sync_interval_ns) bad = natsd_disk_sync(d);
        pthread_mutex_lock(&d->mutex);
        d->in_step = 0;
        if (bad) break;
        for (size_t i = 0; i < d->count; i++) { /* chunks before the target are written as far as they were then */
            natsd_chunk *c = d->ring[(d->first + i) % d->ring_cap];
            uint64_t begin = (uint64_t)c->segment << 32 | c->offset;
            if (begin >= target) break;
            if (begin + c->published <= target || (begin >> 32) < (target >> 32)) c->written = c->published;
            else c->written = target - begin;
        }
        d->unwritten_bytes -= bytes;
        passed_over = o ? passed_over + bytes : 0;
        if (passed_over > d->segment_bytes) passed_over = d->segment_bytes;
        if (!d->sync_interval_ns) d->synced = target;
        else if (d->synced == d->written) sync_at = natsd_disk_now() + d->sync_interval_ns;
        d->written = target;
        d->durable = target;
        int watched = d->watched;
        pthread_cond_broadcast(&d->done);
        pthread_mutex_unlock(&d->mutex);
        if (!watched) natsd_disk_wake(d);
        pthread_mutex_lock(&d->mutex);
    }
    d->running = 0;
    pthread_cond_broadcast(&d->done);
    pthread_mutex_unlock(&d->mutex);
    for (int i = 0; i < NATSD_OPEN_FILES; i++)
        if (d->files[i].fd >= 0) close(d->files[i].fd);
    natsd_disk_wake(d);
    return NULL;
}

static inline natsd_disk *natsd_disk_open(int dir, uint64_t segment_bytes, int64_t sync_interval_ns, uint64_t durable,
                                                 uint32_t spares, int trace) {
    natsd_disk *d = (natsd_disk *)calloc(1, sizeof(natsd_disk));
    sigset_t all, before;
    pthread_condattr_t steady;
    if (!d) return NULL;
    d->dir = dir;
    d->trace = trace;
    d->segment_bytes = segment_bytes;
    d->sync_interval_ns = sync_interval_ns;
    d->published = d->written = d->durable = d->synced = durable;
    d->ring_cap = 64;
    d->ring = (natsd_chunk **)malloc(d->ring_cap * sizeof(natsd_chunk *));
    d->spares = spares;
    d->spare_first = 1;
    d->orders_end = &d->orders;
    d->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < NATSD_OPEN_FILES; i++) d->files[i].fd = -1;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC); /* nobody waits longer because the date was changed */
    pthread_cond_init(&d->work, &steady);
    pthread_cond_init(&d->done, &steady);
    pthread_condattr_destroy(&steady);
    d->running = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int bad = !d->ring || d->event < 0 || pthread_create(&d->thread, NULL, natsd_disk_main, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (bad) {
        if (d->event >= 0) close(d->event);
        free(d->ring);
        free(d);
        return NULL;
    }
    return d;
}

static inline int natsd_disk_publish_last(natsd_disk *d) {
    if (!d->count) return 0;
    natsd_chunk *c = d->ring[(d->first + d->count - 1) % d->ring_cap];
    if (c->filled == c->published) return 0;
    d->unwritten_bytes += c->filled - c->published;
    c->published = c->filled;
    d->published = ((uint64_t)c->segment << 32 | c->offset) + c->filled;
    return 1;
}

/* A new last chunk; the loop thread's. */
static inline natsd_chunk *natsd_disk_chunk(natsd_disk *d, uint32_t segment, uint32_t offset, size_t cap) {
    natsd_chunk *c = (natsd_chunk *)malloc(sizeof(natsd_chunk));
    char *data = c ? (char *)malloc(cap) : NULL;
    if (!data) { free(c); return NULL; }
    c->segment = segment;
    c->offset = offset;
    c->cap = cap;
    c->filled = c->published = c->written = 0;
    c->data = data;
    pthread_mutex_lock(&d->mutex);
    if (d->count == d->ring_cap) {
        natsd_chunk **wider = (natsd_chunk **)malloc(2 * d->ring_cap * sizeof(natsd_chunk *));
        if (!wider) {
            pthread_mutex_unlock(&d->mutex);
            free(data);
            free(c);
            return NULL;
        }
        for (size_t i = 0; i < d->count; i++) wider[i] = d->ring[(d->first + i) % d->ring_cap];
        free(d->ring);
        d->ring = wider;
        d->ring_cap *= 2;
        d->first = 0;
    }
    natsd_disk_publish_last(d); /* only the last chunk may hold what is not published */
    d->ring[(d->first + d->count++) % d->ring_cap] = c;
    d->cached_bytes += cap;
    pthread_mutex_unlock(&d->mutex);
    return c;
}

/* Give everything filled to the disk thread. watched: natsd_disk_watch_no_more will be called. The loop thread's. */
static inline void natsd_disk_publish(natsd_disk *d, int watched) {
    pthread_mutex_lock(&d->mutex);
    natsd_disk_publish_last(d);
    if (watched) d->watched = 1;
    int asleep = d->written < d->published && !d->in_step;
    pthread_mutex_unlock(&d->mutex);
    /* Behind the lock, which the thread wants as soon as it is awake. */
    if (asleep) pthread_cond_signal(&d->work);
}

/* The eventfd tells again when `durable` has grown. The loop thread looks at it behind this. */
static inline void natsd_disk_watch_no_more(natsd_disk *d) {
    pthread_mutex_lock(&d->mutex);
    d->watched = 0;
    pthread_mutex_unlock(&d->mutex);
}

/* Let go of the oldest chunks that are written, down to `most` bytes; the last one stays. */
static inline void natsd_disk_trim(natsd_disk *d, size_t most) {
    for (;;) {
        natsd_chunk *c = NULL;
        pthread_mutex_lock(&d->mutex);
        if (d->count > 1 && d->next_to_write > 0 && d->cached_bytes > most) {
            c = d->ring[d->first];
            if (c->written < c->filled) c = NULL;
        }
        if (c) {
            d->first = (d->first + 1) % d->ring_cap;
            d->count--;
            d->next_to_write--;
            d->cached_bytes -= c->cap;
        }
        pthread_mutex_unlock(&d->mutex);
        if (!c) return;
        free(c->data);
        free(c);
    }
}

/* The bytes at a place where they are still in memory; left: how many of them. The loop thread's. */
static inline const char *natsd_disk_recent(natsd_disk *d, uint32_t segment, uint32_t offset, size_t *left) {
    size_t low = 0, high = d->count;
    uint64_t place = (uint64_t)segment << 32 | offset;
    while (low < high) {
        size_t middle = (low + high) / 2;
        natsd_chunk *c = d->ring[(d->first + middle) % d->ring_cap];
        if (((uint64_t)c->segment << 32 | c->offset) <= place) low = middle + 1;
        else high = middle;
    }
    if (!low) return NULL;
    natsd_chunk *c = d->ring[(d->first + low - 1) % d->ring_cap];
    if (c->segment != segment || offset >= c->offset + c->filled) return NULL;
    *left = c->offset + c->filled - offset;
    return c->data + (offset - c->offset);
}

static inline int natsd_disk_order(natsd_disk *d, int what, uint64_t after, uint32_t segment, uint32_t offset,
                            const char *name, const char *data, size_t n) {
    natsd_order *o = (natsd_order *)calloc(1, sizeof(natsd_order));
    if (o && n) o->data = (char *)malloc(n);
    if (!o || (n && !o->data)) { free(o); return -1; }
    o->what = what;
    o->after = after;
    o->segment = segment;
    o->offset = offset;
    o->n = n;
    if (name) snprintf(o->name, sizeof o->name, "%s", name);
    if (n) memcpy(o->data, data, n);
    pthread_mutex_lock(&d->mutex);
    *d->orders_end = o;
    d->orders_end = &o->next;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->mutex);
    return 0;
}

static inline int natsd_disk_busy(natsd_disk *d) {
    return d->durable < d->published || d->carrying || (d->orders && d->orders->after <= d->synced);
}

/* Wait until `durable` has reached a place (0: until all orders are carried out too), for at most so long. */
static inline void natsd_disk_wait(natsd_disk *d, uint64_t place, int64_t most_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    most_ns += until.tv_nsec;
    until.tv_sec += most_ns / 1000000000;
    until.tv_nsec = most_ns % 1000000000;
    pthread_mutex_lock(&d->mutex);
    while (d->running && (place ? d->durable < place : natsd_disk_busy(d)))
        if (pthread_cond_timedwait(&d->done, &d->mutex, &until) == ETIMEDOUT) break;
    pthread_mutex_unlock(&d->mutex);
}

/* Everything published is written and synced before the thread ends, unless the disk has failed. */
static inline void natsd_disk_close(natsd_disk *d) {
    pthread_mutex_lock(&d->mutex);
    d->stop = 1;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->mutex);
    pthread_join(d->thread, NULL);
    while (d->count--) {
        natsd_chunk *c = d->ring[(d->first + d->count) % d->ring_cap];
        free(c->data);
        free(c);
    }
    while (d->orders) {
        natsd_order *o = d->orders;
        d->orders = o->next;
        free(o->data);
        free(o);
    }
    close(d->event);
    pthread_mutex_destroy(&d->mutex);
    pthread_cond_destroy(&d->work);
    pthread_cond_destroy(&d->done);
    free(d->ring);
    free(d);
}
#endif
