/* Loops over many bytes, 16 at a time where every processor of its kind can (SSE2), one at a time elsewhere. */
#ifndef WATCHFLOOR_BYTES_H
#define WATCHFLOOR_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#define LOAD16(at) _mm_loadu_si128((const __m128i *)(const void *)(at))
#endif

static inline int is_ascii(const uint8_t *at, size_t length) {
    uint8_t all = 0;
    size_t i = 0;
#ifdef __SSE2__
    __m128i both = _mm_setzero_si128();
    for (; i + 32 <= length; i += 32) both = _mm_or_si128(both, _mm_or_si128(LOAD16(at + i), LOAD16(at + i + 16)));
    if (_mm_movemask_epi8(both)) return 0;
#endif
    for (; i < length; i++) all |= at[i];
    return all < 0x80;
}

/* The next quote, backslash or control byte, or `end`. */
static inline const uint8_t *special(const uint8_t *p, const uint8_t *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i bytes = LOAD16(p);
        __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes));
        int mask = _mm_movemask_epi8(hits);
        if (mask) return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20) p++;
    return p;
}

/* Copies what is before the next backslash; gives where that is, or `end`. `out` has as much room as is left to `end`. */
static inline const uint8_t *copy_plain(const uint8_t *p, const uint8_t *end, uint8_t **out) {
#ifdef __SSE2__
    for (; end - p >= 16; p += 16, *out += 16) {
        __m128i bytes = LOAD16(p);
        _mm_storeu_si128((__m128i *)(void *)*out, bytes);
        int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        if (mask) {
            *out += __builtin_ctz((unsigned)mask);
            return p + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (p < end && *p != '\\') *(*out)++ = *p++;
    return p;
}

/* ASCII letters in lower case; other bytes as they are. */
static inline void lower_ascii(const uint8_t *at, size_t length, uint8_t *out) {
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= length; i += 16) {
        __m128i bytes = LOAD16(at + i);
        __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(bytes, _mm_set1_epi8('Z' + 1)));
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20))));
    }
#endif
    for (; i < length; i++) out[i] = (uint8_t)(at[i] | (at[i] >= 'A' && at[i] <= 'Z' ? 0x20 : 0));
}

/* Whether `what` is in a text. 16 places at a time are tried by their first and last byte. */
static inline const uint8_t *find_bytes(const uint8_t *at, size_t length, const uint8_t *what, size_t size) {
    if (size == 0 || size > length) return size ? NULL : at;
    if (size == 1) return memchr(at, *what, length);
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8((char)what[0]), last = _mm_set1_epi8((char)what[size - 1]);
    for (; length >= size + 15; at += 16, length -= 16) {
        __m128i hits = _mm_and_si128(_mm_cmpeq_epi8(LOAD16(at), first), _mm_cmpeq_epi8(LOAD16(at + size - 1), last));
        for (unsigned mask = (unsigned)_mm_movemask_epi8(hits); mask; mask &= mask - 1) {
            const uint8_t *found = at + __builtin_ctz(mask);
            if (memcmp(found, what, size) == 0) return found;
        }
    }
#endif
    for (; length >= size; at++, length--)
        if (*at == what[0] && memcmp(at, what, size) == 0) return at;
    return NULL;
}
#endif
