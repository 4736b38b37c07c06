/* The native path's core: rules as plain tables, events as bytes, matches out. path.py makes the tables and says what
   they mean; what is rare or odd (fractions, text beyond ASCII, regular expressions) is asked of Python, once a value. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

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
    uint32_t step;
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
    PyObject *callbacks; /* an object with text, plan, derived, confirm, found, scalars */
    Memo memo;
    List class_items; /* a class is a place here: a count, then that many rules */
    /* the event at hand */
    Tape tape;
    Arena arena;
    List found, candidates, hits;
    uint64_t number;
    uint32_t roots[2], form;
    int plain, busy;
    Slice line;
    PyObject *subject, *dicts[2];
} Core;

static void *table_add(Table *table) {
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

static int add(List *list, uint32_t item) {
    if (list_add(list, item) == 0) return 0;
    PyErr_NoMemory();
    return -1;
}

static int copied(Slice *slice, const void *at, size_t length) {
    uint8_t *bytes = malloc(length + 1);
    if (!bytes) { PyErr_NoMemory(); return -1; }
    if (length) memcpy(bytes, at, length);
    *slice = (Slice){bytes, length};
    return 0;
}

static int bytes_of(PyObject *object, Slice *slice) {
    char *at;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &at, &length)) return -1;
    *slice = (Slice){(uint8_t *)at, (size_t)length};
    return 0;
}

static int utf8_of(PyObject *object, Slice *slice) {
    Py_ssize_t length;
    const char *at = PyUnicode_AsUTF8AndSize(object, &length);
    if (!at) return -1;
    *slice = (Slice){(const uint8_t *)at, (size_t)length};
    return 0;
}

/* ---- texts of a value */

static int keep(Core *core, Slice *into, Slice from) {
    uint8_t *bytes = arena_take(&core->arena, from.length + 1);
    if (!bytes) { PyErr_NoMemory(); return -1; }
    if (from.length) memcpy(bytes, from.at, from.length);
    *into = (Slice){bytes, from.length};
    return 0;
}

/* Keeps the str that a call gave, and lets go of it. */
static int keep_str(Core *core, Slice *into, PyObject *text) {
    Slice utf8;
    int failed = !text || utf8_of(text, &utf8) || keep(core, into, utf8);
    Py_XDECREF(text);
    return failed ? -1 : 0;
}

static PyObject *str_of(Slice text) {
    return PyUnicode_DecodeUTF8((const char *)text.at, (Py_ssize_t)text.length, "strict");
}

static int text_of(Core *core, Token *token, Slice *text) {
    if (!token->text.at) {
        if (token->kind == TEXT) {
            token->text = token->raw;
        } else if (token->kind == ESCAPED) {
            uint8_t *bytes = arena_take(&core->arena, token->raw.length + 1);
            if (!bytes) { PyErr_NoMemory(); return -1; }
            token->text = (Slice){bytes, unescape(token->raw, bytes)};
        } else if (keep_str(core, &token->text, PyObject_CallMethod(core->callbacks, "text", "y#", token->raw.at,
                                                                    (Py_ssize_t)token->raw.length))) {
            return -1;
        }
    }
    *text = token->text;
    return 0;
}

static int lower_of(Core *core, Token *token, Slice *lower) {
    if (!token->lower.at) {
        Slice text;
        if (text_of(core, token, &text)) return -1;
        if (is_ascii(text.at, text.length)) {
            uint8_t *bytes = arena_take(&core->arena, text.length + 1);
            if (!bytes) { PyErr_NoMemory(); return -1; }
            lower_ascii(text.at, text.length, bytes);
            token->lower = (Slice){bytes, text.length};
        } else {
            PyObject *plain = str_of(text);
            if (!plain) return -1;
            int failed = keep_str(core, &token->lower, PyObject_CallMethod(plain, "lower", NULL));
            Py_DECREF(plain);
            if (failed) return -1;
        }
    }
    *lower = token->lower;
    return 0;
}

/* ---- what an event has at a place */

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

static uint32_t slot_of(Core *core, int kind, Slice key) {
    if (!core->keys[kind]) return NONE;
    uint32_t bits = core->key_bits[kind], at = (uint32_t)(key_hash(key) >> (64 - bits));
    for (;; at = (at + 1) & ((1u << bits) - 1)) {
        const struct Key *found = core->keys[kind] + at;
        if (found->slot == NONE) return NONE;
        if (same(found->path, key.at, key.length)) return found->slot;
    }
}

/* The last of a key's members counts, as in Python. */
static void fill_slots(Core *core, int kind, uint32_t root) {
    if (root == NONE) return;
    for (uint32_t n = root + 1; n < token(core, root)->next; n = token(core, n)->next) {
        uint32_t slot = slot_of(core, kind, token(core, n)->key);
        if (slot == NONE) continue;
        core->slot_token[slot] = n;
        core->slot_seen[slot] = core->number;
    }
}

static inline uint32_t at_slot(const Core *core, uint32_t slot) {
    return core->slot_seen[slot] == core->number ? core->slot_token[slot] : NONE;
}

static uint32_t member(Core *core, uint32_t object, const void *key, size_t length) {
    uint32_t found = NONE;
    if (!token(core, object)->object) return NONE;
    for (uint32_t n = object + 1; n < token(core, object)->next; n = token(core, n)->next)
        if (same(token(core, n)->key, key, length)) found = n;
    return found;
}

/* Adds a value; of a list each item, whatever its depth. */
static int flatten(Core *core, uint32_t n) {
    if (token(core, n)->kind != ARRAY) return add(&core->found, n);
    for (uint32_t i = n + 1, end = token(core, n)->next; i < end;) {
        if (token(core, i)->kind == ARRAY) { i++; continue; }
        if (add(&core->found, i)) return -1;
        i = token(core, i)->next;
    }
    return 0;
}

static int find_in(Core *core, uint32_t object, Slice path);

/* fields.find: 1 when there is a value at the path, 0 when there is none. The path ends the recursion. */
static int find(Core *core, uint32_t n, Slice path) {
    int any = 0;
    if (token(core, n)->kind != ARRAY) return find_in(core, n, path);
    for (uint32_t i = n + 1, end = token(core, n)->next; i < end;) {
        if (token(core, i)->kind == ARRAY) { i++; continue; }
        int found = find_in(core, i, path);
        if (found < 0) return -1;
        any |= found;
        i = token(core, i)->next;
    }
    return any;
}

static int find_in(Core *core, uint32_t object, Slice path) {
    if (!token(core, object)->object) return 0;
    uint32_t whole = member(core, object, path.at, path.length);
    if (whole != NONE) return flatten(core, whole) ? -1 : 1;
    for (size_t dot = 0; dot < path.length; dot++) {
        if (path.at[dot] != '.') continue;
        uint32_t inner = member(core, object, path.at, dot);
        if (inner == NONE || token(core, inner)->kind == NOTHING) continue;
        int found = find(core, inner, (Slice){path.at + dot + 1, path.length - dot - 1});
        if (found) return found;
    }
    return 0;
}

/* Adds a Python value as a token: whole numbers, booleans and strings as text, None, others as Python reads them. */
static int push_object(Core *core, PyObject *value) {
    uint32_t n = core->tape.count;
    Token *pushed = tape_push(&core->tape);
    if (!pushed) { PyErr_NoMemory(); return -1; }
    if (add(&core->found, n)) return -1;
    if (value == Py_None) { pushed->kind = NOTHING; return 0; }
    pushed->kind = TEXT;
    PyObject *text = PyUnicode_CheckExact(value) ? Py_NewRef(value) : PyObject_CallMethod(core->callbacks, "text_of", "(O)", value);
    return keep_str(core, &pushed->raw, text);
}

static int push_list(Core *core, PyObject *list) {
    if (!list) return -1;
    Py_ssize_t size = PyList_Size(list);
    int failed = size < 0;
    for (Py_ssize_t i = 0; i < size && !failed; i++) failed = push_object(core, PyList_GetItem(list, i));
    Py_DECREF(list);
    return failed ? -1 : 0;
}

/* What is asked of Python is asked about the Event, or the line. */
static PyObject *subject(Core *core) {
    if (!core->subject)
        core->subject = PyBytes_FromStringAndSize((const char *)core->line.at, (Py_ssize_t)core->line.length);
    return core->subject;
}

/* Adds what is at a place. 1: the place is there, so no other is asked, even when an empty list is all it has. */
static int read_place(Core *core, const Place *place) {
    if (place->kind == DERIVED) {
        PyObject *about = subject(core);
        PyObject *value = about ? PyObject_CallMethod(core->callbacks, "derived", "OOi", place->name, about, core->form) : NULL;
        if (!value) return -1;
        int failed = value == Py_None ? 0 : push_object(core, value) ? -1 : 1;
        Py_DECREF(value);
        return failed;
    }
    uint32_t before = core->found.count;
    int found = 0;
    if (core->form != FORM_DICTS) {
        uint32_t at = at_slot(core, place->slot);
        if (at != NONE) return flatten(core, at) ? -1 : 1;
        for (uint32_t i = 0; i < place->head_count; i++) {
            if (at_slot(core, *AT(core->links, uint32_t, place->heads + i)) == NONE) continue;
            found = find_in(core, core->roots[place->kind], place->path);
            break;
        }
        return found < 0 ? -1 : core->found.count > before;
    }
    PyObject *dict = core->dicts[place->kind], *value = PyDict_GetItemWithError(dict, place->name);
    if (!value && PyErr_Occurred()) return -1;
    if (value && !PyList_Check(value)) return push_object(core, value) ? -1 : 1;
    if (!value && !place->head_count) return 0;
    if (push_list(core, PyObject_CallMethod(core->callbacks, "found", "OO", dict, place->name))) return -1;
    return value || core->found.count > before;
}

/* The tokens of a field, in core->found from `found`. Field 0 is every scalar, for keywords. */
static int resolve(Core *core, uint32_t number) {
    Field *field = AT(core->fields, Field, number);
    if (field->seen == core->number) return 0;
    field->seen = core->number;
    field->found = core->found.count;
    field->found_count = 0;
    if (number == 0) {
        if (core->form == FORM_DICTS) {
            PyObject *first = core->dicts[PyDict_Size(core->dicts[ORIGINAL]) ? ORIGINAL : OCSF];
            if (push_list(core, PyObject_CallMethod(core->callbacks, "scalars", "(O)", first))) return -1;
        } else {
            uint32_t root = core->roots[ORIGINAL];
            if (root == NONE || token(core, root)->next == root + 1) root = core->roots[OCSF];
            for (uint32_t n = root; root != NONE && n < token(core, root)->next; n++)
                if (token(core, n)->kind != ARRAY && !token(core, n)->object && add(&core->found, n)) return -1;
        }
    }
    for (uint32_t i = 0; i < field->count; i++) {
        int there = read_place(core, AT(core->places, Place, field->places + i));
        if (there < 0) return -1;
        if (there) break;
    }
    field = AT(core->fields, Field, number);
    field->found_count = core->found.count - field->found;
    return 0;
}

/* ---- leaves */

/* The literal that is packed at `at`, which moves behind it. */
static Slice packed_at(Slice packed, size_t *at) {
    uint32_t length;
    memcpy(&length, packed.at + *at + 1, 4);
    *at += 5 + (size_t)length;
    return (Slice){packed.at + *at - length, length};
}

/* Wildcards as lowering.py packs them: `*`, `?`, or `=`, four bytes of length, and that many bytes. */
static int glob_matches(Slice glob, Slice text) {
    size_t at = 0, part = 0, star = SIZE_MAX, retry = 0;
    for (;;) {
        if (part == glob.length) {
            if (at == text.length) return 1;
        } else if (glob.at[part] == '*') {
            star = ++part;
            retry = at;
            if (part == glob.length) return 1;
            continue;
        } else if (glob.at[part] == '?') {
            if (at < text.length) {
                for (at++, part++; at < text.length && (text.at[at] & 0xC0) == 0x80; at++) {}
                continue;
            }
        } else {
            size_t behind = part;
            Slice literal = packed_at(glob, &behind);
            if (text.length - at >= literal.length && memcmp(text.at + at, literal.at, literal.length) == 0) {
                at += literal.length;
                part = behind;
                continue;
            }
        }
        if (star == SIZE_MAX || retry >= text.length) return 0;
        for (retry++; retry < text.length && (text.at[retry] & 0xC0) == 0x80; retry++) {}
        if (glob.at[star] == '=') { /* straight to where the part behind the star stands next */
            size_t behind = star;
            Slice literal = packed_at(glob, &behind);
            const uint8_t *next = find_bytes(text.at + retry, text.length - retry, literal.at, literal.length);
            if (!next) return 0;
            retry = (size_t)(next - text.at);
        }
        at = retry;
        part = star;
    }
}

static int literal_holds(const Leaf *leaf, Slice text) {
    size_t length = leaf->text.length;
    if (text.length < length) return 0;
    switch (leaf->how) {
    case EQUALS: return text.length == length && memcmp(text.at, leaf->text.at, length) == 0;
    case STARTS: return memcmp(text.at, leaf->text.at, length) == 0;
    case ENDS: return memcmp(text.at + text.length - length, leaf->text.at, length) == 0;
    default: return length == 0 || find_bytes(text.at, text.length, leaf->text.at, length) != NULL;
    }
}

static int can_start(const Leaf *leaf, Slice text) {
    uint8_t c = text.length ? text.at[0] : 0, lower = c | 0x20;
    if (leaf->start == ANY_START || c >= 0x80) return 1;
    if (c >= '0' && c <= '9') return 1;
    if (leaf->start == NUMBER_START) return c == '+' || c == '-';
    return (lower >= 'a' && lower <= 'f') || c == ':';
}

/* Whether a text in lower case has one literal of each set; `&` stands between sets. */
static int has_required(Slice required, Slice lower) {
    int has = 0;
    for (size_t at = 0; at < required.length;) {
        if (required.at[at] == '&') {
            if (!has) return 0;
            has = 0;
            at++;
            continue;
        }
        Slice literal = packed_at(required, &at);
        has = has || find_bytes(lower.at, lower.length, literal.at, literal.length);
    }
    return has;
}

static inline uint32_t owner_of(uint32_t kind, uint32_t number, const Token *of) { return number << 5 | kind << 3 | of->kind; }

/* Python's test of a text; asked once for a value that stays in memory. */
static int call_holds(Core *core, const Leaf *leaf, uint32_t number, Token *of, Slice text) {
    Slice lower;
    uint32_t answer, owner = owner_of(OWNER_LEAF, number, of);
    if (text.length < leaf->shortest || !can_start(leaf, text)) return 0;
    if (leaf->required.length && is_ascii(text.at, text.length)) { /* (?i)s also finds a long s */
        if (lower_of(core, of, &lower)) return -1;
        if (!has_required(leaf->required, lower)) return 0;
    }
    uint64_t hash = memo_hash(&core->memo, owner, of->raw);
    if (memo_find(&core->memo, hash, owner, of->raw, &answer)) return (int)answer;
    PyObject *str = str_of(text), *test = leaf->test;
    PyObject *result = str ? PyObject_CallFunctionObjArgs(test, str, NULL) : NULL;
    Py_XDECREF(str);
    int holds = result ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    if (holds >= 0) memo_put(&core->memo, hash, owner, of->raw, (uint32_t)holds);
    return holds;
}

/* Whether a leaf holds for one value. */
static int value_holds(Core *core, uint32_t number, Token *of) {
    const Leaf *leaf = AT(core->leaves, Leaf, number);
    Slice text;
    if (of->kind == NOTHING) return 0;
    if (leaf->raw ? text_of(core, of, &text) : lower_of(core, of, &text)) return -1;
    switch (leaf->what) {
    case LITERAL: return literal_holds(leaf, text);
    case GLOB: return text.length <= LONGEST_GLOB ? glob_matches(leaf->text, text) : call_holds(core, leaf, number, of, text);
    case SET:
        core->hits.count = 0;
        if (literals_scan(leaf->set, text, 1, &core->hits)) { PyErr_NoMemory(); return -1; }
        return core->hits.count > 0;
    default: return call_holds(core, leaf, number, of, text);
    }
}

static int refers(Core *core, const Leaf *leaf) {
    const Field *mine = AT(core->fields, Field, leaf->field), *theirs = AT(core->fields, Field, leaf->other);
    for (uint32_t i = 0; i < mine->found_count; i++) {
        Token *one = token(core, core->found.items[mine->found + i]);
        Slice text, other;
        if (one->kind == NOTHING) continue;
        if (lower_of(core, one, &text)) return -1;
        for (uint32_t j = 0; j < theirs->found_count; j++) {
            Token *two = token(core, core->found.items[theirs->found + j]);
            if (two->kind == NOTHING) continue;
            if (lower_of(core, two, &other)) return -1;
            Leaf as = {.how = leaf->how, .text = other};
            if (literal_holds(&as, text)) return 1;
        }
    }
    return 0;
}

/* Whether a leaf holds for the event. */
static int leaf_holds(Core *core, uint32_t number) {
    const Leaf *leaf = AT(core->leaves, Leaf, number);
    if (resolve(core, leaf->field) || (leaf->what == REFERS && resolve(core, leaf->other))) return -1;
    const Field *field = AT(core->fields, Field, leaf->field);
    uint32_t first = field->found, count = field->found_count;
    if (leaf->what == EXISTS) return (count > 0) == leaf->how;
    if (leaf->what == REFERS) return refers(core, leaf);
    if (leaf->what == NULLS && !count) return 1;
    for (uint32_t i = 0; i < count; i++) {
        Token *of = token(core, core->found.items[first + i]);
        int holds = leaf->what == NULLS ? of->kind == NOTHING : value_holds(core, number, of);
        if (holds) return holds;
    }
    return 0;
}

/* Whether an object may have a key twice: then what is replaced is still among the scalars. */
static int may_repeat(Core *core) {
    enum { FEW = 100 };
    if (core->form == FORM_DICTS) return 0;
    for (uint32_t object = 0; object < core->tape.count; object++) {
        uint32_t count = 0, end = token(core, object)->next;
        if (!token(core, object)->object) continue;
        for (uint32_t n = object + 1; n < end; n = token(core, n)->next) {
            if (++count > FEW) return 1;
            Slice key = token(core, n)->key;
            for (uint32_t other = token(core, n)->next; other < end; other = token(core, other)->next)
                if (same(token(core, other)->key, key.at, key.length)) return 1;
        }
    }
    return 0;
}

/* 1, 0 or -1. What rests on a keyword that was found where it may be replaced is asked of Python. */
static int rule_holds(Core *core, uint32_t number) {
    int32_t at = (int32_t)AT(core->rules, Rule, number)->step;
    while (at >= 0) {
        const Step *step = AT(core->steps, Step, at);
        int holds = leaf_holds(core, step->leaf);
        if (holds < 0) return -1;
        if (holds && AT(core->leaves, Leaf, step->leaf)->field == 0 && may_repeat(core)) {
            PyObject *about = subject(core);
            PyObject *result = about ? PyObject_CallMethod(core->callbacks, "confirm", "IOi", number, about, core->form) : NULL;
            holds = result ? PyObject_IsTrue(result) : -1;
            Py_XDECREF(result);
            return holds;
        }
        at = holds ? step->yes : step->no;
    }
    return at == YES;
}

/* ---- which rules are worth asking */

static int ask(Core *core, uint32_t number) {
    Rule *rule = AT(core->rules, Rule, number);
    if (rule->asked == core->number) return 0;
    rule->asked = core->number;
    return add(&core->candidates, number);
}

static int ask_leaf(Core *core, const Gate *gate, uint32_t n, Token *of, int verify, List *rules) {
    if (verify) {
        int holds = value_holds(core, gate->leaves[n], of);
        if (holds <= 0) return holds;
    }
    for (uint32_t i = gate->starts[n]; i < gate->starts[n + 1]; i++)
        if (add(rules, gate->rules[i])) return -1;
    return 0;
}

/* Adds to `rules` those that a leaf of the gate holds for. */
static int gate_search(Core *core, Gate *gate, Token *of, List *rules) {
    Slice lower;
    List hits = {0};
    if (lower_of(core, of, &lower)) return -1;
    int failed = literals_scan(&gate->literals, lower, 0, &hits);
    if (failed) PyErr_NoMemory();
    for (uint32_t i = 0; i < hits.count && !failed; i++) {
        const Leaf *leaf = AT(core->leaves, Leaf, gate->leaves[hits.items[i]]);
        failed = ask_leaf(core, gate, hits.items[i], of, leaf->what != LITERAL || leaf->raw, rules);
    }
    free(hits.items);
    for (uint32_t i = 0; i < gate->tests.count && !failed; i++) failed = ask_leaf(core, gate, gate->tests.items[i], of, 1, rules);
    if (gate->gated.count && !failed && !is_ascii(lower.at, lower.length))
        for (uint32_t i = 0; i < gate->gated.count && !failed; i++) failed = ask_leaf(core, gate, gate->gated.items[i], of, 1, rules);
    return failed ? -1 : 0;
}

/* A value's class: the place of its rules in class_items, or 0 when there are none. What was found is used at once, and
   remembered as long as there is room. */
static int gate_value(Core *core, Gate *gate, uint32_t number, Token *of, uint64_t hash) {
    uint32_t class;
    uint32_t owner = owner_of(OWNER_GATE, number, of);
    if (memo_find(&core->memo, hash, owner, of->raw, &class)) {
        if (!class) return 0;
        const uint32_t *items = core->class_items.items + class;
        for (uint32_t i = 1, count = items[0]; i <= count; i++)
            if (ask(core, items[i])) return -1;
        return 0;
    }
    List rules = {0};
    int failed = gate_search(core, gate, of, &rules);
    for (uint32_t i = 0; i < rules.count && !failed; i++) failed = ask(core, rules.items[i]);
    if (!failed && core->class_items.count + rules.count < MOST_CLASSED) {
        class = rules.count ? core->class_items.count : 0;
        if (class) failed = add(&core->class_items, rules.count);
        for (uint32_t i = 0; i < rules.count && !failed; i++) failed = add(&core->class_items, rules.items[i]);
        if (!failed) memo_put(&core->memo, hash, owner, of->raw, class);
    }
    free(rules.items);
    return failed ? -1 : 0;
}

static int by_number(const void *a, const void *b) {
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return one < two ? -1 : one > two;
}

static int collect(Core *core, Group *group) {
    enum { AHEAD = 16 };
    struct { uint32_t gate, token; uint64_t hash; } waiting[AHEAD];
    uint32_t count = 0;
    core->candidates.count = 0;
    for (uint32_t i = 0; i < group->always.count; i++)
        if (ask(core, group->always.items[i])) return -1;
    for (uint32_t g = group->gates, last = g + group->gate_count; g <= last; g++) {
        uint32_t first = 0, values = 0;
        if (g < last) {
            uint32_t field = AT(core->gates, Gate, g)->field;
            if (resolve(core, field)) return -1;
            first = AT(core->fields, Field, field)->found;
            values = AT(core->fields, Field, field)->found_count;
        }
        for (uint32_t v = 0; v < values || (g == last && count); v++) {
            if (count == AHEAD || g == last) { /* look up what the processor's cache was told to fetch */
                for (uint32_t i = 0; i < count; i++) {
                    Gate *gate = AT(core->gates, Gate, waiting[i].gate);
                    if (gate_value(core, gate, waiting[i].gate, token(core, waiting[i].token), waiting[i].hash)) return -1;
                }
                count = 0;
                if (g == last) break;
            }
            uint32_t n = core->found.items[first + v];
            const Token *of = token(core, n);
            if (of->kind == NOTHING) continue;
            uint64_t hash = memo_hash(&core->memo, owner_of(OWNER_GATE, g, of), of->raw);
            __builtin_prefetch(memo_set(&core->memo.now, hash));
            waiting[count].gate = g;
            waiting[count].token = n;
            waiting[count++].hash = hash;
        }
    }
    if (group->keyword_rules.count && !core->plain) { /* letters may be written otherwise */
        for (uint32_t i = 0; i < group->keyword_rules.count; i++)
            if (ask(core, group->keyword_rules.items[i])) return -1;
    } else if (group->keywords.count) {
        core->hits.count = 0;
        if (literals_scan(&group->keywords, core->line, 0, &core->hits)) { PyErr_NoMemory(); return -1; }
        for (uint32_t i = 0; i < core->hits.count; i++)
            if (ask(core, group->keyword_rules.items[core->hits.items[i]])) return -1;
    }
    if (core->candidates.count > 1) qsort(core->candidates.items, core->candidates.count, sizeof(uint32_t), by_number);
    return 0;
}

/* ---- which rules mean the event */

/* fields.get_path: the token at a path of a log source's place, or NONE. */
static uint32_t walk(Core *core, uint32_t at, Slice path) {
    size_t start = 0;
    while (at != NONE && start <= path.length) {
        size_t end = start;
        uint32_t index = 0;
        int number = 1;
        while (end < path.length && path.at[end] != '.') end++;
        for (size_t i = start; i < end; i++) {
            number &= path.at[i] >= '0' && path.at[i] <= '9';
            index = index * 10 + (uint32_t)(path.at[i] - '0');
        }
        if (token(core, at)->kind == ARRAY) {
            int skip = number && end > start;
            uint32_t n = at + 1, last = token(core, at)->next;
            for (uint32_t i = 0; skip && i < index && n < last; i++) n = token(core, n)->next;
            at = n < last ? n : NONE;
            if (skip) { start = end + 1; continue; }
            if (at == NONE) break;
        }
        at = member(core, at, path.at + start, end - start);
        start = end + 1;
    }
    return at;
}

/* The number of the text that stands at a decisive place: 0 for none, and for one that no log source asks for. */
static int decisive_id(Core *core, uint32_t number, uint32_t *id) {
    const Place *place = AT(core->decisive, Place, number);
    uint32_t n = NONE;
    *id = 0;
    if (core->form == FORM_DICTS) {
        PyObject *value = PyDict_GetItemWithError(core->dicts[place->kind], place->name);
        if (!value && PyErr_Occurred()) return -1;
        PyObject *found = NULL;
        if (!value && place->head_count) {
            value = found = PyObject_CallMethod(core->callbacks, "walked", "OO", core->dicts[place->kind], place->name);
            if (!found) return -1;
        }
        int failed = value && push_object(core, value);
        Py_XDECREF(found);
        if (failed) return -1;
        if (value) n = core->tape.count - 1;
    } else {
        n = at_slot(core, place->slot);
        if (n == NONE && place->head_count && core->roots[place->kind] != NONE)
            n = walk(core, core->roots[place->kind], place->path);
    }
    if (n == NONE || token(core, n)->kind == NOTHING) return 0;
    Token *of = token(core, n);
    uint32_t owner = owner_of(OWNER_PLACE, number, of);
    uint64_t hash = memo_hash(&core->memo, owner, of->raw);
    if (memo_find(&core->memo, hash, owner, of->raw, id)) return 0;
    Slice lower;
    if (lower_of(core, of, &lower)) return -1;
    PyObject *text = str_of(lower);
    PyObject *known = text ? PyDict_GetItemWithError(PyTuple_GetItem(core->known, number), text) : NULL;
    Py_XDECREF(text);
    if (!known && PyErr_Occurred()) return -1;
    if (known) *id = (uint32_t)PyLong_AsUnsignedLong(known);
    memo_put(&core->memo, hash, owner, of->raw, *id);
    return 0;
}

/* The event's group, or NONE when there is no rule for it. 1: a group was made, the slots may be others now. */
static int group_of(Core *core, const uint32_t *constants, uint32_t *group) {
    Known asked = {0};
    uint32_t count = core->decisive.count, hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        asked.ids[i] = constants[i];
        if (AT(core->decisive, Place, i)->kind != DERIVED && decisive_id(core, i, asked.ids + i)) return -1;
        hash = (hash ^ asked.ids[i]) * 0x9E3779B1u;
    }
    Known *known = core->groups_known + (hash >> 20) / WAYS * WAYS, *last = known + WAYS - 1;
    for (;; known++) {
        if (known->ids[MOST_PLACES - 1] && memcmp(known->ids, asked.ids, count * sizeof(uint32_t)) == 0) {
            *group = known->group;
            return 0;
        }
        if (known == last || !known->ids[MOST_PLACES - 1]) break;
    }
    if (known == last) known -= core->number % WAYS; /* whichever */
    PyObject *ids = PyTuple_New(count);
    for (uint32_t i = 0; ids && i < count; i++) PyTuple_SetItem(ids, i, PyLong_FromUnsignedLong(asked.ids[i]));
    uint32_t groups = core->groups.count;
    PyObject *found = ids ? PyObject_CallMethod(core->callbacks, "plan", "(O)", ids) : NULL;
    Py_XDECREF(ids);
    if (!found) return -1;
    *group = found == Py_None ? NONE : (uint32_t)PyLong_AsUnsignedLong(found);
    Py_DECREF(found);
    if (PyErr_Occurred()) return -1;
    if (*group != NONE && *group >= core->groups.count) { PyErr_SetString(PyExc_IndexError, "no such group"); return -1; }
    asked.group = *group;
    asked.ids[MOST_PLACES - 1] = 1;
    *known = asked;
    return core->groups.count != groups;
}

/* ---- events */

static void start_event(Core *core, uint32_t form) {
    core->number++;
    core->form = form;
    core->found.count = 0;
    core->roots[ORIGINAL] = core->roots[OCSF] = NONE;
    arena_reset(&core->arena);
    Py_CLEAR(core->subject);
    if (core->class_items.count > MOST_CLASSED / 2) { /* classes start afresh, and so does what refers to them */
        core->class_items.count = 1;
        memo_turn(&core->memo);
        memo_turn(&core->memo);
    }
}

/* The numbers of the rules that match, as a tuple; None when there are none. */
static PyObject *matched(Core *core, Group *group) {
    struct timespec before, after;
    uint32_t count = 0;
    if (collect(core, group)) return NULL;
    if (!core->candidates.count) return Py_NewRef(Py_None);
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (uint32_t i = 0; i < core->candidates.count; i++) {
        uint32_t number = core->candidates.items[i];
        int holds = rule_holds(core, number);
        if (holds < 0) return NULL;
        clock_gettime(CLOCK_MONOTONIC, &after);
        Rule *rule = AT(core->rules, Rule, number);
        rule->evaluated++;
        rule->nanoseconds += (uint64_t)((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec);
        before = after;
        if (holds) core->candidates.items[count++] = number;
    }
    if (!count) return Py_NewRef(Py_None);
    PyObject *numbers = PyTuple_New(count);
    for (uint32_t i = 0; numbers && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLong(core->candidates.items[i]);
        if (!number) { Py_CLEAR(numbers); break; }
        PyTuple_SetItem(numbers, i, number);
    }
    return numbers;
}

/* Finds the roots of the line. 0: it is for the plain path. */
static int find_roots(Core *core, uint32_t form) {
    if (form == FORM_EVENT) {
        static const char *const names[] = {"original", "ocsf"};
        for (int kind = ORIGINAL; kind <= OCSF; kind++) {
            uint32_t n = member(core, 0, names[kind], strlen(names[kind]));
            if (n == NONE || token(core, n)->kind == NOTHING) continue;
            if (!token(core, n)->object) return 0;
            core->roots[kind] = n;
        }
    } else {
        core->roots[form == FORM_OCSF ? OCSF : ORIGINAL] = 0;
    }
    return 1;
}

/* The log source that a line of form `event` names, in place of the constants. 0: it is for the plain path. */
static int own_source(Core *core, uint32_t *ids) {
    uint32_t source = member(core, 0, "logsource", 9);
    if (source == NONE || token(core, source)->kind == NOTHING) return 1;
    if (!token(core, source)->object) return 0;
    if (token(core, source)->next == source + 1) return 1;
    for (uint32_t i = 0; i < core->decisive.count; i++) {
        const Place *place = AT(core->decisive, Place, i);
        if (place->kind != DERIVED) continue;
        uint32_t n = member(core, source, place->path.at, place->path.length);
        ids[i] = 0;
        if (n == NONE) continue;
        Token *of = token(core, n);
        if (of->kind != TEXT || of->raw.at[of->raw.length] != '"') return 0;
        PyObject *text = str_of(of->raw), *lower = text ? PyObject_CallMethod(text, "lower", NULL) : NULL;
        PyObject *known = lower ? PyDict_GetItemWithError(PyTuple_GetItem(core->known, i), lower) : NULL;
        Py_XDECREF(text);
        Py_XDECREF(lower);
        if (known) ids[i] = (uint32_t)PyLong_AsUnsignedLong(known);
        else if (PyErr_Occurred()) return -1;
    }
    return 1;
}

/* What a line matches: a tuple; None for nothing; the line itself as bytes when it is for the plain path. */
static PyObject *examine_line(Core *core, const uint32_t *constants, uint32_t form) {
    uint32_t ids[MOST_PLACES], group;
    for (int again = 0;; again++) {
        start_event(core, form);
        int read = tape_read(&core->tape, core->line.at, core->line.at + core->line.length);
        if (read == TAPE_NO_MEMORY) return PyErr_NoMemory();
        memcpy(ids, constants, core->decisive.count * sizeof *ids);
        int usable = read == TAPE_OK && find_roots(core, form);
        if (usable && form == FORM_EVENT && (usable = own_source(core, ids)) < 0) return NULL;
        if (!usable) return Py_XNewRef(subject(core));
        core->plain = !core->tape.hides;
        fill_slots(core, ORIGINAL, core->roots[ORIGINAL]);
        fill_slots(core, OCSF, core->roots[OCSF]);
        int made = group_of(core, ids, &group);
        if (made < 0) return NULL;
        if (!made || again) break;
    }
    if (group == NONE) return Py_NewRef(Py_None);
    return matched(core, AT(core->groups, Group, group));
}

static int enter(Core *core) {
    if (core->busy) { PyErr_SetString(PyExc_RuntimeError, "the core is in use"); return -1; }
    core->busy = 1;
    return 0;
}

/* The ids of the log source's parts at the decisive places, as unsigned ints. */
static int constants_of(Core *core, PyObject *bytes, uint32_t *constants) {
    Slice slice;
    if (bytes_of(bytes, &slice)) return -1;
    if (slice.length != core->decisive.count * sizeof(uint32_t)) {
        PyErr_SetString(PyExc_ValueError, "one id for each decisive place is needed");
        return -1;
    }
    memcpy(constants, slice.at, slice.length);
    return 0;
}

static int is_blank(Slice line) {
    for (size_t i = 0; i < line.length; i++)
        if (line.at[i] != ' ' && (line.at[i] < '\t' || line.at[i] > '\r')) return 0;
    return 1;
}

static int scan_lines(Core *core, Slice data, const uint32_t *constants, uint32_t form, PyObject *results) {
    const uint8_t *at = data.at, *end = at + data.length;
    for (Py_ssize_t number = 0; at < end; number++) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        core->line = (Slice){at, (size_t)((newline ? newline : end) - at)};
        at = newline ? newline + 1 : end;
        if ((number & 4095) == 4095 && PyErr_CheckSignals()) return -1;
        if (is_blank(core->line)) continue;
        PyObject *found = examine_line(core, constants, form);
        if (!found) return -1;
        if (found == Py_None) { Py_DECREF(found); continue; }
        PyObject *pair = Py_BuildValue("nN", number, found);
        int failed = !pair || PyList_Append(results, pair);
        Py_XDECREF(pair);
        if (failed) return -1;
    }
    return 0;
}

/* scan(data, constants, form) -> [(line number, rule numbers), ...]; bytes in place of rule numbers are a line that the
   plain path has to read. */
static PyObject *core_scan(Core *core, PyObject *args) {
    Py_buffer data;
    PyObject *ids, *results = NULL;
    uint32_t constants[MOST_PLACES];
    int form;
    if (!PyArg_ParseTuple(args, "y*Si", &data, &ids, &form)) return NULL;
    if (form < FORM_RECORD || form > FORM_EVENT) PyErr_SetString(PyExc_ValueError, "no such form");
    else if (!constants_of(core, ids, constants) && !enter(core)) {
        results = PyList_New(0);
        if (results && scan_lines(core, (Slice){data.buf, (size_t)data.len}, constants, (uint32_t)form, results))
            Py_CLEAR(results);
        Py_CLEAR(core->subject);
        core->busy = 0;
    }
    PyBuffer_Release(&data);
    return results;
}

/* matches(event, original, ocsf, constants) -> rule numbers or None. */
static PyObject *core_matches(Core *core, PyObject *args) {
    PyObject *event, *ids, *result = NULL, *dicts[2];
    uint32_t constants[MOST_PLACES], group;
    if (!PyArg_ParseTuple(args, "OO!O!S", &event, &PyDict_Type, dicts, &PyDict_Type, dicts + 1, &ids)) return NULL;
    if (constants_of(core, ids, constants) || enter(core)) return NULL;
    start_event(core, FORM_DICTS);
    core->tape.count = 0;
    core->plain = 0;
    core->subject = Py_NewRef(event);
    core->dicts[ORIGINAL] = dicts[0];
    core->dicts[OCSF] = dicts[1];
    if (group_of(core, constants, &group) >= 0)
        result = group == NONE ? Py_NewRef(Py_None) : matched(core, AT(core->groups, Group, group));
    Py_CLEAR(core->subject);
    core->busy = 0;
    return result;
}

/* ---- tables */

static int add_slot(Core *core, int kind, Slice path, uint32_t *slot) {
    *slot = slot_of(core, kind, path);
    if (*slot != NONE) return 0;
    uint32_t n = core->slot_count, bits = core->key_bits[kind];
    uint32_t *tokens = realloc(core->slot_token, (n + 1) * sizeof *tokens);
    if (tokens) core->slot_token = tokens;
    uint64_t *seen = realloc(core->slot_seen, (n + 1) * sizeof *seen);
    if (seen) core->slot_seen = seen;
    /* The table of keys is made anew with four times the room of all slots. */
    uint32_t old_size = core->keys[kind] ? 1u << bits : 0, new_bits = bits ? bits : 6;
    while ((1u << new_bits) < (n + 1) * 4) new_bits++;
    struct Key *keys = malloc(sizeof *keys << new_bits), *old = core->keys[kind], fresh = {.slot = n};
    if (!tokens || !seen || !keys || copied(&fresh.path, path.at, path.length)) {
        free(keys);
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < 1u << new_bits; i++) keys[i].slot = NONE;
    for (uint32_t i = 0; i <= old_size; i++) {
        struct Key *key = i == old_size ? &fresh : old + i;
        if (key->slot == NONE) continue;
        uint32_t at = (uint32_t)(key_hash(key->path) >> (64 - new_bits));
        while (keys[at].slot != NONE) at = (at + 1) & ((1u << new_bits) - 1);
        keys[at] = *key;
    }
    free(old);
    core->keys[kind] = keys;
    core->key_bits[kind] = new_bits;
    core->slot_token[n] = 0;
    core->slot_seen[n] = 0;
    core->slot_count = n + 1;
    *slot = n;
    return 0;
}

/* Adds a place to `table` from (kind, path). */
static int add_place(Core *core, Table *table, PyObject *pair) {
    PyObject *path;
    int kind;
    Slice utf8;
    if (!PyArg_ParseTuple(pair, "iU", &kind, &path) || utf8_of(path, &utf8)) return -1;
    Place place = {.kind = (uint32_t)kind, .heads = core->links.count};
    if (copied(&place.path, utf8.at, utf8.length)) return -1;
    for (size_t i = 0; i <= utf8.length && kind != DERIVED; i++) {
        if (i < utf8.length && utf8.at[i] != '.') continue;
        uint32_t slot, *link;
        if (add_slot(core, kind, (Slice){utf8.at, i}, &slot)) return -1;
        place.slot = slot;
        if (i == utf8.length) break;
        if (!(link = table_add(&core->links))) return -1;
        *link = slot;
        place.head_count++;
    }
    Place *added = table_add(table);
    if (!added) return -1;
    place.name = Py_NewRef(path);
    PyUnicode_InternInPlace(&place.name);
    *added = place;
    return 0;
}

/* add_field(((kind, path), ...)) -> number */
static PyObject *core_add_field(Core *core, PyObject *places) {
    Py_ssize_t count = PyTuple_Size(places);
    uint32_t first = core->places.count;
    if (count < 0) return NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        if (add_place(core, &core->places, PyTuple_GetItem(places, i))) return NULL;
    Field *field = table_add(&core->fields);
    if (!field) return NULL;
    *field = (Field){.places = first, .count = (uint32_t)count};
    return PyLong_FromUnsignedLong(core->fields.count - 1);
}

/* add_leaf(what, how, raw, field, other, data, test, required, shortest, start) -> number */
static PyObject *core_add_leaf(Core *core, PyObject *args) {
    unsigned what, how, raw, field, other, shortest, start;
    const char *data, *required;
    Py_ssize_t length, required_length;
    PyObject *test;
    if (!PyArg_ParseTuple(args, "IIIIIy#Oy#II", &what, &how, &raw, &field, &other, &data, &length, &test, &required,
                          &required_length, &shortest, &start)) return NULL;
    if (field >= core->fields.count || other >= core->fields.count || what > REFERS || what == SET) {
        PyErr_SetString(PyExc_IndexError, "no such field or kind of leaf");
        return NULL;
    }
    Leaf leaf = {.what = (uint8_t)what, .how = (uint8_t)how, .raw = (uint8_t)raw, .start = (uint8_t)start, .field = field,
                 .other = other, .shortest = shortest};
    if (copied(&leaf.text, data, (size_t)length) || copied(&leaf.required, required, (size_t)required_length)) return NULL;
    Leaf *added = table_add(&core->leaves);
    if (!added) return NULL;
    leaf.test = Py_NewRef(test);
    *added = leaf;
    return PyLong_FromUnsignedLong(core->leaves.count - 1);
}

static int by_emptiness(const void *a, const void *b) {
    return (((const Literal *)a)->text.length > 0) - (((const Literal *)b)->text.length > 0);
}

static int build(Literals *all, Literal *literals, uint32_t count, int fold) {
    qsort(literals, count, sizeof *literals, by_emptiness);
    if (literals_build(all, literals, count, fold) == 0) return 0;
    PyErr_NoMemory();
    return -1;
}

/* add_set(leaves) -> number of a leaf that holds when one of these literal leaves of one field does; unsigned ints */
static PyObject *core_add_set(Core *core, PyObject *bytes) {
    Slice numbers;
    if (bytes_of(bytes, &numbers)) return NULL;
    uint32_t count = (uint32_t)(numbers.length / 4), field = 0;
    Leaf *added = table_add(&core->leaves);
    Literal *literals = calloc(count + 1, sizeof *literals);
    if (!added || !literals) return free(literals), PyErr_NoMemory();
    for (uint32_t i = 0, n; i < count; i++) {
        memcpy(&n, numbers.at + 4 * (size_t)i, 4);
        if (n >= core->leaves.count - 1) return free(literals), PyErr_Format(PyExc_IndexError, "no leaf %u", n);
        const Leaf *leaf = AT(core->leaves, Leaf, n);
        literals[i] = (Literal){leaf->text, i, leaf->how};
        field = leaf->field;
    }
    *added = (Leaf){.what = SET, .field = field, .set = calloc(1, sizeof(Literals))};
    if (!added->set) return free(literals), PyErr_NoMemory();
    if (build(added->set, literals, count, 0)) return NULL;
    return PyLong_FromUnsignedLong(core->leaves.count - 1);
}

/* add_rule(number, steps): steps are three ints each: leaf, and the next step if it holds, if not (-1 yes, -2 no) */
static PyObject *core_add_rule(Core *core, PyObject *args) {
    unsigned number;
    const char *at;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "Iy#", &number, &at, &length)) return NULL;
    uint32_t first = core->steps.count, count = (uint32_t)((size_t)length / sizeof(Step));
    if (number >= core->rules.count || !count || first + count > INT32_MAX) return PyErr_Format(PyExc_IndexError, "no rule %u", number);
    for (uint32_t i = 0; i < count; i++) {
        Step step, *added;
        memcpy(&step, at + i * sizeof step, sizeof step);
        /* Steps lead onwards only: every rule comes to an end. */
        int fine = step.leaf < core->leaves.count && step.yes >= NO && step.no >= NO && step.yes < (int32_t)count &&
                   step.no < (int32_t)count && (step.yes < 0 || step.yes > (int32_t)i) && (step.no < 0 || step.no > (int32_t)i);
        if (!fine) return PyErr_Format(PyExc_ValueError, "rule %u has a step that leads nowhere", number);
        if (step.yes >= 0) step.yes += (int32_t)first;
        if (step.no >= 0) step.no += (int32_t)first;
        if (!(added = table_add(&core->steps))) return NULL;
        *added = step;
    }
    AT(core->rules, Rule, number)->step = first;
    return Py_NewRef(Py_None);
}

/* The numbers in bytes, each below `limit`. */
static int numbers_of(PyObject *bytes, List *list, uint32_t limit) {
    Slice slice;
    if (bytes_of(bytes, &slice)) return -1;
    for (size_t i = 0; i + 4 <= slice.length; i += 4) {
        uint32_t number;
        memcpy(&number, slice.at + i, 4);
        if (number >= limit) { PyErr_Format(PyExc_IndexError, "no number %u", number); return -1; }
        if (add(list, number)) return -1;
    }
    return 0;
}

/* One field's leaves: (field, leaves, where each one's rules start and the last end, rules). */
static int add_gate(Core *core, PyObject *four) {
    PyObject *leaves, *starts, *rules;
    unsigned field;
    if (!PyArg_ParseTuple(four, "ISSS", &field, &leaves, &starts, &rules)) return -1;
    Gate *gate = table_add(&core->gates);
    List lists[3] = {{0}, {0}, {0}};
    if (!gate) return -1;
    int failed = numbers_of(leaves, lists, core->leaves.count) || numbers_of(rules, lists + 2, core->rules.count) ||
                 numbers_of(starts, lists + 1, lists[2].count + 1) || lists[1].count != lists[0].count + 1;
    *gate = (Gate){.field = field, .leaf_count = lists[0].count, .leaves = lists[0].items, .starts = lists[1].items, .rules = lists[2].items};
    if (failed || field >= core->fields.count) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a gate's parts do not fit");
        return -1;
    }
    size_t most = 1;
    for (uint32_t n = 0; n < gate->leaf_count; n++) most += 1 + AT(core->leaves, Leaf, gate->leaves[n])->required.length / 5;
    Literal *literals = calloc(most, sizeof *literals);
    uint32_t count = 0;
    if (!literals) { PyErr_NoMemory(); return -1; }
    for (uint32_t n = 0; n < gate->leaf_count && !failed; n++) {
        const Leaf *leaf = AT(core->leaves, Leaf, gate->leaves[n]);
        if (leaf->what == LITERAL && !leaf->raw) literals[count++] = (Literal){leaf->text, n, leaf->how};
        else if (!leaf->required.length) failed = add(&gate->tests, n);
        else if (leaf->what == CALL) failed = add(&gate->gated, n);
        for (size_t at = 0; at < leaf->required.length && leaf->required.at[at] != '&' && !failed;)
            literals[count++] = (Literal){packed_at(leaf->required, &at), n, CONTAINS};
    }
    if (failed) { free(literals); return -1; }
    return build(&gate->literals, literals, count, 0);
}

/* add_group(always, gates, keyword rules, keywords) -> number. Each keyword rule has its literal in `keywords`; one that
   has several stands there several times. */
static PyObject *core_add_group(Core *core, PyObject *args) {
    PyObject *always, *gates, *keyword_rules, *keywords;
    if (!PyArg_ParseTuple(args, "SO!SO!", &always, &PyTuple_Type, &gates, &keyword_rules, &PyTuple_Type, &keywords)) return NULL;
    Group group = {.gates = core->gates.count, .gate_count = (uint32_t)PyTuple_Size(gates)};
    for (uint32_t i = 0; i < group.gate_count; i++)
        if (add_gate(core, PyTuple_GetItem(gates, i))) return NULL;
    if (numbers_of(always, &group.always, core->rules.count) || numbers_of(keyword_rules, &group.keyword_rules, core->rules.count)) return NULL;
    uint32_t count = (uint32_t)PyTuple_Size(keywords);
    Literal *literals = calloc((size_t)count + 1, sizeof *literals);
    if (!literals) return PyErr_NoMemory();
    int failed = count != group.keyword_rules.count;
    for (uint32_t i = 0; i < count && !failed; i++) {
        Slice text;
        failed = bytes_of(PyTuple_GetItem(keywords, i), &text) || text.length < 4 || copied(&literals[i].text, text.at, text.length);
        literals[i].answer = i;
        literals[i].how = CONTAINS;
    }
    if (failed) {
        free(literals);
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "keywords and their rules do not fit");
    }
    if (build(&group.keywords, literals, count, 1)) return NULL;
    Group *added = table_add(&core->groups);
    if (!added) return NULL;
    *added = group;
    return PyLong_FromUnsignedLong(core->groups.count - 1);
}

/* costs() -> [(evaluated, nanoseconds), ...] by rule */
static PyObject *core_costs(Core *core, PyObject *unused) {
    (void)unused;
    PyObject *costs = PyList_New(core->rules.count);
    for (uint32_t i = 0; costs && i < core->rules.count; i++) {
        const Rule *rule = AT(core->rules, Rule, i);
        PyObject *pair = Py_BuildValue("KK", (unsigned long long)rule->evaluated, (unsigned long long)rule->nanoseconds);
        if (!pair) { Py_CLEAR(costs); break; }
        PyList_SetItem(costs, i, pair);
    }
    return costs;
}

/* Core(callbacks, number of rules, decisive places, known texts, random key of 24 bytes) */
static int core_init(PyObject *self, PyObject *args, PyObject *keywords) {
    Core *core = (Core *)self;
    PyObject *callbacks, *decisive, *known;
    unsigned rules;
    Slice key = {NULL, 0};
    Py_ssize_t length;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "OIO!O!y#", &callbacks, &rules, &PyTuple_Type, &decisive, &PyTuple_Type, &known, (const char **)&key.at, &length)) return -1;
    if (core->callbacks || length != sizeof core->memo.key || PyTuple_Size(decisive) >= MOST_PLACES || PyTuple_Size(known) != PyTuple_Size(decisive)) {
        PyErr_SetString(PyExc_ValueError, "made twice, a key of another length, too many places, or not each with its texts");
        return -1;
    }
    memcpy(core->memo.key, key.at, sizeof core->memo.key);
    core->callbacks = Py_NewRef(callbacks);
    core->known = Py_NewRef(known);
    Table *const tables[] = {&core->places, &core->fields, &core->leaves, &core->steps, &core->groups, &core->gates, &core->links, &core->rules, &core->decisive};
    static const uint32_t sizes[] = {sizeof(Place), sizeof(Field), sizeof(Leaf), sizeof(Step), sizeof(Group), sizeof(Gate), sizeof(uint32_t), sizeof(Rule), sizeof(Place)};
    for (int i = 0; i < 9; i++) tables[i]->size = sizes[i];
    core->groups_known = calloc(GROUPS, sizeof(Known));
    if (memo_new(&core->memo) || !core->groups_known) { PyErr_NoMemory(); return -1; }
    if (add(&core->class_items, 0) || !table_add(&core->fields)) return -1; /* class 0; field 0 is every scalar */
    for (unsigned i = 0; i < rules; i++)
        if (!table_add(&core->rules)) return -1;
    for (Py_ssize_t i = 0; i < PyTuple_Size(decisive); i++)
        if (add_place(core, &core->decisive, PyTuple_GetItem(decisive, i))) return -1;
    return 0;
}

static int core_traverse(PyObject *self, visitproc visit, void *arg) {
    Core *core = (Core *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(core->callbacks);
    Py_VISIT(core->known);
    for (uint32_t i = 0; i < core->leaves.count; i++) Py_VISIT(AT(core->leaves, Leaf, i)->test);
    return 0;
}

static int core_clear(PyObject *self) {
    Core *core = (Core *)self;
    Py_CLEAR(core->callbacks);
    Py_CLEAR(core->known);
    for (uint32_t i = 0; i < core->leaves.count; i++) Py_CLEAR(AT(core->leaves, Leaf, i)->test);
    return 0;
}

static void core_dealloc(PyObject *self) {
    Core *core = (Core *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    core_clear(self);
    for (uint32_t i = 0; i < core->leaves.count; i++) {
        Leaf *leaf = AT(core->leaves, Leaf, i);
        free((void *)leaf->text.at);
        free((void *)leaf->required.at);
        if (leaf->set) literals_free(leaf->set);
        free(leaf->set);
    }
    for (uint32_t i = 0; i < core->gates.count; i++) {
        Gate *gate = AT(core->gates, Gate, i);
        literals_free(&gate->literals);
        free(gate->leaves);
        free(gate->starts);
        free(gate->rules);
        free(gate->tests.items);
        free(gate->gated.items);
    }
    for (uint32_t i = 0; i < core->groups.count; i++) {
        Group *group = AT(core->groups, Group, i);
        for (uint32_t k = 0; k < group->keywords.count; k++) free((void *)group->keywords.literals[k].text.at);
        literals_free(&group->keywords);
        free(group->always.items);
        free(group->keyword_rules.items);
    }
    Table *const places[] = {&core->places, &core->decisive};
    for (int t = 0; t < 2; t++)
        for (uint32_t i = 0; i < places[t]->count; i++) {
            free((void *)AT(*places[t], Place, i)->path.at);
            Py_XDECREF(AT(*places[t], Place, i)->name);
        }
    for (int kind = ORIGINAL; kind <= OCSF; kind++) {
        for (uint32_t i = 0; core->keys[kind] && i < 1u << core->key_bits[kind]; i++)
            if (core->keys[kind][i].slot != NONE) free((void *)core->keys[kind][i].path.at);
        free(core->keys[kind]);
    }
    void *const all[] = {core->places.items, core->fields.items, core->leaves.items, core->steps.items, core->groups.items,
                         core->gates.items, core->links.items, core->rules.items, core->decisive.items, core->slot_token,
                         core->slot_seen, core->groups_known, core->class_items.items, core->tape.tokens,
                         core->found.items, core->candidates.items, core->hits.items};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    memo_free(&core->memo);
    arena_free(&core->arena);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

#define METHOD(name, flags) {#name, (PyCFunction)(void (*)(void))core_##name, flags, NULL}
static PyMethodDef core_methods[] = {
    METHOD(scan, METH_VARARGS), METHOD(matches, METH_VARARGS), METHOD(add_field, METH_O), METHOD(add_leaf, METH_VARARGS),
    METHOD(add_set, METH_O), METHOD(add_rule, METH_VARARGS), METHOD(add_group, METH_VARARGS), METHOD(costs, METH_NOARGS),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot core_slots[] = {
    {Py_tp_init, core_init}, {Py_tp_dealloc, core_dealloc}, {Py_tp_traverse, core_traverse},
    {Py_tp_clear, core_clear}, {Py_tp_methods, core_methods}, {0, NULL},
};

static PyType_Spec core_spec = {"watchfloor.detect.sigma.native._core.Core", sizeof(Core), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, core_slots};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&core_spec);
    int failed = !type || PyModule_AddObjectRef(module, "Core", type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, NULL, module_slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&module); }
