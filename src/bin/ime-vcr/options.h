/* What the user asked for: command line and configuration file, from one table of options. */
#ifndef IME_VCR_OPTIONS_H
#define IME_VCR_OPTIONS_H

#include "cdr/call.h"
#include "vap/description.h"

#include <stdint.h>

/* What ime-vcr ends with; 4 only where lines or numbers were refused and everything else went well. */
enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CREDENTIALS = 3 };

enum command { COMMAND_NONE = 0, COMMAND_PUBLISH = 1, COMMAND_UPLOAD = 2, COMMAND_WATCH = 4, COMMAND_ALL = 7 };

#define SERVERS_MAX 2
#define LIST_MAX 512

/* Texts that point into argv or the configuration file, which live as long as the program. */
struct texts {
    const char *values[LIST_MAX];
    size_t n;
    bool from_file; /* the first one of the command line replaces them */
};

struct options {
    enum command command;
    const char *file; /* of upload: "-" for standard input */
    const char *config;

    struct texts servers; /* HOST[:PORT] */
    const char *user;
    const char *password_file;
    char *password; /* wiped and freed by options_fini */
    const char *ca;
    const char *tls_name;
    bool plain;
    uint64_t vservice_id;
    bool has_vservice;
    uint64_t reconnect_s;
    uint64_t wait_s;
    bool quiet;
    bool verbose;
    bool json;

    const char *domain;
    const char *dht;
    struct texts routes;
    struct texts blacklist;
    struct texts whitelist;
    struct texts numbers; /* FILE or RANGE */
    bool stay;

    struct cdr_rules rules;
    struct texts own;
    struct dial_range own_ranges[LIST_MAX];
    bool has_format;
    bool local_time;
    bool follow;
    const char *state;
    bool no_state;
    uint64_t window;

    uint64_t count; /* watch: end after so many routes; 0: never */
};

/* Parses everything. False: print nothing more and end with ret_exit (help, version, an error that was printed). */
bool options_parse(struct options *o, int argc, char **argv, int *ret_exit);
void options_fini(struct options *o);

#endif
