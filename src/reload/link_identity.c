/* Who is at the other end of a link: by its certificate and, if that names several nodes, by what it signs (RFC 6940 6.1.2, 6.3.4, 11.3). */
#include "reload/peer_internal.h"

#define REFUSAL_LOG_MS 1000

static bool names(const struct security_cert *cert, struct id node)
{
    for (size_t i = 0; i < cert->node_id_count; i++)
        if (id_eq(cert->node_ids[i], node))
            return true;
    return false;
}

/* Which node of the certificate it is; zero if only its messages can tell. False: none that may be. */
static bool choose(const struct peer *peer, const struct security_cert *cert, struct id expected, struct id *ret_node)
{
    *ret_node = expected;
    if (!id_is_zero(expected))
        return names(cert, expected);
    *ret_node = cert->node_ids[0];
    if (cert->node_id_count == 1)
        return true;
    for (size_t i = 0; i < cert->node_id_count; i++)
        if (peer_attach_pending(peer, cert->node_ids[i])) {
            *ret_node = cert->node_ids[i];
            return true;
        }
    *ret_node = (struct id){{0}};
    return true;
}

/* Counts it, and says why, not more often than every so often: who is refused may come again and again. */
static int refuse(struct peer *peer, struct now now, const struct addr *addr, uint64_t *counter, const char *reason,
                  int err)
{
    char text[ADDR_TEXT_OCTETS];
    (*counter)++;
    if (!mono_due(peer->refusal_log, now.mono)) {
        peer->refusals_unsaid++;
        return err;
    }
    log_event(peer->ports.log, LEVEL_NOTICE, "ring.link.refused", "addr=%s reason=\"%s\" more=%u",
              addr_format(addr, text), reason, peer->refusals_unsaid);
    peer->refusal_log = mono_after_ms(now.mono, REFUSAL_LOG_MS);
    peer->refusals_unsaid = 0;
    return err;
}

int peer_link_identify(struct peer *peer, struct now now, const struct addr *addr, struct slice certificate,
                       struct id expected, struct link_identity *ret_identity)
{
    struct peer_counters *counters = &peer->counters;
    const struct security_cert *cert;
    struct id node;
    int err = security_admit(peer->ports.security, certificate, now.wall, &cert);
    if (err == ERR_FORBIDDEN)
        return refuse(peer, now, addr, &counters->link_refused_banned, "banned by the configuration", err);
    if (err == ERR_RANGE)
        return refuse(peer, now, addr, &counters->link_refused_overlay, "its certificate names no node of this ring",
                      err);
    if (err)
        return refuse(peer, now, addr, &counters->link_refused_certificate,
                      err == ERR_EXPIRED ? "its certificate is not valid at this time"
                      : err == ERR_AUTH  ? "no authority of the ring issued its certificate"
                                         : "its certificate cannot be read",
                      err);
    if (!choose(peer, cert, expected, &node))
        return refuse(peer, now, addr, &counters->link_refused_node_id, "another node than the one looked for",
                      ERR_AUTH);
    if (names(cert, peer->options.self))
        return refuse(peer, now, addr, &counters->link_refused_self, "it is ourselves, or somebody has our certificate",
                      ERR_FORBIDDEN);
    if (config_is_bad_node(peer->config, node))
        return refuse(peer, now, addr, &counters->link_refused_banned, "banned by the configuration", ERR_FORBIDDEN);
    ret_identity->node = node;
    memcpy(ret_identity->certificate_hash, cert->hash, sizeof ret_identity->certificate_hash);
    return 0;
}

int peer_link_signer(struct peer *peer, struct now now, const struct link *link, struct slice message,
                     struct id *ret_node)
{
    struct region region;
    struct reload_message decoded;
    struct security_signer signer;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    int err = reload_message_decode(message, &region, &decoded, &fault);
    if (err) {
        peer->counters.message_malformed++;
    } else if ((err = security_verify_message(peer->ports.security, &decoded, now.wall, &signer)) != 0) {
        peer->counters.signature_bad++;
    } else if (memcmp(signer.cert->hash, link->certificate_hash, sizeof link->certificate_hash) != 0) {
        peer->counters.link_refused_node_id++;
        err = ERR_AUTH;
    } else {
        *ret_node = signer.node;
    }
    region_fini(&region);
    return err;
}
