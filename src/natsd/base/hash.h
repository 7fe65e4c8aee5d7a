/* A seeded 64-bit hash of a few bytes: two multiplications folded for up to 16 bytes, one more for each 16 beyond.
   Only for tables in memory; a different value on every machine would do as well. */
#ifndef NATSD_HASH_H
#define NATSD_HASH_H
#include <stdint.h>
#include <stddef.h>
#include <string.h>

static inline uint64_t natsd_fold(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t natsd_word(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline uint64_t natsd_half(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }

static inline uint64_t natsd_hash(const char *p, size_t n, uint64_t seed) {
    uint64_t a, b;
    seed ^= 0xa0761d6478bd642fULL;
    if (n <= 16) {
        if (n >= 8) { a = natsd_word(p); b = natsd_word(p + n - 8); }
        else if (n >= 4) { a = natsd_half(p); b = natsd_half(p + n - 4); }
        else if (n) {
            a = ((uint64_t)(uint8_t)p[0] << 16) | ((uint64_t)(uint8_t)p[n >> 1] << 8) | (uint8_t)p[n - 1];
            b = 0;
        } else { a = b = 0; }
    } else {
        size_t i = n;
        while (i > 16) {
            seed = natsd_fold(natsd_word(p) ^ 0xe7037ed1a0b428dbULL, natsd_word(p + 8) ^ seed);
            p += 16;
            i -= 16;
        }
        a = natsd_word(p + i - 16);
        b = natsd_word(p + i - 8);
    }
    return natsd_fold(0xe7037ed1a0b428dbULL ^ n, natsd_fold(a ^ 0x8ebc6af09c88c6e3ULL, b ^ seed));
}
#endif
