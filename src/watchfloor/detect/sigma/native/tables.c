/* What lowering.py hands over, checked. */
#include "core.h"

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
int add_place(Core *core, Table *table, PyObject *pair) {
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
PyObject *core_add_field(Core *core, PyObject *places) {
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
PyObject *core_add_leaf(Core *core, PyObject *args) {
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
PyObject *core_add_set(Core *core, PyObject *bytes) {
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
PyObject *core_add_rule(Core *core, PyObject *args) {
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
PyObject *core_add_group(Core *core, PyObject *args) {
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
