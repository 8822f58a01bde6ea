/* Authorities and certificates for tests. */
#include "pki.h"

#include "testing.h"

#include <time.h>

struct wall pki_now(void)
{
    return (struct wall){(int64_t)time(NULL) * 1000};
}

static void next_serial(uint8_t serial[16])
{
    static uint32_t last;
    memset(serial, 0, 16);
    serial[0] = 1;
    last++;
    memcpy(serial + 12, &last, sizeof last);
}

void authority_init(struct authority *authority, const char *name)
{
    uint8_t serial[16];
    next_serial(serial);
    assert_int_equal(key_generate(KEY_EC_P256, &authority->key), 0);
    assert_int_equal(cert_issue_authority(authority->key, name, wall_after_ms(pki_now(), -400 * PKI_DAY_MS),
                                          wall_after_ms(pki_now(), 400 * PKI_DAY_MS), serial, &authority->cert),
                     0);
}

void authority_fini(struct authority *authority)
{
    cert_free(authority->cert);
    key_free(authority->key);
}

/* With a key of its own, and a serial number. */
static void issue_request(struct identity *identity, const struct authority *authority, struct cert_request request)
{
    struct key *key;
    assert_int_equal(key_generate(KEY_EC_P256, &key), 0);
    request.public_key = key;
    next_serial(request.serial);
    assert_int_equal(cert_issue(authority->key, authority->cert, &request, &identity->cert), 0);
    buf_init(&identity->certificate_pem, 1u << 16);
    buf_init(&identity->key_pem, 1u << 16);
    assert_int_equal(cert_to_pem(identity->cert, &identity->certificate_pem), 0);
    assert_int_equal(key_to_pem(key, &identity->key_pem), 0);
    key_free(key);
}

static void issue(struct identity *identity, const struct authority *authority, const char *user,
                  const char *const *names, size_t name_count, int from_days, int until_days)
{
    const struct id node_id = {{1, 2, 3}};
    issue_request(identity, authority,
                  (struct cert_request){
                      .overlay = slice_str(PKI_OVERLAY),
                      .node_ids = &node_id,
                      .node_id_count = 1,
                      .user = user,
                      .names = names,
                      .name_count = name_count,
                      .not_before = wall_after_ms(pki_now(), from_days * PKI_DAY_MS),
                      .not_after = wall_after_ms(pki_now(), until_days * PKI_DAY_MS),
                  });
}

void identity_init_usage(struct identity *identity, const struct authority *authority, const char *name,
                         const char *usage)
{
    issue_request(identity, authority,
                  (struct cert_request){
                      .names = &name,
                      .name_count = 1,
                      .usage = usage,
                      .not_before = wall_after_ms(pki_now(), -PKI_DAY_MS),
                      .not_after = wall_after_ms(pki_now(), PKI_DAY_MS),
                  });
}

void pki_crl(const struct authority *authority, const struct cert *revoked, int from_days, int until_days,
             struct buf *ret_der)
{
    const char *serial = revoked ? cert_serial(revoked) : NULL;
    const struct crl_request request = {.serials = &serial,
                                        .serial_count = revoked != NULL,
                                        .this_update = wall_after_ms(pki_now(), from_days * PKI_DAY_MS),
                                        .next_update = wall_after_ms(pki_now(), until_days * PKI_DAY_MS),
                                        .number = 1};
    buf_init(ret_der, 1u << 16);
    assert_int_equal(crl_issue(authority->key, authority->cert, &request, ret_der), 0);
}

void identity_init(struct identity *identity, const struct authority *authority, const char *user, const char *name,
                   int from_days, int until_days)
{
    issue(identity, authority, user, &name, name ? 1 : 0, from_days, until_days);
}

void identity_init_names(struct identity *identity, const struct authority *authority, const char *const *names,
                         size_t name_count)
{
    issue(identity, authority, "user", names, name_count, -1, 1);
}

void identity_init_self_signed(struct identity *identity)
{
    struct authority itself;
    authority_init(&itself, "itself");
    identity->cert = itself.cert;
    buf_init(&identity->certificate_pem, 1u << 16);
    buf_init(&identity->key_pem, 1u << 16);
    assert_int_equal(cert_to_pem(itself.cert, &identity->certificate_pem), 0);
    assert_int_equal(key_to_pem(itself.key, &identity->key_pem), 0);
    key_free(itself.key);
}

void identity_fini(struct identity *identity)
{
    cert_free(identity->cert);
    buf_fini(&identity->certificate_pem);
    buf_fini_secret(&identity->key_pem);
}

struct tls_options pki_options(enum tls_role role, enum tls_peer peer, const struct identity *identity,
                               const struct slice *trust)
{
    struct tls_options options = {.role = role, .peer = peer, .trust = trust, .trust_count = trust ? 1 : 0};
    if (identity) {
        options.certificate = buf_slice(&identity->certificate_pem);
        options.key_pem = buf_slice(&identity->key_pem);
    }
    return options;
}

struct tls_context *pki_context(enum tls_role role, enum tls_peer peer, const struct identity *identity,
                                const struct authority *trust)
{
    struct slice der = trust ? cert_der(trust->cert) : slice_of(NULL, 0);
    struct tls_options options = pki_options(role, peer, identity, trust ? &der : NULL);
    struct tls_context *context;
    assert_int_equal(tls_context_new(&options, &context), 0);
    return context;
}
