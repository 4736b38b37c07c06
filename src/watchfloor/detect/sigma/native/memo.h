/* What was found for values seen before, in bounded memory. The hash has a random key for each process and bytes are
   compared, so nobody can choose values that meet; a full generation becomes the old one, and the old one is let go. */
#ifndef WATCHFLOOR_MEMO_H
#define WATCHFLOOR_MEMO_H

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
    WAYS = 4, /* one line of the processor's cache */
    SLOTS = 1 << 18,
    MEMO_BYTES = 16 << 20, /* of values, for each of two generations */
    LONGEST_REMEMBERED = 1 << 15,
    SHORT_VALUE = 512, /* longer ones are remembered when they come a second time: most never do */
    MARKS = 1 << 16,
};

typedef struct {
    uint64_t hash;
    uint32_t where; /* of the value in `bytes`, from 8; 0 for none */
    uint32_t answer;
} Slot;

typedef struct {
    Slot *slots;
    uint8_t *bytes;
    uint32_t used;
} Generation;

typedef struct {
    Generation now, before;
    uint64_t key[3];
    uint16_t *marks; /* hash -> other bits of it: values that came once */
} Memo;

static inline int memo_new(Memo *memo) {
    Generation *both[] = {&memo->now, &memo->before};
    for (int i = 0; i < 2; i++) {
        both[i]->slots = calloc(SLOTS, sizeof(Slot));
        both[i]->bytes = malloc(MEMO_BYTES);
        both[i]->used = 8;
        if (!both[i]->slots || !both[i]->bytes) return -1;
    }
    memo->marks = calloc(MARKS, sizeof *memo->marks);
    return memo->marks ? 0 : -1;
}

static inline void memo_free(Memo *memo) {
    free(memo->marks);
    free(memo->now.slots);
    free(memo->now.bytes);
    free(memo->before.slots);
    free(memo->before.bytes);
}

static inline void memo_turn(Memo *memo) {
    Generation old = memo->before;
    memset(old.slots, 0, SLOTS * sizeof(Slot));
    old.used = 8;
    memo->before = memo->now;
    memo->now = old;
}

static inline uint64_t memo_mix(uint64_t a, uint64_t b) {
    unsigned __int128 wide = (unsigned __int128)a * b;
    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

static inline uint64_t memo_load(const uint8_t *at, size_t length) { /* up to 8 bytes */
    uint64_t word = 0;
    memcpy(&word, at, length);
    return word;
}

static inline uint64_t memo_hash(const Memo *memo, uint32_t owner, Slice value) {
    const uint8_t *at = value.at;
    size_t left = value.length;
    uint64_t hash = memo_mix(memo->key[0] ^ owner, memo->key[1] ^ left), other = hash ^ memo->key[2], a, b;
    for (; left > 48; at += 32, left -= 32) { /* two chains, neither of which waits for the other */
        uint64_t four[4];
        memcpy(four, at, 32);
        hash = memo_mix(four[0] ^ memo->key[1], four[1] ^ hash);
        other = memo_mix(four[2] ^ memo->key[2], four[3] ^ other);
    }
    hash ^= other;
    for (; left > 16; at += 16, left -= 16) {
        memcpy(&a, at, 8);
        memcpy(&b, at + 8, 8);
        hash = memo_mix(a ^ memo->key[1], b ^ hash);
    }
    if (value.length >= 16) { /* the last 16, some of them again */
        at -= 16 - left;
        memcpy(&a, at, 8);
        memcpy(&b, at + 8, 8);
    } else if (left >= 8) {
        memcpy(&a, at, 8);
        memcpy(&b, at + left - 8, 8);
    } else {
        a = left ? memo_load(at, left) : 0;
        b = left;
    }
    return memo_mix(memo_mix(a ^ memo->key[2], b ^ hash), memo->key[0] ^ hash);
}

static inline Slot *memo_set(Generation *generation, uint64_t hash) {
    return generation->slots + (hash & (SLOTS / WAYS - 1)) * WAYS;
}

static inline Slot *memo_in(Generation *generation, uint64_t hash, uint32_t owner, Slice value) {
    Slot *set = memo_set(generation, hash);
    for (int i = 0; i < WAYS; i++) {
        if (set[i].hash != hash || !set[i].where) continue;
        const uint8_t *at = generation->bytes + set[i].where;
        uint32_t head[2];
        memcpy(head, at, 8);
        if (head[0] == owner && head[1] == value.length && memcmp(at + 8, value.at, value.length) == 0) return set + i;
    }
    return NULL;
}

static inline void memo_put(Memo *memo, uint64_t hash, uint32_t owner, Slice value, uint32_t answer) {
    uint16_t *mark = memo->marks + (hash >> 16) % MARKS, bits = (uint16_t)(hash >> 32 | 1);
    if (value.length > LONGEST_REMEMBERED) return;
    if (value.length > SHORT_VALUE && *mark != bits) {
        *mark = bits;
        return;
    }
    uint32_t size = (uint32_t)(8 + value.length + 7) & ~7u, head[2] = {owner, (uint32_t)value.length};
    if (memo->now.used + size > MEMO_BYTES) memo_turn(memo);
    Slot *set = memo_set(&memo->now, hash), *slot = set;
    while (slot < set + WAYS && slot->where) slot++;
    if (slot == set + WAYS) slot = set + (hash >> 60) % WAYS; /* full: one goes, whichever */
    uint8_t *at = memo->now.bytes + memo->now.used;
    memcpy(at, head, 8);
    if (value.length) memcpy(at + 8, value.at, value.length);
    *slot = (Slot){hash, memo->now.used, answer};
    memo->now.used += size;
}

/* 1 and the answer, or 0. What the old generation knows is carried over. */
static inline int memo_find(Memo *memo, uint64_t hash, uint32_t owner, Slice value, uint32_t *answer) {
    if (value.length > LONGEST_REMEMBERED) return 0;
    Slot *slot = memo_in(&memo->now, hash, owner, value);
    if (!slot) {
        if (!(slot = memo_in(&memo->before, hash, owner, value))) return 0;
        *answer = slot->answer;
        memo_put(memo, hash, owner, value, *answer);
        return 1;
    }
    *answer = slot->answer;
    return 1;
}
#endif
