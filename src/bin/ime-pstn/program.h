/* The parts of ime-pstn: a network that runs as a daemon, and phones that run once. */
#ifndef IME_PSTN_PROGRAM_H
#define IME_PSTN_PROGRAM_H

#include "bin/daemon/tls.h"
#include "conf/conf.h"
#include "pstn/phone.h"

/* serve.c, wishes.c: what stands behind `ime-pstn serve`, `pbx`, `call`, `answer`; argv[0] is that word. Return the exit code. */
int serve_main(int argc, char **argv);
int pbx_main(int argc, char **argv);
int call_main(int argc, char **argv);
int answer_main(int argc, char **argv);

/* ---- networks and PBXs ---- */

#define PSTN_SECRETS_MAX (2 * PSTN_TRUNKS_MAX)

/* What a configuration says, of either. */
struct settings {
    const struct conf *conf;
    struct pstn_options network;
    struct pstn_pbx_options pbx;
    struct addr listen[PSTN_CARRIERS_MAX][SIP_TLS + 1]; /* family 0: not over this transport */
    struct tls_files tls[PSTN_CARRIERS_MAX];
    uint64_t seed; /* 0: the kernel's randomness */
    struct buf secrets[PSTN_SECRETS_MAX];
    size_t secret_count;
};
void settings_free(struct settings *s);

/* settings.c: a network. */
extern const struct conf_table settings_table;
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);

/* settings_pbx.c: a PBX. */
extern const struct conf_table settings_pbx_table;
int settings_load_pbx(const struct conf *conf, struct buf *errors, struct settings **ret_settings);

/* settings_trunk.c: what both have. Errors are lines of `errors`. where: "trunk a". */
int settings_load_points(struct settings *s, const struct conf_group *g, const char *where, unsigned carrier,
                         struct buf *errors);
int settings_load_secret(struct settings *s, const struct conf_group *g, const char *where, struct buf *errors,
                         const char **ret_secret);
int settings_add_trunk(struct settings *s, const struct conf_group *g, const char *where, struct buf *errors,
                       struct pstn_trunk_options **ret_trunk);
bool settings_place_is_good(const struct pstn_place *place, const char *where, struct buf *errors);

/* ---- phones ---- */

/* What the command line of a phone says. Texts are those of argv. */
struct wishes {
    struct addr listen, via; /* via: of the PBX, agent or carrier that takes the call; of the registrar */
    bool has_via, calls_out, json, watches;
    enum sip_transport transport;
    const char *domain; /* NULL: the address of `via` */
    const char *from, *to;
    bool talks; /* talk_ms was given */
    int64_t talk_ms, patience_ms;
    uint64_t calls; /* answer: ends after so many; 0: never */
    const char *password_file;
    bool tones;
    uint16_t first_port; /* of the voices; 0: the kernel chooses */
    uint64_t voices;     /* answer: calls at a time with voice */
    struct pstn_phone_options phone;
};

/* phones.c: the phone, until its end. The exit code. */
int phone_run(const struct wishes *w);

#endif
