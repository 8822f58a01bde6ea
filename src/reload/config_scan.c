/* A scanner for tags, comments, CDATA sections and processing instructions. In a well-formed document every other '<' begins a tag. */
#include "reload/config_scan.h"

struct scan {
    struct slice text;
    size_t at;
    size_t open[CONFIG_DEPTH_MAX]; /* indices of the elements that are open */
    size_t depth;
    struct config_extent *extents;
    size_t count;
    size_t capacity;
    struct region *region;
};

static bool starts(const struct scan *s, const char *text)
{
    size_t n = strlen(text);
    return s->text.n - s->at >= n && memcmp(s->text.p + s->at, text, n) == 0;
}

/* Behind the next occurrence of the text. */
static bool skip_behind(struct scan *s, const char *text)
{
    const uint8_t *found = memmem(s->text.p + s->at, s->text.n - s->at, text, strlen(text));
    if (!found)
        return false;
    s->at = (size_t)(found - s->text.p) + strlen(text);
    return true;
}

static int open_element(struct scan *s, size_t begin)
{
    if (s->depth == CONFIG_DEPTH_MAX || s->count == CONFIG_ELEMENTS_MAX)
        return ERR_LIMIT;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        struct config_extent *more = region_array(s->region, capacity, sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        if (s->count)
            memcpy(more, s->extents, s->count * sizeof *more);
        s->extents = more;
        s->capacity = capacity;
    }
    s->extents[s->count].begin = begin;
    s->open[s->depth++] = s->count++;
    return 0;
}

/* A start, end or empty tag; quoted attribute values may contain '>'. */
static int scan_tag(struct scan *s)
{
    size_t begin = s->at++;
    bool end_tag = s->at < s->text.n && s->text.p[s->at] == '/';
    uint8_t quote = 0;
    for (; s->at < s->text.n; s->at++) {
        uint8_t c = s->text.p[s->at];
        if (c == '<')
            return ERR_SYNTAX;
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            break;
    }
    if (s->at == s->text.n)
        return ERR_SYNTAX;
    bool empty_tag = !end_tag && s->text.p[s->at - 1] == '/';
    s->at++;
    if (!end_tag) {
        int err = open_element(s, begin);
        if (err)
            return err;
    }
    if (end_tag || empty_tag) {
        if (!s->depth)
            return ERR_SYNTAX;
        s->extents[s->open[--s->depth]].end = s->at;
    }
    return 0;
}

static int scan_markup(struct scan *s, const char **ret_rule)
{
    *ret_rule = "a tag";
    if (starts(s, "<!--")) {
        s->at += 4;
        return skip_behind(s, "-->") ? 0 : ERR_SYNTAX;
    }
    if (starts(s, "<![CDATA["))
        return skip_behind(s, "]]>") ? 0 : ERR_SYNTAX;
    if (starts(s, "<?"))
        return skip_behind(s, "?>") ? 0 : ERR_SYNTAX;
    if (starts(s, "<!")) {
        *ret_rule = "a document type or a declaration: not allowed";
        return ERR_UNSUPPORTED;
    }
    return scan_tag(s);
}

static unsigned line_of(struct slice text, size_t at)
{
    unsigned line = 1;
    for (size_t i = 0; i < at && i < text.n; i++)
        line += text.p[i] == '\n';
    return line;
}

int config_scan(struct slice document, struct region *region, struct config_extent **ret_extents, size_t *ret_count,
                struct config_fault *ret_fault)
{
    struct scan s = {.text = document, .region = region};
    const char *rule = "a document";
    int err = 0;
    if (document.n > CONFIG_DOCUMENT_OCTETS_MAX) {
        *ret_fault = (struct config_fault){0, "a document of more than 256 KiB"};
        return ERR_LIMIT;
    }
    if (document.n && memchr(document.p, 0, document.n)) {
        *ret_fault = (struct config_fault){0, "an octet 0: the encoding must be UTF-8"};
        return ERR_UNSUPPORTED;
    }
    while (!err && s.at < document.n) {
        const uint8_t *next = memchr(document.p + s.at, '<', document.n - s.at);
        if (!next)
            break;
        s.at = (size_t)(next - document.p);
        err = scan_markup(&s, &rule);
    }
    if (!err && (s.depth || !s.count)) {
        rule = s.depth ? "an element without its end" : "no element";
        err = ERR_SYNTAX;
    }
    if (err == ERR_LIMIT)
        rule = "more elements, or deeper ones, than are allowed";
    if (err) {
        *ret_fault = (struct config_fault){line_of(document, s.at), rule};
        return err;
    }
    *ret_extents = s.extents;
    *ret_count = s.count;
    return 0;
}
