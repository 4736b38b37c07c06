#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"

enum { MOST_DEPTH = 64, MOST_TOKENS = 1 << 18, KEPT_BLOCK = 1 << 18 };
/* The only letters beyond ASCII whose lower case has an ASCII letter; and the one that RE2 without regard to case takes
   for s. */
enum { KELVIN = 0x212A, DOTTED_I = 0x130, LONG_S = 0x17F };
static const char *const HIDING[] = {"\xE2\x84\xAA", "\xC4\xB0", "\xC5\xBF"};

/* ---- memory of one event */

struct Block {
    Block *next;
    size_t size;
    uint8_t bytes[];
};

void *arena_take(Arena *arena, size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (!arena->first || arena->first->size - arena->used < size) {
        size_t room = size > KEPT_BLOCK ? size : KEPT_BLOCK;
        Block *block = size > SIZE_MAX / 2 ? NULL : malloc(sizeof(Block) + room);
        if (!block) return NULL;
        block->next = arena->first;
        block->size = room;
        arena->first = block;
        arena->used = 0;
    }
    void *found = arena->first->bytes + arena->used;
    arena->used += size;
    return found;
}

/* Keeps one block of the usual size. */
void arena_reset(Arena *arena) {
    while (arena->first && (arena->first->next || arena->first->size > KEPT_BLOCK)) {
        Block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
    arena->used = 0;
}

void arena_free(Arena *arena) {
    while (arena->first) {
        Block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
}

/* ---- bytes */

/* Well-formed UTF-8 as the Unicode standard's table 3-7 has it. */
static int is_utf8(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        if (*p < 0x80) { p++; continue; }
        uint8_t lead = *p++, low = 0x80, high = 0xBF;
        int more;
        if (lead >= 0xC2 && lead <= 0xDF) more = 1;
        else if (lead >= 0xE0 && lead <= 0xEF) more = 2;
        else if (lead >= 0xF0 && lead <= 0xF4) more = 3;
        else return 0;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
        for (; more; more--, low = 0x80, high = 0xBF)
            if (p == end || *p < low || *p++ > high) return 0;
    }
    return 1;
}

static int hex4(const uint8_t *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], lower = c | 0x20;
        if (c >= '0' && c <= '9') value = value * 16 + c - '0';
        else if (lower >= 'a' && lower <= 'f') value = value * 16 + lower - 'a' + 10;
        else return -1;
    }
    return value;
}

static const uint8_t SIMPLE[256] = {['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1};

/* Behind the escape at `p` (a backslash), or NULL when it is none or half a surrogate pair. */
static const uint8_t *escape(Tape *tape, const uint8_t *p, const uint8_t *end) {
    if (end - p < 2) return NULL;
    if (SIMPLE[p[1]]) return p + 2;
    if (p[1] != 'u') return NULL;
    if (end - p < 6) return NULL;
    int unit = hex4(p + 2);
    if ((unit >= 0x20 && unit < 0x80) || unit == KELVIN || unit == DOTTED_I || unit == LONG_S) tape->hides = 1;
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return NULL;
    if (unit < 0xD800 || unit > 0xDBFF) return p + 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') return NULL;
    int second = hex4(p + 8);
    return second >= 0xDC00 && second <= 0xDFFF ? p + 12 : NULL;
}

size_t unescape(Slice raw, uint8_t *into) {
    const uint8_t *p = raw.at, *end = p + raw.length;
    uint8_t *out = into;
    while (p < end) {
        const uint8_t *slash = copy_plain(p, end, &out);
        if (slash == end) break;
        p = slash + 2;
        switch (slash[1]) {
        case 'b': *out++ = '\b'; continue;
        case 'f': *out++ = '\f'; continue;
        case 'n': *out++ = '\n'; continue;
        case 'r': *out++ = '\r'; continue;
        case 't': *out++ = '\t'; continue;
        default: *out++ = slash[1]; continue;
        case 'u': break;
        }
        uint32_t c = (uint32_t)hex4(p);
        p += 4;
        if (c >= 0xD800 && c <= 0xDBFF) {
            c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2) - 0xDC00);
            p += 6;
        }
        if (c < 0x80) {
            *out++ = (uint8_t)c;
        } else if (c < 0x800) {
            *out++ = (uint8_t)(0xC0 | c >> 6);
            *out++ = (uint8_t)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            *out++ = (uint8_t)(0xE0 | c >> 12);
            *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
            *out++ = (uint8_t)(0x80 | (c & 0x3F));
        } else {
            *out++ = (uint8_t)(0xF0 | c >> 18);
            *out++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
            *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
            *out++ = (uint8_t)(0x80 | (c & 0x3F));
        }
    }
    return (size_t)(out - into);
}

/* ---- the tape */

Token *tape_push(Tape *tape) {
    if (tape->count == tape->room) {
        uint32_t room = tape->room ? tape->room * 2 : 256;
        Token *grown = room > MOST_TOKENS ? NULL : realloc(tape->tokens, room * sizeof(Token));
        if (!grown) return NULL;
        tape->tokens = grown;
        tape->room = room;
    }
    Token *token = tape->tokens + tape->count++;
    memset(token, 0, sizeof *token);
    token->next = tape->count;
    return token;
}

static const uint8_t *spaces(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

/* The inside of the string that opens at `p`; gives what is behind its quote, or NULL. */
static const uint8_t *string(Tape *tape, const uint8_t *p, const uint8_t *end, Slice *inside, int *escaped) {
    inside->at = ++p;
    *escaped = 0;
    for (;;) {
        p = special(p, end);
        if (p == end || *p < 0x20) return NULL;
        if (*p == '"') break;
        *escaped = 1;
        do {
            if (!(p = escape(tape, p, end))) return NULL;
        } while (p < end && *p == '\\');
    }
    inside->length = (size_t)(p - inside->at);
    return p + 1;
}

static const uint8_t *digits(const uint8_t *p, const uint8_t *end) {
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

/* A number; TEXT when its digits are how Python writes it. Unusual: what might not fit a double. */
static const uint8_t *number(const uint8_t *p, const uint8_t *end, Token *token) {
    const uint8_t *start = p, *whole, *after;
    int fraction = 0;
    if (*p == '-') p++;
    whole = p;
    p = digits(p, end);
    if (p == whole || (*whole == '0' && p - whole > 1)) return NULL;
    fraction = p - whole > 18 || (*start == '-' && *whole == '0');
    if (p < end && *p == '.') {
        after = ++p;
        p = digits(p, end);
        if (p == after) return NULL;
        fraction = 1;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        after = p;
        p = digits(p, end);
        if (p == after || p - after > 2) return NULL;
        fraction = 1;
    }
    if (p - start > 60) return NULL;
    token->raw = (Slice){start, (size_t)(p - start)};
    token->kind = fraction ? OTHER : TEXT;
    return p;
}

static const uint8_t *word(const uint8_t *p, const uint8_t *end, Token *token) {
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(end - p) >= length && memcmp(p, words[i], length) == 0) {
            token->raw = (Slice){p, length};
            token->kind = i == 2 ? NOTHING : TEXT;
            return p + length;
        }
    }
    return NULL;
}

/* Reads the object that a line is. Unusual: anything that is not plainly valid, an escape in a key, deep nesting. */
int tape_read(Tape *tape, const uint8_t *p, const uint8_t *end) {
    uint32_t open[MOST_DEPTH];
    int depth = 0, escaped = 0;
    tape->count = 0;
    tape->hides = 0;
    if ((size_t)(end - p) >= UINT32_MAX) return TAPE_UNUSUAL;
    if (!is_ascii(p, (size_t)(end - p))) {
        if (!is_utf8(p, end)) return TAPE_UNUSUAL;
        for (int i = 0; i < 3; i++) tape->hides |= find_bytes(p, (size_t)(end - p), (const uint8_t *)HIDING[i], strlen(HIDING[i])) != NULL;
    }
    p = spaces(p, end);
    if (p == end || *p != '{') return TAPE_UNUSUAL;
    for (;;) { /* at a value, or at the key of one */
        Slice key = {NULL, 0};
        Token *token;
        if (depth && tape->tokens[open[depth - 1]].object) {
            if (p == end || *p != '"') return TAPE_UNUSUAL;
            if (!(p = string(tape, p, end, &key, &escaped)) || escaped) return TAPE_UNUSUAL;
            if (p < end && *p == ':') p++;
            else {
                p = spaces(p, end);
                if (p == end || *p++ != ':') return TAPE_UNUSUAL;
            }
            p = spaces(p, end);
        }
        if (p == end) return TAPE_UNUSUAL;
        if (!(token = tape_push(tape))) return tape->room * 2 > MOST_TOKENS ? TAPE_UNUSUAL : TAPE_NO_MEMORY;
        token->key = key;
        if (*p == '"') {
            if (!(p = string(tape, p, end, &token->raw, &escaped))) return TAPE_UNUSUAL;
            token->kind = escaped ? ESCAPED : TEXT;
        } else if (*p == '{' || *p == '[') {
            if (depth == MOST_DEPTH) return TAPE_UNUSUAL;
            token->object = *p == '{';
            token->kind = token->object ? OTHER : ARRAY;
            token->raw.at = p;
            open[depth++] = tape->count - 1;
            p = spaces(p + 1, end);
            if (p == end) return TAPE_UNUSUAL;
            if (*p != (token->object ? '}' : ']')) continue;
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            if (!(p = number(p, end, token))) return TAPE_UNUSUAL;
        } else if (!(p = word(p, end, token))) {
            return TAPE_UNUSUAL;
        }
        for (;;) { /* behind a value: what closes, or a comma */
            p = spaces(p, end);
            if (p == end) return TAPE_UNUSUAL;
            Token *inside = tape->tokens + open[depth - 1];
            if (*p == ',') {
                p = spaces(p + 1, end);
                break;
            }
            if (*p++ != (inside->object ? '}' : ']')) return TAPE_UNUSUAL;
            inside->raw.length = (size_t)(p - inside->raw.at);
            inside->next = tape->count;
            if (--depth == 0) return spaces(p, end) == end ? TAPE_OK : TAPE_UNUSUAL;
        }
    }
}
