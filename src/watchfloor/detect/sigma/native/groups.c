/* Which rules mean an event, and which of them are worth asking. */
#include "core.h"

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

int collect(Core *core, Group *group) {
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
int group_of(Core *core, const uint32_t *constants, uint32_t *group) {
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
