/* A certificate authority for tests. */
#include "authority.h"

struct id node_filled(uint8_t octet)
{
    struct id id;
    memset(id.octets, octet, sizeof id.octets);
    return id;
}

void authority_init(struct authority *a, const char *name)
{
    const uint8_t serial[16] = {1};
    *a = (struct authority){0};
    assert_int_equal(key_generate(KEY_EC_P256, &a->key), 0);
    assert_int_equal(cert_issue_authority(a->key, name, wall_after_ms(noon, -DAY_MS),
                                          wall_after_ms(noon, 3650 * DAY_MS), serial, &a->cert),
                     0);
}

void authority_fini(struct authority *a)
{
    cert_free(a->cert);
    key_free(a->key);
}

void authority_issue(struct authority *a, const char *overlay, enum key_type type, uint8_t first, size_t count,
                     const char *user, int days, struct identity *ret_identity)
{
    struct id nodes[CERT_NODE_IDS_MAX];
    for (size_t i = 0; i < count; i++)
        nodes[i] = node_filled((uint8_t)(first + i));
    assert_int_equal(key_generate(type, &ret_identity->key), 0);
    struct cert_request request = {
        .public_key = ret_identity->key,
        .overlay = slice_str(overlay),
        .node_ids = nodes,
        .node_id_count = count,
        .user = user,
        .not_before = wall_after_ms(noon, -DAY_MS),
        .not_after = wall_after_ms(noon, days * DAY_MS),
        .serial = {2, ++a->serials},
    };
    assert_int_equal(cert_issue(a->key, a->cert, &request, &ret_identity->cert), 0);
    ret_identity->node = nodes[0];
}

void identity_fini(struct identity *i)
{
    cert_free(i->cert);
    key_free(i->key);
}
