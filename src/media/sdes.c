/* a=crypto, RFC 4568: section 9.1 has the grammar of every line, section 9.2 what SRTP adds to it. */
#include "media/sdes.h"

#include "base/mem.h"
#include "base/text.h"

#define TAG_DIGITS_MAX 9
#define LIFETIME_BITS_MAX 48 /* RFC 4568 section 6.2, RFC 3711 section 9.2: packets under one key */
#define MKI_OCTETS_MAX 128
#define WINDOW_HINT_MIN 64
#define KDR_MAX 24

/* One line while it is read. What is well formed but cannot be carried is noted, and reading goes on: what breaks the grammar counts more. */
struct line {
    struct slice value;
    int err;
    struct fault fault;
};

/* Returns false, for the end of a check. Of several complaints the first of the worst kind stays. */
static bool refuse(struct line *l, int err, struct slice where, const char *rule)
{
    if (!l->err || (l->err == ERR_UNSUPPORTED && err != ERR_UNSUPPORTED)) {
        l->err = err;
        l->fault = (struct fault){(size_t)(where.p - l->value.p), rule};
    }
    return false;
}

static bool broken(struct line *l, struct slice where, const char *rule)
{
    return refuse(l, ERR_SYNTAX, where, rule);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* A slice without an address has nothing behind anything. */
static struct slice behind(struct slice s, size_t octets)
{
    return octets ? slice_of(s.p + octets, s.n - octets) : s;
}

/* The next word; blanks before it are skipped. Empty at the end. */
static struct slice next_word(struct slice *rest)
{
    size_t at = 0, n = 0;
    while (at < rest->n && is_blank(rest->p[at]))
        at++;
    while (at + n < rest->n && !is_blank(rest->p[at + n]))
        n++;
    struct slice word = slice_of(behind(*rest, at).p, n);
    *rest = behind(*rest, at + n);
    return word;
}

/* What is before the separator, which is taken away with it; all, when there is none. Unlike text_cut, what is left always points into the
 * text, so that faults have a place. */
static struct slice cut(struct slice *rest, char separator)
{
    const uint8_t *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    size_t n = at ? (size_t)(at - rest->p) : rest->n;
    struct slice part = slice_of(rest->p, n);
    *rest = behind(*rest, at ? n + 1 : n);
    return part;
}

static bool starts_with(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && text_equal_nocase(slice_of(s.p, n), slice_str(prefix));
}

/* 1*(ALPHA / DIGIT / "_") */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'))
            return false;
    }
    return s.n > 0;
}

static bool read_number(struct slice s, size_t digits_max, uint64_t low, uint64_t high, uint64_t *ret_value)
{
    uint64_t value;
    if (s.n > digits_max || u64_parse(s, high, &value) < 0 || value < low)
        return false;
    *ret_value = value;
    return true;
}

/* Key and salt, one behind the other. Padding may be missing: their length says where they end. */
static bool read_key(struct line *l, struct slice text, struct srtp_master *master)
{
    char padded[SRTP_MASTER_OCTETS_MAX * 4 / 3 + 4];
    struct slice digits = text;
    size_t octets = srtp_suite_key_octets(master->suite) + srtp_suite_salt_octets(master->suite);
    while (digits.n && text.n - digits.n < 2 && digits.p[digits.n - 1] == '=')
        digits.n--;
    if (digits.n != (octets * 8 + 5) / 6 || (digits.n != text.n && text.n % 4))
        return broken(l, text, "key and salt as long as the suite wants, RFC 4568 6.1");
    size_t n = (digits.n + 3) / 4 * 4;
    memset(padded, '=', n);
    memcpy(padded, digits.p, digits.n);
    struct buf key;
    buf_init(&key, SRTP_MASTER_OCTETS_MAX);
    int err = base64_decode(slice_of(padded, n), &key);
    if (!err && key.n == octets)
        memcpy(master->octets, key.p, key.n);
    bool good = !err && key.n == octets;
    buf_fini_secret(&key);
    mem_wipe(padded, sizeof padded);
    if (err == ERR_NO_MEMORY)
        return refuse(l, err, text, "memory for the key");
    return good || broken(l, text, "base64 of the key, RFC 4568 6.1");
}

/* lifetime = ["2^"] 1*(DIGIT) */
static bool read_lifetime(struct line *l, struct slice text, struct srtp_master *master)
{
    uint64_t bits;
    if (starts_with(text, "2^")) {
        if (!read_number(behind(text, 2), 2, 0, LIFETIME_BITS_MAX, &bits))
            return broken(l, text, "lifetime of at most 2^48, RFC 4568 6.1");
        master->lifetime = (uint64_t)1 << bits;
        return true;
    }
    return read_number(text, 15, 1, (uint64_t)1 << LIFETIME_BITS_MAX, &master->lifetime) ||
           broken(l, text, "lifetime from 1 to 2^48, RFC 4568 6.1");
}

/* mki = mki-value ":" mki-length */
static bool read_mki(struct line *l, struct slice text)
{
    struct slice length = text, value = cut(&length, ':');
    uint64_t number;
    bool digits = value.n > 0;
    for (size_t i = 0; i < value.n; i++)
        digits = digits && value.p[i] >= '0' && value.p[i] <= '9';
    if (!digits || !read_number(length, 3, 1, MKI_OCTETS_MAX, &number))
        return broken(l, text, "MKI and its length of 1 to 128, RFC 4568 6.1");
    return refuse(l, ERR_UNSUPPORTED, text, "master key identifier, RFC 4568 6.1");
}

/* srtp-key-info = key-salt ["|" lifetime] ["|" mki] */
static bool read_key_info(struct line *l, struct slice info, struct srtp_master *master)
{
    struct slice rest = info, key = cut(&rest, '|');
    if (!read_key(l, key, master))
        return false;
    bool ends = key.n == info.n;
    bool has_lifetime = false;
    while (!ends) {
        size_t before = rest.n;
        struct slice part = cut(&rest, '|');
        ends = part.n == before;
        if (part.n && memchr(part.p, ':', part.n))
            return ends ? read_mki(l, part) : broken(l, rest, "nothing behind the MKI, RFC 4568 9.2");
        if (has_lifetime)
            return broken(l, part, "one lifetime, RFC 4568 9.2");
        if (!read_lifetime(l, part, master))
            return false;
        has_lifetime = true;
    }
    return true;
}

/* key-params = key-method ":" key-info, several with ";" between them. */
static void read_key_params(struct line *l, struct slice params, struct srtp_master *master)
{
    struct slice rest = params;
    for (bool ends = false, first = true; !ends; first = false) {
        size_t before = rest.n;
        struct slice info = cut(&rest, ';');
        ends = info.n == before;
        struct slice method = cut(&info, ':');
        if (!is_token(method) || info.n == 0) {
            broken(l, method, "key method and key, RFC 4568 9.1");
            return;
        }
        if (!first)
            refuse(l, ERR_UNSUPPORTED, method, "several keys, RFC 4568 6.1");
        else if (!text_equal_nocase(method, slice_str("inline")))
            refuse(l, ERR_UNSUPPORTED, method, "key method inline, RFC 4568 6.1");
        else if (master->suite != SUITE_NONE)
            read_key_info(l, info, master);
    }
}

/* Section 6.3. What a sender declares and we cannot follow, and what is unknown and mandatory, makes the line one that we cannot take. */
static void read_session_param(struct line *l, struct slice param)
{
    static const char *const refused[] = {"UNENCRYPTED_SRTP",   "UNENCRYPTED_SRTCP",  "UNAUTHENTICATED_SRTP",
                                          "FEC_ORDER=FEC_SRTP", "FEC_ORDER=SRTP_FEC", NULL};
    uint64_t number;
    for (unsigned i = 0; refused[i]; i++) {
        if (text_equal_nocase(param, slice_str(refused[i]))) {
            refuse(l, ERR_UNSUPPORTED, param, "session parameter, RFC 4568 6.3");
            return;
        }
    }
    if (starts_with(param, "KDR=")) {
        if (read_number(behind(param, 4), 2, 0, KDR_MAX, &number))
            refuse(l, ERR_UNSUPPORTED, param, "key derivation rate, RFC 4568 6.3.1");
        else
            broken(l, param, "key derivation rate of 0 to 24, RFC 4568 6.3.1");
    } else if (starts_with(param, "WSH=")) {
        /* A hint; section 6.3.7. Our window is what it is. */
        if (param.n < 6 || !read_number(behind(param, 4), 9, WINDOW_HINT_MIN, UINT32_MAX, &number))
            broken(l, param, "window size hint of at least 64, RFC 4568 6.3.7");
    } else if (starts_with(param, "FEC_ORDER=")) {
        broken(l, param, "order of FEC and SRTP, RFC 4568 6.3.5");
    } else if (param.p[0] != '-') {
        /* FEC_KEY, and those that others have defined; a dash makes them optional. */
        refuse(l, ERR_UNSUPPORTED, param, "session parameter, RFC 4568 6.3");
    } else if (param.n == 1) {
        broken(l, param, "name of the session parameter, RFC 4568 9.2");
    }
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e)
            return false;
    return s.n > 0;
}

static void read_line(struct line *l, struct sdes_crypto *crypto)
{
    struct slice rest = l->value;
    uint64_t tag;
    if (rest.n && is_blank(rest.p[0])) {
        broken(l, rest, "tag, RFC 4568 9.1");
        return;
    }
    struct slice word = next_word(&rest);
    if (!read_number(word, TAG_DIGITS_MAX, 0, UINT32_MAX, &tag)) {
        broken(l, word, "tag of 1 to 9 digits, RFC 4568 9.1");
        return;
    }
    crypto->tag = (uint32_t)tag;
    word = next_word(&rest);
    if (!is_token(word)) {
        broken(l, word, "crypto suite, RFC 4568 9.1");
        return;
    }
    crypto->master.suite = srtp_suite_find(word);
    bool known = crypto->master.suite != SUITE_NONE;
    if (!known)
        refuse(l, ERR_UNSUPPORTED, word, "crypto suite, RFC 4568 6.2");
    word = next_word(&rest);
    if (!is_visible(word)) {
        broken(l, word, "key parameters, RFC 4568 9.1");
        return;
    }
    read_key_params(l, word, &crypto->master);
    while ((word = next_word(&rest)).n) {
        if (!is_visible(word))
            broken(l, word, "session parameter, RFC 4568 9.1");
        else if (known) /* another suite may give another meaning to them */
            read_session_param(l, word);
    }
}

int sdes_parse(struct slice value, struct sdes_crypto *ret_crypto, struct fault *ret_fault)
{
    struct sdes_crypto crypto = {0};
    /* An empty value may have no address at all. */
    struct line l = {.value = value.n ? value : slice_str("")};
    read_line(&l, &crypto);
    if (l.err && ret_fault)
        *ret_fault = l.fault;
    if (!l.err)
        *ret_crypto = crypto;
    mem_wipe(&crypto, sizeof crypto);
    return l.err;
}

int sdes_format(const struct sdes_crypto *crypto, struct buf *ret_value)
{
    const struct srtp_master *m = &crypto->master;
    size_t octets = srtp_suite_key_octets(m->suite) + srtp_suite_salt_octets(m->suite);
    buf_printf(ret_value, "%u %s inline:", (unsigned)crypto->tag, srtp_suite_name(m->suite));
    base64_append(ret_value, slice_of(m->octets, octets));
    if (m->lifetime && (m->lifetime & (m->lifetime - 1)) == 0)
        buf_printf(ret_value, "|2^%u", (unsigned)__builtin_ctzll(m->lifetime));
    else if (m->lifetime)
        buf_printf(ret_value, "|%llu", (unsigned long long)m->lifetime);
    return ret_value->err;
}

void sdes_make(const struct entropy *entropy, enum srtp_suite suite, struct srtp_master *ret_master)
{
    *ret_master = (struct srtp_master){.suite = suite};
    entropy_fill(entropy, ret_master->octets, srtp_suite_key_octets(suite) + srtp_suite_salt_octets(suite));
}

/* Where the suite stands in the order; count when it does not. */
static size_t rank_of(enum srtp_suite suite, const enum srtp_suite *preferred, size_t count)
{
    size_t i = 0;
    while (i < count && preferred[i] != suite)
        i++;
    return i;
}

/* The best of those that can be read, and what was wrong with the others: ERR_SYNTAX if nothing else was, else ERR_NOT_FOUND. */
static int pick(const struct slice *values, size_t count, const enum srtp_suite *preferred, size_t preferred_count,
                struct sdes_crypto *ret_best, struct fault *ret_fault)
{
    struct sdes_crypto crypto;
    struct fault fault = {0, NULL};
    size_t best = preferred_count;
    bool all_broken = count > 0;
    for (size_t i = 0; i < count; i++) {
        struct fault this_fault = {0, NULL};
        int err = sdes_parse(values[i], &crypto, &this_fault);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err && !fault.rule)
            fault = this_fault;
        all_broken = all_broken && err == ERR_SYNTAX;
        size_t rank = err ? preferred_count : rank_of(crypto.master.suite, preferred, preferred_count);
        if (rank < best) {
            best = rank;
            *ret_best = crypto;
        }
    }
    mem_wipe(&crypto, sizeof crypto);
    if (best < preferred_count)
        return 0;
    if (ret_fault)
        *ret_fault = fault.rule ? fault : (struct fault){0, "a crypto suite that is allowed here, RFC 4568 5.1.2"};
    return all_broken ? ERR_SYNTAX : ERR_NOT_FOUND;
}

/* The tag alone, of any line that begins like one. */
static bool has_tag(struct slice value, uint32_t tag)
{
    uint64_t number;
    struct slice word = next_word(&value);
    return read_number(word, TAG_DIGITS_MAX, 0, UINT32_MAX, &number) && number == tag;
}

int sdes_choose(const struct slice *values, size_t count, const enum srtp_suite *preferred, size_t preferred_count,
                struct sdes_crypto *ret_chosen, struct fault *ret_fault)
{
    struct sdes_crypto best = {0};
    if (count > SDES_LINES_MAX)
        count = SDES_LINES_MAX;
    int err = pick(values, count, preferred, preferred_count, &best, ret_fault);
    unsigned same = 0;
    for (size_t i = 0; !err && i < count; i++)
        same += has_tag(values[i], best.tag);
    if (same > 1) {
        /* The answer could not say which one it means. */
        err = ERR_SYNTAX;
        if (ret_fault)
            *ret_fault = (struct fault){0, "tags that differ, RFC 4568 4.1"};
    }
    if (!err)
        *ret_chosen = best;
    mem_wipe(&best, sizeof best);
    return err;
}

int sdes_check_answer(const struct sdes_crypto *offered, size_t count, struct slice value, size_t *ret_index,
                      struct sdes_crypto *ret_answer, struct fault *ret_fault)
{
    struct sdes_crypto answer;
    int err = sdes_parse(value, &answer, ret_fault);
    if (err)
        return err;
    size_t i = 0;
    while (i < count && (offered[i].tag != answer.tag || offered[i].master.suite != answer.master.suite))
        i++;
    if (i == count) {
        err = ERR_FORBIDDEN;
        if (ret_fault)
            *ret_fault = (struct fault){0, "tag and suite of a line of the offer, RFC 4568 5.1.3"};
    } else {
        *ret_index = i;
        *ret_answer = answer;
    }
    mem_wipe(&answer, sizeof answer);
    return err;
}
