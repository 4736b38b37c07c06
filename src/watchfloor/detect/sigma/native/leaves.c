/* Whether leaves and rules hold for an event. */
#include "core.h"

/* The literal that is packed at `at`, which moves behind it. */
Slice packed_at(Slice packed, size_t *at) {
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
int value_holds(Core *core, uint32_t number, Token *of) {
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
int rule_holds(Core *core, uint32_t number) {
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
