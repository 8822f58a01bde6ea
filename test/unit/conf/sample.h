/* A table with a key of every type, for the tests of this module. */
#ifndef CONF_SAMPLE_H
#define CONF_SAMPLE_H

#include "conf/conf.h"

static const struct conf_section sample_sections[] = {
    {"ring", false, "The ring."},
    {"limits", false, "Limits."},
    {"client", true, "A client that may connect."},
};

static const struct conf_key sample_keys[] = {
    {"ring", "listen", CONF_ADDR, 0, "0.0.0.0:6084", 6084, 0, NULL, NULL, "Where peers connect to."},
    {"ring", "bootstrap", CONF_ADDR, CONF_LIST, NULL, 6084, 0, NULL, "192.0.2.1:6084", "Bootstrap servers."},
    {"ring", "data", CONF_PATH, 0, "/var/lib/ime", 0, 0, NULL, NULL, "The data folder."},
    {"ring", "role", CONF_CHOICE, 0, "peer", 0, 0, "peer|bootstrap|client", NULL, "What it is."},
    {"ring", "key", CONF_HEX, CONF_SECRET, NULL, 2, 4, NULL, "00ff", "A shared secret."},
    {"ring", "domain", CONF_DOMAIN, 0, NULL, 0, 0, NULL, "example.com", "The company."},
    {"ring", "number", CONF_NUMBER, 0, NULL, 0, 0, NULL, "+14085551234", "A number."},
    {"limits", "entropy", CONF_INTEGER, 0, "24", 1, 255, NULL, NULL, "The threshold."},
    {"limits", "offset", CONF_INTEGER, 0, "-3", -10, 10, NULL, NULL, "May be negative."},
    {"limits", "interval", CONF_DURATION, 0, "1h", 1000, 86400000, NULL, NULL, "The spacing."},
    {"limits", "memory", CONF_OCTETS, 0, "64M", 1024, INT64_C(1) << 40, NULL, NULL, "Memory."},
    {"limits", "strict", CONF_BOOLEAN, 0, "yes", 0, 0, NULL, NULL, "Whether it is strict."},
    {"client", "user", CONF_TEXT, CONF_REQUIRED, NULL, 1, 16, NULL, "pbx1", "Its name."},
    {"client", "password", CONF_TEXT, CONF_SECRET, NULL, 8, 64, NULL, "correct-horse", "Its password."},
};

static const struct conf_table sample_table = {
    .intro = "A sample.",
    .sections = sample_sections,
    .section_count = sizeof sample_sections / sizeof sample_sections[0],
    .keys = sample_keys,
    .key_count = sizeof sample_keys / sizeof sample_keys[0],
};

#endif
