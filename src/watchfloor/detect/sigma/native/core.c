/* The native path's core: rules as plain tables, events as bytes, matches out. path.py makes the tables and says what
   they mean; what is rare or odd (fractions, text beyond ASCII, regular expressions) is asked of Python, once a value. */
#include "core.h"

#include <structmember.h>

#include <time.h>

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

/* Where what was found in the line stands; once more when there are new places to read. */
static void fill_all(Core *core) {
    fill_slots(core, ORIGINAL, core->roots[ORIGINAL]);
    fill_slots(core, OCSF, core->roots[OCSF]);
}

/* Asks for what the candidates mean that are asked for the first time. */
static int know_candidates(Core *core) {
    int any = 0;
    for (uint32_t i = 0; i < core->candidates.count; i++) {
        uint32_t number = core->candidates.items[i];
        if (AT(core->rules, Rule, number)->step != NONE) continue;
        PyObject *done = PyObject_CallMethod(core->callbacks, "rule", "I", number);
        Py_XDECREF(done);
        if (!done) return -1;
        if (AT(core->rules, Rule, number)->step == NONE) { PyErr_Format(PyExc_LookupError, "rule %u has no steps", number); return -1; }
        any = 1;
    }
    if (any) fill_all(core);
    return 0;
}

/* The numbers of the rules that match, as a tuple; None when there are none. */
static PyObject *matched(Core *core, Group *group) {
    struct timespec before, after;
    uint32_t count = 0;
    if (collect(core, group) || know_candidates(core)) return NULL;
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
    start_event(core, form);
    int read = tape_read(&core->tape, core->line.at, core->line.at + core->line.length);
    if (read == TAPE_NO_MEMORY) return PyErr_NoMemory();
    memcpy(ids, constants, core->decisive.count * sizeof *ids);
    int usable = read == TAPE_OK && find_roots(core, form);
    if (usable && form == FORM_EVENT && (usable = own_source(core, ids)) < 0) return NULL;
    if (!usable) return Py_XNewRef(subject(core));
    core->plain = !core->tape.hides;
    fill_all(core);
    int made = group_of(core, ids, &group);
    if (made < 0) return NULL;
    if (made) fill_all(core);
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
        core->looked_at++;
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
    core->looked_at++;
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
    for (unsigned i = 0; i < rules; i++) {
        Rule *rule = table_add(&core->rules);
        if (!rule) return -1;
        rule->step = NONE;
    }
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

static PyMemberDef core_members[] = {{"looked_at", T_ULONGLONG, offsetof(Core, looked_at), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};

static PyType_Slot core_slots[] = {
    {Py_tp_init, core_init}, {Py_tp_dealloc, core_dealloc}, {Py_tp_traverse, core_traverse},
    {Py_tp_clear, core_clear}, {Py_tp_methods, core_methods}, {Py_tp_members, core_members}, {0, NULL},
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
