/* The authorities and the configuration signer, kept in the store. One authority issues; while another one takes its place, a second one stands
 * by. The signer has one key and one Node-ID, and a certificate of each authority. */
#include "enroll/internal.h"

#include "base/mem.h"

#define ROW_SIGNER_KEY "signer key"
#define ROW_FORMER_SIGNER "former signer"
#define ROW_STANDBY_AGE "standby age" /* ELDER: the one that stands by was there before the other */
#define ELDER "elder"
#define YOUNGER "younger"
#define KEY_OCTETS_MAX 16384
#define SERVER_USER "enrollment server"

/* Rows of an authority. */
struct row_names {
    const char *key, *cert, *signer;
};

static const struct row_names active_rows = {"authority key", "authority", "signer"};
static const struct row_names standby_rows = {"standby authority key", "standby authority", "standby signer"};

/* ---- reading ---- */

static int load_key(struct enroll *e, const char *row, struct key **ret_key)
{
    struct slice pem;
    int err = kv_get(e->ports.kv, KV_ENROLL_CA, slice_str(row), &pem);
    return err ? err : key_from_pem(pem, ret_key);
}

static int load_cert(struct enroll *e, const char *row, struct cert **ret_cert)
{
    struct slice der;
    int err = kv_get(e->ports.kv, KV_ENROLL_CA, slice_str(row), &der);
    return err ? err : cert_from_der(der, ret_cert);
}

/* ERR_NOT_FOUND: there is no such authority. */
static int load(struct enroll *e, const struct row_names *rows, struct authority *ret_authority)
{
    struct authority a = {.key = NULL};
    int err = load_key(e, rows->key, &a.key);
    if (err)
        return err;
    err = load_cert(e, rows->cert, &a.cert);
    if (!err)
        err = load_cert(e, rows->signer, &a.signer);
    if (err) {
        authority_fini(&a);
        return err == ERR_NOT_FOUND ? ERR_SYNTAX : err;
    }
    *ret_authority = a;
    return 0;
}

/* The signer's Node-ID is by what the configuration names it. */
static int adopt_signer(struct enroll *e)
{
    return cert_node_ids(e->active.signer, slice_str(e->options.overlay), &e->signer_id, 1) == 1 ? 0 : ERR_CONFLICT;
}

/* Stores of earlier versions do not say it; certificates have whole seconds. */
static int load_age(struct enroll *e)
{
    struct slice age;
    int err = kv_get(e->ports.kv, KV_ENROLL_CA, slice_str(ROW_STANDBY_AGE), &age);
    if (err == ERR_NOT_FOUND)
        e->standby_is_elder = cert_not_before(e->standby.cert).ms < cert_not_before(e->active.cert).ms;
    else if (!err)
        e->standby_is_elder = slice_eq(age, slice_str(ELDER));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int authority_load(struct enroll *e)
{
    int err = load(e, &active_rows, &e->active);
    if (err)
        return err;
    err = load_key(e, ROW_SIGNER_KEY, &e->signer_key);
    if (!err)
        err = adopt_signer(e);
    if (err == ERR_CONFLICT)
        log_event(e->ports.log, LEVEL_ERROR, "enroll.overlay.changed",
                  "overlay=%s: the authority in this data folder was made for another overlay", e->options.overlay);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_SYNTAX : err;
    err = load(e, &standby_rows, &e->standby);
    if (!err)
        err = load_age(e);
    if (!err || err == ERR_NOT_FOUND)
        err = load_cert(e, ROW_FORMER_SIGNER, &e->former_signer);
    return err == ERR_NOT_FOUND ? 0 : err;
}

void authority_fini(struct authority *authority)
{
    cert_free(authority->cert);
    cert_free(authority->signer);
    key_free(authority->key);
    *authority = (struct authority){.key = NULL};
}

/* ---- writing ---- */

static int put(struct enroll *e, const char *row, struct slice value)
{
    return kv_put(e->ports.kv, KV_ENROLL_CA, slice_str(row), value);
}

static int put_key(struct enroll *e, const char *row, const struct key *key)
{
    struct buf pem;
    buf_init(&pem, KEY_OCTETS_MAX);
    int err = key_to_pem(key, &pem);
    if (!err)
        err = put(e, row, buf_slice(&pem));
    buf_fini_secret(&pem);
    return err;
}

static int put_authority(struct enroll *e, const struct row_names *rows, const struct authority *a)
{
    int err = put_key(e, rows->key, a->key);
    if (!err)
        err = put(e, rows->cert, cert_der(a->cert));
    return err ? err : put(e, rows->signer, cert_der(a->signer));
}

int authority_put_standby(struct enroll *e, const struct authority *standby)
{
    int err = put_authority(e, &standby_rows, standby);
    return err ? err : put(e, ROW_STANDBY_AGE, slice_str(YOUNGER));
}

int authority_put_switched(struct enroll *e)
{
    int err = put_authority(e, &active_rows, &e->standby);
    if (!err)
        err = put_authority(e, &standby_rows, &e->active);
    return err ? err : put(e, ROW_STANDBY_AGE, slice_str(e->standby_is_elder ? YOUNGER : ELDER));
}

int authority_put_removed(struct enroll *e, const struct cert *former_signer)
{
    const struct kv *kv = e->ports.kv;
    int err = kv_remove(kv, KV_ENROLL_CA, slice_str(standby_rows.key));
    if (!err)
        err = kv_remove(kv, KV_ENROLL_CA, slice_str(standby_rows.cert));
    if (!err)
        err = kv_remove(kv, KV_ENROLL_CA, slice_str(standby_rows.signer));
    if (!err)
        err = kv_remove(kv, KV_ENROLL_CA, slice_str(ROW_STANDBY_AGE));
    if (!err && former_signer)
        err = put(e, ROW_FORMER_SIGNER, cert_der(former_signer));
    return err;
}

/* ---- issuing ---- */

bool enroll_has_authority(const struct enroll *e)
{
    return e->active.cert != NULL;
}

const struct cert *enroll_authority(const struct enroll *e)
{
    return e->active.cert;
}

int enroll_issue(struct enroll *e, const struct cert_request *request, struct cert **ret_cert)
{
    return cert_issue(e->active.key, e->active.cert, request, ret_cert);
}

void enroll_new_serial(struct enroll *e, uint8_t ret_serial[SERIAL_OCTETS])
{
    do {
        entropy_fill(e->ports.entropy, ret_serial, SERIAL_OCTETS);
        ret_serial[0] &= 0x7f;
        ret_serial[0] |= 0x40; /* always the same length, never zero */
    } while (map_get(&e->issued_by_serial, slice_of(ret_serial, SERIAL_OCTETS)));
}

/* ---- making one ---- */

int authority_make(struct enroll *e, const struct key *signer_key, struct id signer, struct authority *authority)
{
    uint8_t serial[SERIAL_OCTETS];
    char user[CERT_USER_OCTETS_MAX + 1];
    struct wall begin = wall_after_ms(e->now.wall, -ENROLL_BACKDATE_MS);
    struct wall end = wall_after_ms(e->now.wall, e->options.authority_lifetime_ms);
    enroll_new_serial(e, serial);
    int err = cert_issue_authority(authority->key, e->options.overlay, begin, end, serial, &authority->cert);
    if (!err)
        err = enroll_user_name(e, "configuration-signer", user);
    if (err)
        return err;
    struct cert_request request = {
        .public_key = signer_key,
        .overlay = slice_str(e->options.overlay),
        .node_ids = &signer,
        .node_id_count = 1,
        .user = user,
        .not_before = begin,
        .not_after = end, /* documents are verified as long as they are used */
    };
    enroll_new_serial(e, request.serial);
    return cert_issue(authority->key, authority->cert, &request, &authority->signer);
}

/* A private copy, since keys are not shared. */
static int copy_key(const struct key *key, struct key **ret_key)
{
    struct buf pem;
    buf_init(&pem, KEY_OCTETS_MAX);
    int err = key_to_pem(key, &pem);
    if (!err)
        err = key_from_pem(buf_slice(&pem), ret_key);
    buf_fini_secret(&pem);
    return err;
}

static void founded(void *arg, int err)
{
    struct enroll *e = arg;
    if (err) {
        authority_fini(&e->active);
        key_free(e->signer_key);
        e->signer_key = NULL;
    } else {
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.authority.made", "overlay=%s serial=%s", e->options.overlay,
                  cert_serial(e->active.cert));
    }
    enroll_written(e, err);
}

int enroll_found(struct enroll *e, struct now now, const struct key *authority, const struct key *signer)
{
    if (e->active.cert)
        return ERR_EXISTS;
    e->now = now;
    struct id id;
    entropy_fill(e->ports.entropy, id.octets, sizeof id.octets);
    int err = copy_key(authority, &e->active.key);
    if (!err)
        err = copy_key(signer, &e->signer_key);
    if (!err)
        err = authority_make(e, e->signer_key, id, &e->active);
    if (!err)
        err = adopt_signer(e);
    if (!err)
        err = put_key(e, ROW_SIGNER_KEY, e->signer_key);
    if (!err)
        err = put_authority(e, &active_rows, &e->active);
    e->writes++;
    if (err)
        founded(e, err);
    else
        kv_commit(e->ports.kv, founded, e);
    return err;
}

int enroll_issue_server(struct enroll *e, struct now now, const struct key *public_key, const char *const *names,
                        size_t name_count, struct cert **ret_cert)
{
    if (!e->active.cert)
        return ERR_WRONG_STATE;
    e->now = now;
    struct cert_request request = {
        .public_key = public_key,
        .overlay = slice_str(e->options.overlay),
        .user = SERVER_USER,
        .names = names,
        .name_count = name_count,
        .not_before = wall_after_ms(now.wall, -ENROLL_BACKDATE_MS),
        .not_after = wall_after_ms(now.wall, e->options.certificate_lifetime_ms),
    };
    if (request.not_after.ms > cert_not_after(e->active.cert).ms)
        request.not_after = cert_not_after(e->active.cert);
    enroll_new_serial(e, request.serial);
    return enroll_issue(e, &request, ret_cert);
}
