/* JSON lines as a flat tape of tokens, without copies. What is valid here is valid JSON for orjson, too; what is
   unusual (see json.c) is refused, and the caller hands that line to the plain path. */
#ifndef WATCHFLOOR_JSON_H
#define WATCHFLOOR_JSON_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    TEXT,    /* `raw` is the text: a string without escapes, a whole number, true, false */
    ESCAPED, /* `raw` is a string's inside, with escapes */
    OTHER,   /* Python says how it reads: a fraction, an object; `raw` is its JSON */
    NOTHING, /* null */
    ARRAY,
} Kind;

typedef struct {
    const uint8_t *at;
    size_t length;
} Slice;

typedef struct {
    Slice key;     /* of a member of an object; at = NULL otherwise */
    Slice raw;
    Slice text;    /* unescaped; at = NULL until asked for */
    Slice lower;   /* in lower case; at = NULL until asked for */
    uint32_t next; /* the token behind this one and all that is in it */
    uint8_t kind;
    uint8_t object; /* an OTHER that is an object: its members follow */
} Token;

typedef struct {
    Token *tokens;
    uint32_t count, room;
    int hides; /* ASCII letters may be in the line that it does not show: escaped, or as what they are in lower case */
} Tape;

/* Memory for one event: all of it is given back at once. */
typedef struct Block Block;
typedef struct {
    Block *first;
    size_t used;
} Arena;

enum { TAPE_OK = 0, TAPE_UNUSUAL = 1, TAPE_NO_MEMORY = 2 };

int tape_read(Tape *tape, const uint8_t *at, const uint8_t *end);
Token *tape_push(Tape *tape);
void *arena_take(Arena *arena, size_t size);
void arena_reset(Arena *arena);
void arena_free(Arena *arena);
/* The text of an ESCAPED token that tape_read accepted; `into` has room for raw.length bytes. */
size_t unescape(Slice raw, uint8_t *into);

static inline int same(Slice a, const void *at, size_t length) {
    return a.length == length && (length == 0 || __builtin_memcmp(a.at, at, length) == 0);
}
#endif
