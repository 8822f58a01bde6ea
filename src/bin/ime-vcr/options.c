/* The table of options, and what is done with it: command line, configuration file, help. */
#include "options.h"

#include "base/mem.h"
#include "base/text.h"
#include "conf/conf.h"
#include "io/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

typedef const char *option_fn(struct options *o, const char *value); /* NULL, or what is wrong with the value */

struct option {
    const char *section; /* of the configuration file; NULL: command line only */
    const char *name;
    const char *value; /* what stands for it in the help; NULL: a flag */
    bool list;
    unsigned commands;
    option_fn *set;
    const char *doc;
};

static const char *add(struct texts *list, const char *value)
{
    if (list->n == LIST_MAX)
        return "there are too many";
    list->values[list->n++] = value;
    return NULL;
}

static const char *set_u64(uint64_t *number, const char *value, uint64_t min, uint64_t max, const char *wrong)
{
    uint64_t v;
    if (u64_parse(slice_str(value), max, &v) < 0 || v < min)
        return wrong;
    *number = v;
    return NULL;
}

static const char *set_digits(char *field, const char *value)
{
    if (strlen(value) > DIAL_PREFIX_MAX || strspn(value, "0123456789") != strlen(value))
        return "it must be at most 15 digits";
    strcpy(field, value);
    return NULL;
}

#define SETTER(name) static const char *name(struct options *o, const char *value)
#define TEXT_SETTER(name, field) \
    SETTER(name)                 \
    {                            \
        o->field = value;        \
        return NULL;             \
    }
#define FLAG_SETTER(name, field) \
    SETTER(name)                 \
    {                            \
        (void)value;             \
        o->field = true;         \
        return NULL;             \
    }

TEXT_SETTER(set_config, config)
TEXT_SETTER(set_user, user)
TEXT_SETTER(set_password_file, password_file)
TEXT_SETTER(set_ca, ca)
TEXT_SETTER(set_tls_name, tls_name)
FLAG_SETTER(set_plain, plain)
FLAG_SETTER(set_quiet, quiet)
FLAG_SETTER(set_verbose, verbose)
FLAG_SETTER(set_json, json)
TEXT_SETTER(set_dht, dht)
FLAG_SETTER(set_stay, stay)
FLAG_SETTER(set_follow, follow)
TEXT_SETTER(set_state, state)
FLAG_SETTER(set_no_state, no_state)
TEXT_SETTER(set_trunk, rules.trunk)
TEXT_SETTER(set_sent_context, rules.sent_context)
TEXT_SETTER(set_received_context, rules.received_context)

/* One or two, separated by a comma or as an option each. */
SETTER(set_server)
{
    const char *comma = strchr(value, ',');
    if (comma) {
        char *first = mem_strdup(value); /* lives as long as the program */
        if (!first)
            return "out of memory";
        first[comma - value] = 0;
        add(&o->servers, first);
        value = comma + 1;
    }
    if (o->servers.n == SERVERS_MAX || !*value)
        return "there are at most two: the primary and the backup";
    return add(&o->servers, value);
}

SETTER(set_vservice)
{
    o->has_vservice = u64_hex_parse(slice_str(value), &o->vservice_id) == 0;
    return o->has_vservice ? NULL : "it must be 16 hexadecimal digits";
}

SETTER(set_reconnect)
{
    return set_u64(&o->reconnect_s, value, 60, 600, "it must be 60 to 600 seconds");
}

SETTER(set_wait)
{
    return set_u64(&o->wait_s, value, 1, 86400, "it must be 1 to 86400 seconds");
}

SETTER(set_domain)
{
    o->domain = value;
    return domain_is_valid(slice_str(value)) ? NULL : "it must be a domain name";
}

SETTER(add_route)
{
    if (strncmp(value, "sip:", 4) != 0 || !text_is_printable(slice_str(value)))
        return "it must be a SIP URI, sip:USER@DOMAIN:PORT;maddr=IP;transport=tcp";
    return o->routes.n == VAP_ROUTES_MAX ? "there are too many" : add(&o->routes, value);
}

SETTER(add_blacklist)
{
    return domain_is_valid(slice_str(value)) ? add(&o->blacklist, value) : "it must be a domain name";
}

SETTER(add_whitelist)
{
    return domain_is_valid(slice_str(value)) ? add(&o->whitelist, value) : "it must be a domain name";
}

SETTER(add_numbers)
{
    return add(&o->numbers, value);
}

SETTER(set_format)
{
    o->has_format = true;
    if (strcmp(value, "asterisk-csv") == 0)
        o->rules.format = CDR_ASTERISK;
    else if (strcmp(value, "freeswitch-csv") == 0)
        o->rules.format = CDR_FREESWITCH;
    else
        return "it must be asterisk-csv or freeswitch-csv";
    return NULL;
}

/* A number alone is the beginning of ours: a whole number is that of itself. */
SETTER(add_own)
{
    struct dial_range *range = &o->own_ranges[o->own.n < LIST_MAX ? o->own.n : 0];
    if (dial_range_parse(slice_str(value), range) < 0)
        return "it must be a range of +E.164 numbers: +4930123, +493012300-+493012399 or +493012300-99";
    range->prefix = range->prefix || strcmp(range->low, range->high) == 0;
    return add(&o->own, value);
}

SETTER(set_country)
{
    return dial_rules_set_country(&o->rules.dial, slice_str(value)) < 0 ? "it must be a country code, 1 to 3 digits"
                                                                        : NULL;
}

SETTER(set_international)
{
    return set_digits(o->rules.dial.international, value);
}

SETTER(set_trunk_prefix)
{
    return set_digits(o->rules.dial.trunk, value);
}

SETTER(set_area)
{
    return set_digits(o->rules.dial.area, value);
}

SETTER(set_extension_prefix)
{
    if (!e164_is_valid(slice_str(value)))
        return "it must be the beginning of +E.164 numbers";
    strcpy(o->rules.dial.extension, value);
    return NULL;
}

SETTER(set_extension_digits)
{
    uint64_t digits;
    const char *wrong = set_u64(&digits, value, 0, 10, "it must be 0 to 10");
    if (!wrong)
        o->rules.dial.extension_digits_max = (unsigned)digits;
    return wrong;
}

SETTER(set_direction)
{
    if (strcmp(value, "auto") == 0)
        o->rules.direction = CDR_AUTO;
    else if (strcmp(value, "sent") == 0)
        o->rules.direction = CDR_SENT;
    else if (strcmp(value, "received") == 0)
        o->rules.direction = CDR_RECEIVED;
    else
        return "it must be auto, sent or received";
    return NULL;
}

SETTER(set_shortest)
{
    uint64_t seconds;
    const char *wrong = set_u64(&seconds, value, 0, 3600, "it must be 0 to 3600 seconds");
    if (!wrong)
        o->rules.shortest_ms = (int64_t)seconds * 1000;
    return wrong;
}

SETTER(set_utc)
{
    (void)value;
    o->local_time = false;
    return NULL;
}

FLAG_SETTER(set_local, local_time)

SETTER(set_window)
{
    return set_u64(&o->window, value, 1, 1024, "it must be 1 to 1024");
}

SETTER(set_count)
{
    return set_u64(&o->count, value, 1, UINT32_MAX, "it must be a number from 1");
}

static const struct option table[] = {
    {NULL, "config", "FILE", false, COMMAND_ALL, set_config, "Read options from a configuration file."},
    {"connection", "server", "HOST:PORT[,BACKUP]", true, COMMAND_ALL, set_server,
     "The IME server, and perhaps a backup. The port is 5620 if it is not given."},
    {"connection", "user", "NAME", false, COMMAND_ALL, set_user, "The VAP user."},
    {"connection", "password-file", "FILE", false, COMMAND_ALL, set_password_file,
     "A file, closed to others, whose first line is the password. Otherwise the environment has it as VAP_PASSWORD."},
    {"connection", "ca", "FILE", false, COMMAND_ALL, set_ca,
     "Certificates (PEM) of the authorities that the server's certificate must come from."},
    {"connection", "tls-name", "NAME", false, COMMAND_ALL, set_tls_name,
     "What the server's certificate is for, if it is not the host of --server."},
    {"connection", "plain", NULL, false, COMMAND_ALL, set_plain,
     "Without TLS: anybody on the way can read the numbers."},
    {"connection", "vservice", "HEX64", false, COMMAND_ALL, set_vservice, "The VServiceID, 16 hexadecimal digits."},
    {"connection", "reconnect", "SECONDS", false, COMMAND_ALL, set_reconnect,
     "The longest pause between attempts to connect, 60 to 600; 120 if it is not given."},
    {"connection", "wait", "SECONDS", false, COMMAND_ALL, set_wait,
     "Give up when no server was reached for so long; 60 if it is not given. Not with --stay, --follow and watch."},
    {"service", "domain", "NAME", false, COMMAND_PUBLISH | COMMAND_UPLOAD, set_domain,
     "The domain that the numbers belong to. With it the VService is published; publish needs it."},
    {"service", "route", "URI", true, COMMAND_PUBLISH | COMMAND_UPLOAD, add_route,
     "Where calls from the Internet go: sip:USER@DOMAIN:PORT;maddr=IP;transport=tcp. Several are possible."},
    {"service", "dht", "NAME", false, COMMAND_PUBLISH | COMMAND_UPLOAD, set_dht,
     "The ring; Quetzalcoatl if not given."},
    {"service", "blacklist", "DOMAIN", true, COMMAND_PUBLISH | COMMAND_UPLOAD, add_blacklist,
     "A domain not to be dealt with. Several are possible."},
    {"service", "whitelist", "DOMAIN", true, COMMAND_PUBLISH | COMMAND_UPLOAD, add_whitelist,
     "The domains to be dealt with, and no others."},
    {"service", "numbers", "FILE|RANGE", true, COMMAND_PUBLISH, add_numbers,
     "The numbers: +493012300-99, +4930123, or a file with one number or range per line. Several are possible."},
    {NULL, "stay", NULL, false, COMMAND_PUBLISH, set_stay,
     "Stay connected, keep the VService published, and refresh the numbers before the ring forgets them."},
    {"calls", "format", "FORMAT", false, COMMAND_UPLOAD, set_format, "asterisk-csv or freeswitch-csv."},
    {"calls", "own", "RANGE", true, COMMAND_UPLOAD, add_own,
     "Numbers of this telephone system, or how they begin: calls to them are received calls, others are sent. Several "
     "are "
     "possible."},
    {"calls", "direction", "auto|sent|received", false, COMMAND_UPLOAD, set_direction,
     "The direction of all calls, if it is not to be found out."},
    {"calls", "trunk", "PATTERN", false, COMMAND_UPLOAD, set_trunk,
     "Channels to the phone network (\"PJSIP/carrier-*\"): calls over none of them are left out. Asterisk only."},
    {"calls", "sent-context", "PATTERN", false, COMMAND_UPLOAD, set_sent_context, "Dialplan contexts of sent calls."},
    {"calls", "received-context", "PATTERN", false, COMMAND_UPLOAD, set_received_context,
     "Dialplan contexts of received calls."},
    {"calls", "country", "CC", false, COMMAND_UPLOAD, set_country,
     "Country code of national numbers. It also sets the two prefixes to what is usual there."},
    {"calls", "international-prefix", "DIGITS", false, COMMAND_UPLOAD, set_international, "Such as 00 or 011."},
    {"calls", "trunk-prefix", "DIGITS", false, COMMAND_UPLOAD, set_trunk_prefix, "Such as 0; empty: none."},
    {"calls", "area", "DIGITS", false, COMMAND_UPLOAD, set_area, "Area code of numbers without any prefix."},
    {"calls", "extension-prefix", "+DIGITS", false, COMMAND_UPLOAD, set_extension_prefix,
     "What makes an extension a number: +4930123 makes 45 +493012345."},
    {"calls", "extension-digits", "N", false, COMMAND_UPLOAD, set_extension_digits,
     "Numbers of up to so many digits are extensions; 6 if not given."},
    {"calls", "shortest", "SECONDS", false, COMMAND_UPLOAD, set_shortest, "Leave shorter calls out."},
    {"calls", "utc", NULL, false, COMMAND_UPLOAD, set_utc, "The times in the file are UTC, which is the default."},
    {"calls", "local", NULL, false, COMMAND_UPLOAD, set_local,
     "They are local times of the zone that TZ names, or of this machine."},
    {NULL, "follow", NULL, false, COMMAND_UPLOAD, set_follow, "Go on when the file grows, and when it is replaced."},
    {NULL, "state", "FILE", false, COMMAND_UPLOAD, set_state,
     "Where to remember how far the upload came. If not given, a file in $XDG_STATE_HOME/ime-vcr."},
    {NULL, "no-state", NULL, false, COMMAND_UPLOAD, set_no_state, "Begin at the beginning, remember nothing."},
    {"connection", "window", "N", false, COMMAND_UPLOAD | COMMAND_PUBLISH, set_window,
     "Requests on the way at the same time; 64 if not given."},
    {NULL, "count", "N", false, COMMAND_WATCH, set_count, "End after so many routes."},
    {NULL, "json", NULL, false, COMMAND_ALL, set_json, "Print JSON, one object per line."},
    {NULL, "quiet", NULL, false, COMMAND_ALL, set_quiet, "No progress, no warnings; errors only."},
    {NULL, "verbose", NULL, false, COMMAND_ALL, set_verbose, "Say more about connections, and about lines left out."},
};
#define TABLE_N (sizeof table / sizeof table[0])

static const struct option *find(struct slice name)
{
    for (size_t i = 0; i < TABLE_N; i++)
        if (slice_eq_str(name, table[i].name))
            return &table[i];
    return NULL;
}

static struct texts *list_of(struct options *o, const struct option *option)
{
    const struct {
        const char *name;
        struct texts *list;
    } lists[] = {{"server", &o->servers},      {"route", &o->routes},    {"blacklist", &o->blacklist},
                 {"whitelist", &o->whitelist}, {"numbers", &o->numbers}, {"own", &o->own}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (option->list && strcmp(option->name, lists[i].name) == 0)
            return lists[i].list;
    return NULL;
}

static void print_help(void)
{
    printf("usage: ime-vcr publish [--numbers FILE|RANGE]... --domain NAME --route URI [--stay] [OPTION]...\n"
           "       ime-vcr upload --format FORMAT [OPTION]... FILE\n"
           "       ime-vcr watch [OPTION]...\n\n"
           "Connects a telephone system to an IME server (VAP): publishes its numbers, uploads the records of its\n"
           "calls, and prints the routes that are learned.\n");
    static const struct {
        unsigned commands;
        const char *title;
    } groups[] = {{COMMAND_ALL, "Options"},
                  {COMMAND_PUBLISH | COMMAND_UPLOAD, "Options of publish and upload"},
                  {COMMAND_PUBLISH, "Options of publish"},
                  {COMMAND_UPLOAD, "Options of upload"},
                  {COMMAND_WATCH, "Options of watch"}};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        printf("\n%s:\n", groups[g].title);
        for (size_t i = 0; i < TABLE_N; i++)
            if (table[i].commands == groups[g].commands)
                printf("  --%s%s%s\n        %s\n", table[i].name, table[i].value ? " " : "",
                       table[i].value ? table[i].value : "", table[i].doc);
    }
    printf("\nExit status: 0 done (bad lines were told and left out); 1 failed; 2 usage; 3 wrong user or password.\n");
}

static bool fail(int *ret_exit, const char *what, const char *which, const char *why)
{
    fprintf(stderr, "ime-vcr: %s%s%s%s\n", what, which, *why ? ": " : "", why);
    if (!*why)
        fprintf(stderr, "  ime-vcr --help lists the options\n");
    *ret_exit = EXIT_USAGE;
    return false;
}

/* A table of the conf module out of ours; names in the file have the dashes of the options. */
static size_t make_keys(struct conf_key *keys)
{
    size_t n = 0;
    for (size_t i = 0; i < TABLE_N; i++) {
        if (!table[i].section)
            continue;
        keys[n++] = (struct conf_key){
            .section = table[i].section,
            .name = table[i].name,
            .type = table[i].value ? CONF_TEXT : CONF_BOOLEAN,
            .flags = table[i].list ? CONF_LIST : 0,
            .min = table[i].value ? 1 : 0,
            .max = table[i].value ? 1024 : 0,
            .doc = table[i].doc,
        };
    }
    return n;
}

static bool apply_key(struct options *o, const struct conf *conf, const struct option *option, int *ret_exit)
{
    const struct conf_group *group = conf_section(conf, option->section);
    if (!conf_is_set(group, option->name))
        return true;
    if (!option->value) {
        if (conf_boolean(group, option->name))
            option->set(o, "yes");
        return true;
    }
    size_t n = option->list ? conf_count(group, option->name) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *value = option->list ? conf_text_at(group, option->name, i) : conf_text(group, option->name);
        const char *wrong = option->set(o, value);
        if (wrong)
            return fail(ret_exit, o->config, ": ", wrong);
    }
    if (option->list)
        list_of(o, option)->from_file = true;
    return true;
}

/* The parsed file is not freed: options point into it until the program ends. */
static struct conf *the_conf;

static bool apply_file(struct options *o, int *ret_exit)
{
    static const struct conf_section sections[] = {
        {"connection", false, "The IME server."},
        {"service", false, "What is published."},
        {"calls", false, "How call records are read."},
    };
    static struct conf_key keys[TABLE_N];
    static struct conf_table conf_table = {"Configuration of ime-vcr.", sections, 3, keys, 0};
    struct buf text, errors;
    buf_init(&text, CONF_FILE_OCTETS_MAX);
    buf_init(&errors, 1 << 16);
    conf_table.key_count = make_keys(keys);
    int err = file_read(o->config, &text);
    bool good = true;
    if (err) {
        good = fail(ret_exit, "cannot read ", o->config, err_text(err));
    } else if (conf_parse(&conf_table, o->config, buf_slice(&text), &errors, &the_conf) < 0) {
        fprintf(stderr, "%s", buf_text(&errors));
        *ret_exit = EXIT_USAGE;
        good = false;
    }
    for (size_t i = 0; i < TABLE_N && good; i++)
        if (table[i].section)
            good = apply_key(o, the_conf, &table[i], ret_exit);
    buf_fini(&text);
    buf_fini(&errors);
    return good;
}

static bool apply_argument(struct options *o, const struct option *option, const char *value, int *ret_exit)
{
    if (o->command && !(option->commands & o->command))
        return fail(ret_exit, "not an option of this command: --", option->name, "");
    struct texts *list = list_of(o, option);
    if (list && list->from_file)
        *list = (struct texts){0};
    const char *wrong = option->set(o, value);
    return wrong ? fail(ret_exit, "--", option->name, wrong) : true;
}

static enum command command_of(const char *word)
{
    return strcmp(word, "publish") == 0  ? COMMAND_PUBLISH
           : strcmp(word, "upload") == 0 ? COMMAND_UPLOAD
           : strcmp(word, "watch") == 0  ? COMMAND_WATCH
                                         : COMMAND_NONE;
}

/* Words that are no options: the command, then the file. */
static bool take_word(struct options *o, const char *word, bool dry, int *ret_exit)
{
    if (dry)
        return true;
    if (!o->command) {
        o->command = command_of(word);
        return o->command ? true : fail(ret_exit, "there is no command ", word, "");
    }
    if (o->command != COMMAND_UPLOAD || o->file)
        return fail(ret_exit, "what is ", word, "");
    o->file = word;
    return true;
}

/* Goes through the arguments. A dry run only finds --config. */
static bool take_arguments(struct options *o, int argc, char **argv, bool dry, int *ret_exit)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strncmp(argument, "--", 2) != 0) {
            if (!take_word(o, argument, dry, ret_exit))
                return false;
            continue;
        }
        struct slice value = slice_str(argument + 2);
        struct slice name = text_cut(&value, '=');
        const struct option *option = find(name);
        if (!option)
            return fail(ret_exit, "there is no option ", argument, "");
        const char *text = value.p ? (const char *)value.p : NULL;
        if (!option->value && text)
            return fail(ret_exit, "no value goes with --", option->name, "");
        if (option->value && !text && i + 1 == argc)
            return fail(ret_exit, "a value must follow --", option->name, "");
        if (option->value && !text)
            text = argv[++i];
        if (dry ? option->set == set_config : true)
            if (!apply_argument(o, option, text, ret_exit))
                return false;
    }
    return true;
}

static bool read_password(struct options *o, int *ret_exit)
{
    struct buf text;
    const char *from_environment = getenv("VAP_PASSWORD");
    if (!o->password_file && !from_environment)
        return fail(ret_exit, "there is no password: use --password-file, or VAP_PASSWORD in the environment", "", "");
    if (!o->password_file) {
        o->password = mem_strdup(from_environment);
        unsetenv("VAP_PASSWORD");
        return o->password != NULL;
    }
    buf_init(&text, 4096);
    int err = file_read_secret(o->password_file, &text);
    if (err) {
        buf_fini_secret(&text);
        return fail(ret_exit, "cannot read ", o->password_file,
                    err == ERR_FORBIDDEN ? "it must be yours and closed to others (chmod 600)" : err_text(err));
    }
    struct slice rest = buf_slice(&text);
    struct slice line = text_cut(&rest, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    o->password = mem_alloc(line.n + 1);
    if (o->password && line.n)
        memcpy(o->password, line.p, line.n);
    buf_fini_secret(&text);
    return o->password != NULL;
}

/* What a command cannot do without. */
static bool check(struct options *o, int *ret_exit)
{
    if (!o->servers.n)
        return fail(ret_exit, "--server is missing", "", "");
    if (!o->user)
        return fail(ret_exit, "--user is missing", "", "");
    if (!o->has_vservice)
        return fail(ret_exit, "--vservice is missing", "", "");
    if (!o->plain && !o->ca)
        return fail(ret_exit, "--ca is missing (or --plain, to go without TLS)", "", "");
    if (o->domain && !o->routes.n)
        return fail(ret_exit, "--domain needs a --route", "", "");
    if (o->blacklist.n && o->whitelist.n)
        return fail(ret_exit, "there is either a blacklist or a whitelist", "", "");
    if (o->command == COMMAND_PUBLISH && (!o->domain || (!o->numbers.n && !o->stay)))
        return fail(ret_exit, "publish needs --domain, --route, and --numbers or --stay", "", "");
    if (o->command != COMMAND_UPLOAD)
        return true;
    if (!o->file || !o->has_format)
        return fail(ret_exit, "upload needs --format and a file", "", "");
    const struct cdr_rules *r = &o->rules;
    if (!o->own.n && r->direction == CDR_AUTO && !r->trunk && !(r->sent_context && r->received_context))
        return fail(ret_exit, "upload cannot tell sent calls from received ones: use --own, --direction or --trunk", "",
                    "");
    if (o->follow && strcmp(o->file, "-") == 0)
        return fail(ret_exit, "standard input cannot be followed", "", "");
    return true;
}

bool options_parse(struct options *o, int argc, char **argv, int *ret_exit)
{
    *o = (struct options){.reconnect_s = 120, .wait_s = 60, .window = 64, .dht = VAP_PUBLIC_DHT};
    cdr_rules_init(&o->rules);
    *ret_exit = EXIT_GOOD;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "help") == 0) {
            print_help();
            return false;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("ime-vcr %s\n", IME_VERSION);
            return false;
        }
    }
    if (argc < 2)
        return fail(ret_exit, "what is to be done? publish, upload or watch", "", "");
    if (!take_arguments(o, argc, argv, true, ret_exit))
        return false;
    if (o->config && !apply_file(o, ret_exit))
        return false;
    if (!take_arguments(o, argc, argv, false, ret_exit))
        return false;
    if (!o->command)
        return fail(ret_exit, "what is to be done? publish, upload or watch", "", "");
    if (!check(o, ret_exit) || !read_password(o, ret_exit))
        return false;
    o->rules.own = o->own_ranges;
    o->rules.own_count = o->own.n;
    return true;
}

void options_fini(struct options *o)
{
    if (o->password) {
        mem_wipe(o->password, strlen(o->password));
        mem_free(o->password);
    }
    conf_free(the_conf);
}
