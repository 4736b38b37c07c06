#include "literals.h"

#include <stdlib.h>

#include "bytes.h"

enum { FOLD = 0x20202020, COUNTERS = 1 << 16, LONGEST_READ = 64 };

/* What Windows writes everywhere: grams of it tell little. */
static const char USUAL[] =
    "c:\\windows\\system32\\cmd.exe /c powershell.exe -noprofile c:\\program files (x86)\\microsoft office\\root\\"
    "c:\\users\\public\\appdata\\local\\temp\\ appdata\\roaming\\microsoft\\windows\\ \\syswow64\\ svchost.exe -k netsvcs "
    "hklm\\software\\microsoft\\windows nt\\currentversion\\ hkey_local_machine\\system\\currentcontrolset\\services\\ "
    "http://www. https:// .com .dll .sys \\device\\harddiskvolume programdata nt authority\\system c:/usr/bin /bin/sh ";

int list_add(List *list, uint32_t item) {
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 64;
        uint32_t *grown = room < list->room ? NULL : realloc(list->items, room * sizeof *grown);
        if (!grown) return -1;
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = item;
    return 0;
}

static inline uint32_t load(const uint8_t *at, uint32_t width, uint32_t fold) {
    uint32_t gram = 0;
    if (width == 4) memcpy(&gram, at, 4);
    else if (width == 2) gram = (uint32_t)at[0] | (uint32_t)at[1] << 8;
    else gram = at[0];
    return gram | fold;
}

static inline uint32_t hashed(uint32_t gram) { return gram * 0x9E3779B1u; }

/* By length: 7 and more, 5 or 6, 4, 2 or 3, and 1 byte. HIGH has 2 to 6, not all of them ASCII, and texts that are ASCII
   need no look at it. */
enum { LONG, MIDDLE, FOUR, SHORT, SINGLE, HIGH };
static const uint32_t WIDTH[CLASSES] = {4, 4, 4, 2, 1, 2};
enum { WIDEST_STRIDE = 8, FEW = 5 };

static int class_of(Slice text) {
    if (text.length >= 7) return LONG;
    if (text.length > 1 && !is_ascii(text.at, text.length)) return HIGH;
    if (text.length >= 4) return text.length >= 5 ? MIDDLE : FOUR;
    return text.length >= 2 ? SHORT : SINGLE;
}

static int has_high(uint32_t gram) { return (gram & 0x80808080u) != 0; }

/* Where the rarest gram is; with a stride, the rarest run of that many grams. */
static uint32_t rarest(const uint32_t *counters, Slice text, int class, uint32_t stride, uint32_t fold) {
    uint32_t width = WIDTH[class];
    uint32_t best = 0, least = UINT32_MAX, length = (uint32_t)text.length;
    if (length > LONGEST_READ) length = LONGEST_READ;
    for (uint32_t at = 0; at + width + stride - 1 <= length; at++) {
        uint32_t cost = 0;
        for (uint32_t shift = 0; shift < stride; shift++) {
            uint32_t gram = load(text.at + at + shift, width, fold);
            cost += counters[hashed(gram) >> 16];
            if (class == HIGH && !has_high(gram)) cost += 1000000;
        }
        if (cost < least) { least = cost; best = at; }
    }
    return best;
}

static void count_all(uint32_t *counters, Slice text, uint32_t width, uint32_t fold, uint32_t weight) {
    for (size_t at = 0; at + width <= text.length; at++) counters[hashed(load(text.at + at, width, fold)) >> 16] += weight;
}

/* Entries in the order of their buckets: a counting sort. */
static int bucketed(Grams *grams, const Entry *entries) {
    uint32_t size = 1u << grams->bits;
    grams->starts = calloc((size_t)size + 1, sizeof *grams->starts);
    grams->bloom = calloc((size_t)size, 1); /* 8 bits a bucket */
    grams->entries = malloc((size_t)grams->count * sizeof *grams->entries);
    if (!grams->starts || !grams->bloom || !grams->entries) return -1;
    for (uint32_t i = 0; i < grams->count; i++) {
        uint32_t h = hashed(entries[i].gram);
        grams->starts[(h >> (32 - grams->bits)) + 1]++;
        h >>= 32 - grams->bits - 3;
        grams->bloom[h >> 3] |= (uint8_t)(1u << (h & 7));
    }
    for (uint32_t i = 0; i < size; i++) grams->starts[i + 1] += grams->starts[i];
    for (uint32_t i = grams->count; i--;) { /* from behind; the starts walk back to where they belong */
        uint32_t bucket = hashed(entries[i].gram) >> (32 - grams->bits);
        grams->entries[--grams->starts[bucket + 1]] = entries[i];
    }
    memmove(grams->starts, grams->starts + 1, (size_t)size * sizeof *grams->starts);
    grams->starts[size] = grams->count;
    return 0;
}

static int build_grams(Literals *all, int class, uint32_t *counters) {
    Grams *grams = all->grams + class;
    uint32_t width = WIDTH[class], fold = all->fold ? FOLD : 0, chosen = 0, stride = WIDTH[class] == 4 ? WIDEST_STRIDE : 1;
    for (uint32_t i = 0; i < all->count; i++) {
        Slice text = all->literals[i].text;
        if (text.length == 0 || class_of(text) != class) continue;
        if (WIDTH[class] == 4 && text.length - 3 < stride) stride = (uint32_t)text.length - 3;
        chosen++;
    }
    if (!chosen) return 0;
    grams->few = chosen <= FEW && !all->fold;
    if (grams->few) stride = 1; /* one entry for each */
    grams->stride = stride;
    memset(counters, 0, COUNTERS * sizeof *counters);
    count_all(counters, (Slice){(const uint8_t *)USUAL, sizeof USUAL - 1}, width, fold, 50);
    for (uint32_t i = 0; i < all->count; i++)
        if (class_of(all->literals[i].text) == class) count_all(counters, all->literals[i].text, width, fold, 1);
    Entry *entries = calloc((size_t)chosen * stride, sizeof *entries);
    if (!entries) return -1;
    grams->longest_equal = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        const Literal *literal = all->literals + i;
        if (literal->text.length == 0 || class_of(literal->text) != class) continue;
        uint32_t at = rarest(counters, literal->text, class, stride, fold);
        for (uint32_t shift = 0; shift < stride; shift++) {
            uint32_t gram = load(literal->text.at + at + shift, width, fold);
            entries[grams->count++] = (Entry){gram, i, at + shift};
            counters[hashed(gram) >> 16] += 2; /* the next one rather stands elsewhere */
        }
        if (literal->how != EQUALS) grams->longest_equal = UINT32_MAX;
        else if (literal->text.length > grams->longest_equal) grams->longest_equal = (uint32_t)literal->text.length;
    }
    /* Few literals have room for a bloom of 8 KB, which is next to always right; many for one that fits the cache. */
    for (grams->bits = 6; grams->bits < 16 && (1u << grams->bits) < grams->count * (grams->bits < 13 ? 16 : 2); grams->bits++) {}
    int failed = bucketed(grams, entries);
    free(entries);
    return failed;
}

int literals_build(Literals *all, Literal *literals, uint32_t count, int fold) {
    *all = (Literals){.literals = literals, .count = count, .fold = fold};
    uint32_t *counters = malloc(COUNTERS * sizeof *counters);
    for (uint32_t i = 0; i < count; i++)
        if (literals[i].answer >= all->answers) all->answers = literals[i].answer + 1;
    all->seen = calloc((size_t)all->answers + 1, sizeof *all->seen);
    int failed = !counters || !all->seen;
    for (int class = 0; class < CLASSES && !failed; class++) failed = build_grams(all, class, counters);
    free(counters);
    return failed ? -1 : 0;
}

void literals_free(Literals *all) {
    for (int i = 0; i < CLASSES; i++) {
        free(all->grams[i].bloom);
        free(all->grams[i].starts);
        free(all->grams[i].entries);
    }
    free(all->literals);
    free(all->seen);
    memset(all, 0, sizeof *all);
}

static int folded_equal(const uint8_t *a, const uint8_t *b, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((a[i] | 0x20) != (b[i] | 0x20)) return 0;
    return 1;
}

/* Whether a literal stands where its gram was seen at `at`. */
static int stands(const Literals *all, const Literal *literal, Slice text, size_t at, uint32_t offset) {
    size_t length = literal->text.length, start = at - offset;
    if (at < offset || length > text.length || start > text.length - length) return 0;
    if ((literal->how == EQUALS || literal->how == STARTS) && start != 0) return 0;
    if ((literal->how == EQUALS || literal->how == ENDS) && start + length != text.length) return 0;
    if (all->fold) return folded_equal(text.at + start, literal->text.at, length);
    return memcmp(text.at + start, literal->text.at, length) == 0;
}

static int look(Literals *all, const Grams *grams, Slice text, size_t at, uint32_t gram, List *hits) {
    uint32_t bucket = hashed(gram) >> (32 - grams->bits);
    for (uint32_t i = grams->starts[bucket]; i < grams->starts[bucket + 1]; i++) {
        const Entry *entry = grams->entries + i;
        const Literal *literal = all->literals + entry->literal;
        if (entry->gram != gram || all->seen[literal->answer] == all->scan) continue;
        if (!stands(all, literal, text, at, entry->offset)) continue;
        all->seen[literal->answer] = all->scan;
        if (list_add(hits, literal->answer)) return -1;
    }
    return 0;
}

static inline int may_be(const uint8_t *bloom, uint32_t shift, uint32_t gram) {
    uint32_t h = hashed(gram) >> shift;
    return bloom[h >> 3] >> (h & 7) & 1;
}

/* Inlined for each width: what is not known there costs a third more. */
__attribute__((always_inline)) static inline int pass(Literals *all, const Grams *grams, Slice text, uint32_t width, uint32_t stride,
                                                      uint32_t fold, int first, List *hits) {
    const uint8_t *bloom = grams->bloom;
    uint32_t shift = 32 - grams->bits - 3, before = hits->count;
#define MAY_BE(n) may_be(bloom, shift, load(text.at + at + (n) * stride, width, fold))
    for (size_t at = 0; at + width <= text.length; at += stride) {
        /* Four at once as long as there is nothing: the processor has them in flight together. */
        while (at + 3 * stride + width <= text.length && !(MAY_BE(0) | MAY_BE(1) | MAY_BE(2) | MAY_BE(3))) at += 4 * stride;
        if (at + width > text.length) break;
        if (!MAY_BE(0)) continue;
        if (look(all, grams, text, at, load(text.at + at, width, fold), hits)) return -1;
        if (first && hits->count > before) return 0;
    }
#undef MAY_BE
    return 0;
}

/* Looks for each of a few literals by itself. */
static int look_each(Literals *all, const Grams *grams, Slice text, List *hits) {
    for (uint32_t i = 0; i < grams->count; i++) {
        const Literal *literal = all->literals + grams->entries[i].literal;
        size_t length = literal->text.length;
        if (length > text.length || all->seen[literal->answer] == all->scan) continue;
        if (literal->how == CONTAINS ? !find_bytes(text.at, text.length, literal->text.at, length)
                                     : !stands(all, literal, text, literal->how == ENDS ? text.length - length : 0, 0)) continue;
        all->seen[literal->answer] = all->scan;
        if (list_add(hits, literal->answer)) return -1;
    }
    return 0;
}

int literals_scan(Literals *all, Slice text, int first, List *hits) {
    uint32_t before = hits->count;
    if (++all->scan == 0) { /* the counter went round: what was seen is forgotten */
        memset(all->seen, 0, ((size_t)all->answers + 1) * sizeof *all->seen);
        all->scan = 1;
    }
    for (uint32_t i = 0; i < all->count && all->literals[i].text.length == 0; i++) { /* the empty ones stand first */
        const Literal *literal = all->literals + i;
        if (literal->how == EQUALS && text.length) continue;
        if (all->seen[literal->answer] == all->scan) continue;
        all->seen[literal->answer] = all->scan;
        if (list_add(hits, literal->answer)) return -1;
    }
    int ascii = all->grams[HIGH].count && is_ascii(text.at, text.length);
    for (int class = 0; class < CLASSES; class++) {
        const Grams *grams = all->grams + class;
        int failed;
        if (!grams->count || text.length > grams->longest_equal || (first && hits->count > before) || (class == HIGH && ascii)) continue;
        if (grams->few) failed = look_each(all, grams, text, hits);
        else if (WIDTH[class] == 4) failed = pass(all, grams, text, 4, grams->stride, all->fold ? FOLD : 0, first, hits);
        else failed = pass(all, grams, text, WIDTH[class], 1, 0, first, hits);
        if (failed) return -1;
    }
    return 0;
}
