/* The tables that rules are, and the event at hand. */
#ifndef WATCHFLOOR_CORE_H
#define WATCHFLOOR_CORE_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "bytes.h"
#include "json.h"
#include "literals.h"
#include "memo.h"

enum { NONE = UINT32_MAX, MOST_PLACES = 64, MOST_CLASSED = 4 << 20, LONGEST_GLOB = 16384, GROUPS = 4096 };
enum { OWNER_GATE, OWNER_LEAF, OWNER_PLACE };
enum { ORIGINAL, OCSF, DERIVED };          /* where a field or a log source is read */
enum { FORM_RECORD, FORM_OCSF, FORM_EVENT, FORM_DICTS };
enum { LITERAL, GLOB, SET, CALL, NULLS, EXISTS, REFERS };
enum { ANY_START, NUMBER_START, ADDRESS_START }; /* what a text that a CALL can take begins with */
enum { YES = -1, NO = -2 };

typedef struct {
    uint32_t kind, slot;
    Slice path;
    PyObject *name;            /* the path as str */
    uint32_t heads, head_count; /* slots of `a` and `a.b` for the path `a.b.c`, in `links` */
} Place;

typedef struct {
    uint32_t places, count, found, found_count;
    uint64_t seen; /* the number of the event that `found` is of */
} Field;

typedef struct {
    uint8_t what, how, raw, start;
    uint32_t field, other, shortest;
    Slice text, required; /* `required`: sets of literals, packed like those of a glob; see has_required */
    PyObject *test;
    Literals *set;
} Leaf;

typedef struct {
    uint32_t leaf;
    int32_t yes, no; /* the next step, or YES, or NO */
} Step;

typedef struct {
    uint32_t step; /* NONE: not known yet */
    uint64_t asked, evaluated, nanoseconds;
} Rule;

typedef struct { /* the leaves of one field of which one must hold for a rule to be worth asking */
    uint32_t field, leaf_count;
    uint32_t *leaves, *starts, *rules; /* the rules of leaf n: rules[starts[n]] to rules[starts[n + 1]] */
    Literals literals;
    List tests; /* leaves without a literal that they need */
    List gated; /* regular expressions with one, which text beyond ASCII may match without it */
} Gate;

typedef struct {
    uint32_t gates, gate_count;
    List always, keyword_rules;
    Literals keywords; /* read in the line as it stands; answer n means the rule keyword_rules[n] */
} Group;

typedef struct {
    uint32_t group;
    uint32_t ids[MOST_PLACES];
} Known;

typedef struct {
    void *items;
    uint32_t count, room, size;
} Table;

typedef struct {
    PyObject_HEAD
    Table places, fields, leaves, steps, groups, gates, links, rules;
    Table decisive; /* Place: where log sources are read */
    PyObject *known; /* of each decisive place {text: id} */
    uint32_t slot_count, *slot_token;
    uint64_t *slot_seen;
    struct Key { Slice path; uint32_t slot; } *keys[2];
    uint32_t key_bits[2];
    Known *groups_known;
    PyObject *callbacks; /* path._Asked */
    Memo memo;
    List class_items; /* a class is a place here: a count, then that many rules */
    /* the event at hand */
    Tape tape;
    Arena arena;
    List found, candidates, hits;
    uint64_t number;
    unsigned long long looked_at;
    uint32_t roots[2], form;
    int plain, busy;
    Slice line;
    PyObject *subject, *dicts[2];
} Core;

static inline void *table_add(Table *table) {
    if (table->count == table->room) {
        uint32_t room = table->room ? table->room * 2 : 64;
        void *grown = realloc(table->items, (size_t)room * table->size);
        if (!grown) { PyErr_NoMemory(); return NULL; }
        table->items = grown;
        table->room = room;
    }
    void *item = (char *)table->items + (size_t)table->count++ * table->size;
    memset(item, 0, table->size);
    return item;
}
#define AT(table, type, n) ((type *)(table).items + (n))

static inline int add(List *list, uint32_t item) {
    if (list_add(list, item) == 0) return 0;
    PyErr_NoMemory();
    return -1;
}

static inline int copied(Slice *slice, const void *at, size_t length) {
    uint8_t *bytes = malloc(length + 1);
    if (!bytes) { PyErr_NoMemory(); return -1; }
    if (length) memcpy(bytes, at, length);
    *slice = (Slice){bytes, length};
    return 0;
}

static inline int bytes_of(PyObject *object, Slice *slice) {
    char *at;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &at, &length)) return -1;
    *slice = (Slice){(uint8_t *)at, (size_t)length};
    return 0;
}

static inline int utf8_of(PyObject *object, Slice *slice) {
    Py_ssize_t length;
    const char *at = PyUnicode_AsUTF8AndSize(object, &length);
    if (!at) return -1;
    *slice = (Slice){(const uint8_t *)at, (size_t)length};
    return 0;
}

static inline Token *token(Core *core, uint32_t n) { return core->tape.tokens + n; }

static inline uint64_t key_hash(Slice key) {
    uint64_t first = 0, last = 0;
    size_t part = key.length < 8 ? key.length : 8;
    if (part == 8) {
        memcpy(&first, key.at, 8);
        memcpy(&last, key.at + key.length - 8, 8);
    } else {
        for (size_t i = 0; i < part; i++) first = first << 8 | key.at[i];
    }
    return (first ^ last * 31 ^ key.length) * 0x9E3779B97F4A7C15u;
}

static inline uint32_t at_slot(const Core *core, uint32_t slot) {
    return core->slot_seen[slot] == core->number ? core->slot_token[slot] : NONE;
}

static inline uint32_t owner_of(uint32_t kind, uint32_t number, const Token *of) { return number << 5 | kind << 3 | of->kind; }

/* values.c: texts of values, and what an event has at a place */
PyObject *str_of(Slice text);
int text_of(Core *core, Token *token, Slice *text);
int lower_of(Core *core, Token *token, Slice *lower);
uint32_t slot_of(Core *core, int kind, Slice key);
void fill_slots(Core *core, int kind, uint32_t root);
uint32_t member(Core *core, uint32_t object, const void *key, size_t length);
int push_object(Core *core, PyObject *value);
PyObject *subject(Core *core);
int resolve(Core *core, uint32_t number);

/* leaves.c: whether leaves and rules hold */
Slice packed_at(Slice packed, size_t *at);
int value_holds(Core *core, uint32_t number, Token *of);
int rule_holds(Core *core, uint32_t number);

/* groups.c: which rules are worth asking about an event */
int collect(Core *core, Group *group);
int group_of(Core *core, const uint32_t *constants, uint32_t *group);

/* tables.c: what lowering.py hands over, checked */
int add_place(Core *core, Table *table, PyObject *pair);
PyObject *core_add_field(Core *core, PyObject *places);
PyObject *core_add_leaf(Core *core, PyObject *args);
PyObject *core_add_set(Core *core, PyObject *bytes);
PyObject *core_add_rule(Core *core, PyObject *args);
PyObject *core_add_group(Core *core, PyObject *args);
#endif
