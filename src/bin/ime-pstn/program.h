/* The parts of ime-pstn: a network that runs as a daemon, and phones that run once. */
#ifndef IME_PSTN_PROGRAM_H
#define IME_PSTN_PROGRAM_H

#include "conf/conf.h"
#include "pstn/network.h"

/* serve.c, phones.c: what stands behind `ime-pstn serve`, `call`, `answer`; argv[0] is that word. Return the exit code. */
int serve_main(int argc, char **argv);
int call_main(int argc, char **argv);
int answer_main(int argc, char **argv);

/* settings.c: the configuration of a network. */
struct settings {
    const struct conf *conf;
    struct pstn_options network;
    struct addr listen[PSTN_CARRIERS_MAX][SIP_TLS + 1]; /* family 0: not over this transport */
    uint64_t seed;                                      /* 0: the kernel's randomness */
};
extern const struct conf_table settings_table;
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);

#endif
