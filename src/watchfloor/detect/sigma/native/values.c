/* Texts of values, and what an event has at a place. */
#include "core.h"

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

PyObject *str_of(Slice text) {
    return PyUnicode_DecodeUTF8((const char *)text.at, (Py_ssize_t)text.length, "strict");
}

int text_of(Core *core, Token *token, Slice *text) {
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

int lower_of(Core *core, Token *token, Slice *lower) {
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

uint32_t slot_of(Core *core, int kind, Slice key) {
    if (!core->keys[kind]) return NONE;
    uint32_t bits = core->key_bits[kind], at = (uint32_t)(key_hash(key) >> (64 - bits));
    for (;; at = (at + 1) & ((1u << bits) - 1)) {
        const struct Key *found = core->keys[kind] + at;
        if (found->slot == NONE) return NONE;
        if (same(found->path, key.at, key.length)) return found->slot;
    }
}

/* The last of a key's members counts, as in Python. */
void fill_slots(Core *core, int kind, uint32_t root) {
    if (root == NONE) return;
    for (uint32_t n = root + 1; n < token(core, root)->next; n = token(core, n)->next) {
        uint32_t slot = slot_of(core, kind, token(core, n)->key);
        if (slot == NONE) continue;
        core->slot_token[slot] = n;
        core->slot_seen[slot] = core->number;
    }
}

uint32_t member(Core *core, uint32_t object, const void *key, size_t length) {
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
int push_object(Core *core, PyObject *value) {
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
PyObject *subject(Core *core) {
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
int resolve(Core *core, uint32_t number) {
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
