/* Dialing rules: what a telephone system wrote down, into +E.164. */
#include "cdr/dial.h"

#include "base/text.h"

#include <stdio.h>

#define TEXT_OCTETS_MAX 64

/* Where they differ from the usual 00 and 0. */
static const struct {
    const char *country;
    const char *international;
    const char *trunk;
} countries[] = {
    {"1", "011", "1"},   {"7", "810", "8"}, {"30", "00", ""},   {"34", "00", ""},   {"36", "00", "06"},
    {"39", "00", ""},    {"45", "00", ""},  {"47", "00", ""},   {"48", "00", ""},   {"52", "00", ""},
    {"61", "0011", "0"}, {"65", "000", ""}, {"81", "010", "0"}, {"82", "001", "0"}, {"351", "00", ""},
    {"352", "00", ""},   {"356", "00", ""}, {"357", "00", ""},  {"371", "00", ""},  {"372", "00", ""},
    {"377", "00", ""},   {"420", "00", ""}, {"423", "00", ""},  {"852", "001", ""}, {"886", "002", "0"},
};

void dial_rules_init(struct dial_rules *rules)
{
    *rules = (struct dial_rules){.international = "00", .extension_digits_max = 6};
}

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

int dial_rules_set_country(struct dial_rules *rules, struct slice country)
{
    if (country.n && country.p[0] == '+')
        country = slice_of(country.p + 1, country.n - 1);
    if (!is_digits(country) || country.n > 3 || country.p[0] == '0')
        return ERR_SYNTAX;
    snprintf(rules->country, sizeof rules->country, "%.*s", SLICE_PRINT(country));
    strcpy(rules->international, "00");
    strcpy(rules->trunk, "0");
    for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++) {
        if (strcmp(countries[i].country, rules->country) == 0) {
            strcpy(rules->international, countries[i].international);
            strcpy(rules->trunk, countries[i].trunk);
        }
    }
    return 0;
}

/* Without "tel:", "sip:", and what follows the number in an address. */
static struct slice strip_address(struct slice s)
{
    bool address = s.n > 4 && (text_equal_nocase(slice_of(s.p, 4), slice_str("tel:")) ||
                               text_equal_nocase(slice_of(s.p, 4), slice_str("sip:")));
    if (address)
        s = slice_of(s.p + 4, s.n - 4);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '@' || s.p[i] == ';')
            s.n = i;
    return s;
}

/* "+" and digits, or digits; false for anything else. */
static bool compact(struct slice text, char *ret_text)
{
    size_t n = 0;
    text = strip_address(text_trim(text));
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c && strchr(" ()-./", c))
            continue;
        bool plus = c == '+' && n == 0;
        if (!plus && (c < '0' || c > '9'))
            return false;
        if (n == TEXT_OCTETS_MAX - 1)
            return false;
        ret_text[n++] = (char)c;
    }
    ret_text[n] = 0;
    return n > 0;
}

static bool begins(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return n && strncmp(text, prefix, n) == 0;
}

static enum dial_kind give(struct e164 *ret_number, const char *a, const char *b, const char *c)
{
    char text[3 * TEXT_OCTETS_MAX];
    int n = snprintf(text, sizeof text, "%s%s%s", a, b, c);
    return e164_parse(slice_of(text, (size_t)n), ret_number) ? DIAL_E164 : DIAL_NONE;
}

static enum dial_kind normalize_national(const struct dial_rules *rules, const char *digits, struct e164 *ret_number)
{
    char country[DIAL_PREFIX_MAX + 2];
    if (!rules->country[0])
        return DIAL_NONE;
    snprintf(country, sizeof country, "+%s", rules->country);
    return give(ret_number, country, digits, "");
}

enum dial_kind dial_normalize(const struct dial_rules *rules, struct slice text, struct e164 *ret_number)
{
    char digits[TEXT_OCTETS_MAX];
    char country[DIAL_PREFIX_MAX + 2];
    if (!compact(text, digits))
        return DIAL_NONE;
    if (digits[0] == '+')
        return give(ret_number, digits, "", "");
    if (begins(digits, rules->international) && strlen(digits) > rules->extension_digits_max)
        return give(ret_number, "+", digits + strlen(rules->international), "");
    if (strlen(digits) <= rules->extension_digits_max && !begins(digits, rules->trunk))
        return rules->extension[0] ? give(ret_number, rules->extension, digits, "") : DIAL_EXTENSION;
    if (begins(digits, rules->trunk))
        return normalize_national(rules, digits + strlen(rules->trunk), ret_number);
    if (!rules->area[0])
        return normalize_national(rules, digits, ret_number);
    snprintf(country, sizeof country, "+%s", rules->country);
    return rules->country[0] ? give(ret_number, country, rules->area, digits) : DIAL_NONE;
}
