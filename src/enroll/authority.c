/* The authority and the configuration signer: made once, kept in the store. */
#include "enroll/internal.h"

#include "base/mem.h"

#define ROW_AUTHORITY_KEY "authority key"
#define ROW_AUTHORITY "authority"
#define ROW_SIGNER_KEY "signer key"
#define ROW_SIGNER "signer"
#define KEY_OCTETS_MAX 16384
#define SERVER_USER "enrollment server"

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

/* The signer's Node-ID is by what the configuration names it. */
static int adopt_signer(struct enroll *e)
{
    return cert_node_ids(e->signer, slice_str(e->options.overlay), &e->signer_id, 1) == 1 ? 0 : ERR_CONFLICT;
}

int authority_load(struct enroll *e)
{
    int err = load_key(e, ROW_AUTHORITY_KEY, &e->authority_key);
    if (err)
        return err;
    err = load_cert(e, ROW_AUTHORITY, &e->authority);
    if (!err)
        err = load_key(e, ROW_SIGNER_KEY, &e->signer_key);
    if (!err)
        err = load_cert(e, ROW_SIGNER, &e->signer);
    if (!err)
        err = adopt_signer(e);
    if (err == ERR_CONFLICT)
        log_event(e->ports.log, LEVEL_ERROR, "enroll.overlay.changed",
                  "overlay=%s: the authority in this data folder was made for another overlay", e->options.overlay);
    return err == ERR_NOT_FOUND ? ERR_SYNTAX : err;
}

bool enroll_has_authority(const struct enroll *e)
{
    return e->authority != NULL;
}

const struct cert *enroll_authority(const struct enroll *e)
{
    return e->authority;
}

int enroll_issue(struct enroll *e, const struct cert_request *request, struct cert **ret_cert)
{
    return cert_issue(e->authority_key, e->authority, request, ret_cert);
}

void enroll_new_serial(struct enroll *e, uint8_t ret_serial[SERIAL_OCTETS])
{
    do {
        entropy_fill(e->ports.entropy, ret_serial, SERIAL_OCTETS);
        ret_serial[0] &= 0x7f;
        ret_serial[0] |= 0x40; /* always the same length, never zero */
    } while (map_get(&e->issued_by_serial, slice_of(ret_serial, SERIAL_OCTETS)));
}

/* A private copy, since keys are not shared. */
static int copy_key(const struct key *key, struct buf *ret_pem, struct key **ret_key)
{
    int err = key_to_pem(key, ret_pem);
    return err ? err : key_from_pem(buf_slice(ret_pem), ret_key);
}

static int make_certificates(struct enroll *e)
{
    uint8_t serial[SERIAL_OCTETS];
    char user[CERT_USER_OCTETS_MAX + 1];
    struct wall begin = wall_after_ms(e->now.wall, -ENROLL_BACKDATE_MS);
    struct wall end = wall_after_ms(e->now.wall, e->options.authority_lifetime_ms);
    enroll_new_serial(e, serial);
    int err = cert_issue_authority(e->authority_key, e->options.overlay, begin, end, serial, &e->authority);
    if (!err)
        err = enroll_user_name(e, "configuration-signer", user);
    if (err)
        return err;
    struct id id;
    entropy_fill(e->ports.entropy, id.octets, sizeof id.octets);
    struct cert_request request = {
        .public_key = e->signer_key,
        .overlay = slice_str(e->options.overlay),
        .node_ids = &id,
        .node_id_count = 1,
        .user = user,
        .not_before = begin,
        .not_after = end, /* documents are verified as long as they are used */
    };
    enroll_new_serial(e, request.serial);
    err = enroll_issue(e, &request, &e->signer);
    return err ? err : adopt_signer(e);
}

static int put(struct enroll *e, const char *row, struct slice value)
{
    return kv_put(e->ports.kv, KV_ENROLL_CA, slice_str(row), value);
}

static void founded(void *arg, int err)
{
    struct enroll *e = arg;
    if (err) {
        cert_free(e->authority);
        cert_free(e->signer);
        key_free(e->authority_key);
        key_free(e->signer_key);
        e->authority = e->signer = NULL;
        e->authority_key = e->signer_key = NULL;
    } else {
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.authority.made", "overlay=%s serial=%s", e->options.overlay,
                  cert_serial(e->authority));
    }
    enroll_written(e, err);
}

int enroll_found(struct enroll *e, struct now now, const struct key *authority, const struct key *signer)
{
    struct buf authority_pem, signer_pem;
    if (e->authority)
        return ERR_EXISTS;
    e->now = now;
    buf_init(&authority_pem, KEY_OCTETS_MAX);
    buf_init(&signer_pem, KEY_OCTETS_MAX);
    int err = copy_key(authority, &authority_pem, &e->authority_key);
    if (!err)
        err = copy_key(signer, &signer_pem, &e->signer_key);
    if (!err)
        err = make_certificates(e);
    if (!err)
        err = put(e, ROW_AUTHORITY_KEY, buf_slice(&authority_pem));
    if (!err)
        err = put(e, ROW_SIGNER_KEY, buf_slice(&signer_pem));
    if (!err)
        err = put(e, ROW_AUTHORITY, cert_der(e->authority));
    if (!err)
        err = put(e, ROW_SIGNER, cert_der(e->signer));
    buf_fini_secret(&authority_pem);
    buf_fini_secret(&signer_pem);
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
    if (!e->authority)
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
    if (request.not_after.ms > cert_not_after(e->authority).ms)
        request.not_after = cert_not_after(e->authority);
    enroll_new_serial(e, request.serial);
    return enroll_issue(e, &request, ret_cert);
}
