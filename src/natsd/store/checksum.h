/* crc32 as zlib counts it: folded by carry-less multiplication where the machine has it, eight tables elsewhere.
   The folding constants are powers of x modulo the polynomial, bit-reflected (Gopal and others, Intel, 2009). */
#ifndef NATSD_CHECKSUM_H
#define NATSD_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t natsd_crc_tables[8][256];
static int natsd_crc_ready = 0;
static int natsd_crc_folds = 0;

static uint32_t natsd_crc_powers[32]; /* x to the power of 8 * 2^k */

/* A product modulo the polynomial. */
static inline uint32_t natsd_crc_times(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = 0x80000000u; bit; bit >>= 1) {
        if (a & bit) product ^= b;
        b = (b >> 1) ^ (b & 1 ? 0xedb88320u : 0);
    }
    return product;
}

/* What n zero bytes more make of a checksum, but for the inversions at both ends. */
static inline uint32_t natsd_crc_shift(uint32_t c, uint64_t n) {
    for (int k = 0; n; k++, n >>= 1)
        if (n & 1) c = natsd_crc_times(natsd_crc_powers[k & 31], c);
    return c;
}

static inline void natsd_crc_prepare(void) {
    if (natsd_crc_ready) return;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? 0xedb88320u : 0);
        natsd_crc_tables[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++) {
            uint32_t c = natsd_crc_tables[t - 1][i];
            natsd_crc_tables[t][i] = (c >> 8) ^ natsd_crc_tables[0][c & 255];
        }
    natsd_crc_powers[0] = natsd_crc_times(1u << 27, 1u << 27);
    for (int k = 1; k < 32; k++) natsd_crc_powers[k] = natsd_crc_times(natsd_crc_powers[k - 1], natsd_crc_powers[k - 1]);
#if defined(__x86_64__) && defined(__GNUC__)
    natsd_crc_folds = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
    natsd_crc_ready = 1;
}

static inline uint32_t natsd_crc_by_table(uint32_t c, const uint8_t *p, size_t n) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (n >= 8) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + 4, 4);
        a ^= c;
        c = natsd_crc_tables[7][a & 255] ^ natsd_crc_tables[6][(a >> 8) & 255] ^ natsd_crc_tables[5][(a >> 16) & 255]
            ^ natsd_crc_tables[4][a >> 24] ^ natsd_crc_tables[3][b & 255] ^ natsd_crc_tables[2][(b >> 8) & 255]
            ^ natsd_crc_tables[1][(b >> 16) & 255] ^ natsd_crc_tables[0][b >> 24];
        p += 8;
        n -= 8;
    }
#endif
    while (n--) c = (c >> 8) ^ natsd_crc_tables[0][(c ^ *p++) & 255];
    return c;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define NATSD_FOLDS __attribute__((target("pclmul,sse4.1")))

NATSD_FOLDS static inline __m128i natsd_fold_once(__m128i x, __m128i k, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* n: a multiple of 16, at least 64 */
NATSD_FOLDS static uint32_t natsd_crc_by_folding(uint32_t c, const uint8_t *p, size_t n) {
    const __m128i by_four = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_one = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i to_half = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_half = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i a = _mm_loadu_si128((const __m128i *)p), b = _mm_loadu_si128((const __m128i *)(p + 16));
    __m128i d = _mm_loadu_si128((const __m128i *)(p + 32)), e = _mm_loadu_si128((const __m128i *)(p + 48));
    a = _mm_xor_si128(a, _mm_cvtsi32_si128((int)c));
    p += 64;
    n -= 64;
    while (n >= 64) {
        a = natsd_fold_once(a, by_four, _mm_loadu_si128((const __m128i *)p));
        b = natsd_fold_once(b, by_four, _mm_loadu_si128((const __m128i *)(p + 16)));
        d = natsd_fold_once(d, by_four, _mm_loadu_si128((const __m128i *)(p + 32)));
        e = natsd_fold_once(e, by_four, _mm_loadu_si128((const __m128i *)(p + 48)));
        p += 64;
        n -= 64;
    }
    a = natsd_fold_once(a, by_one, b);
    a = natsd_fold_once(a, by_one, d);
    a = natsd_fold_once(a, by_one, e);
    while (n >= 16) {
        a = natsd_fold_once(a, by_one, _mm_loadu_si128((const __m128i *)p));
        p += 16;
        n -= 16;
    }
    b = _mm_clmulepi64_si128(a, by_one, 0x10);
    a = _mm_xor_si128(_mm_srli_si128(a, 8), b);
    b = _mm_srli_si128(a, 4);
    a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low_half), to_half, 0x00), b);
    b = _mm_clmulepi64_si128(_mm_and_si128(a, low_half), barrett, 0x10);
    b = _mm_clmulepi64_si128(_mm_and_si128(b, low_half), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, b), 1);
}
#endif

static inline uint32_t natsd_crc(uint32_t seed, const void *data, size_t n) {
    const uint8_t *p = (const uint8_t *)data;
    uint32_t c = ~seed;
#if defined(__x86_64__) && defined(__GNUC__)
    if (natsd_crc_folds && n >= 64) {
        size_t whole = n & ~(size_t)15;
        c = natsd_crc_by_folding(c, p, whole);
        p += whole;
        n -= whole;
    }
#endif
    return ~natsd_crc_by_table(c, p, n);
}
#endif
