/* Many literals in one pass over a text: which of them it equals, starts with, ends with or contains. */
#ifndef WATCHFLOOR_LITERALS_H
#define WATCHFLOOR_LITERALS_H

#include "json.h"

typedef enum { EQUALS, STARTS, ENDS, CONTAINS } How;

typedef struct {
    Slice text;      /* not owned */
    uint32_t answer; /* what a hit says: small numbers */
    uint8_t how;
} Literal;

typedef struct {
    uint32_t gram, literal, offset;
} Entry;

/* Literals of like length. Each stands under one of its grams of `width` bytes, the rarest; the long ones under as many
   in a row as `stride`, so that a look at every so many bytes of a text finds them. */
typedef struct {
    uint32_t count, bits, stride;
    uint8_t *bloom;
    uint32_t *starts; /* bucket -> its first entry */
    Entry *entries;
    uint32_t longest_equal; /* of literals that are all EQUALS; else UINT32_MAX */
    int few;                /* each is looked for by itself; `entries` says which they are */
} Grams;
enum { CLASSES = 6 };

typedef struct {
    Literal *literals;
    uint32_t count, answers, scan;
    uint32_t *seen; /* answer -> the last scan that gave it */
    Grams grams[CLASSES];
    int fold;       /* texts are read as they stand in JSON, letters of either case */
} Literals;

typedef struct {
    uint32_t *items;
    uint32_t count, room;
} List;

/* Takes over `literals` (from malloc), also when it fails. 0 or -1 (no memory). With `fold` each literal is plain ASCII
   without what JSON may escape, and not shorter than 4. */
int literals_build(Literals *all, Literal *literals, uint32_t count, int fold);
void literals_free(Literals *all);
/* Puts each answer once into `hits`; with `first` one is enough. 0 or -1 (no memory). */
int literals_scan(Literals *all, Slice text, int first, List *hits);
int list_add(List *list, uint32_t item);
#endif
