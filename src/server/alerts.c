/* The alerts of an IME server (doc/profile.md). An alert is a state: it is logged when it begins, again at intervals while it lasts, and
 * when it ends. */
#include "server/internal.h"

#include <stdio.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define CERTIFICATE_WARNING_MS (14 * DAY_MS) /* … or a twentieth of its life, if that is less: by then it is renewed */
#define CERTIFICATE_BACKDATE_MS HOUR_MS      /* they begin so much before they are issued, for clocks that are behind */
#define CREDENTIALS_WINDOW_MS (10 * 60000)
#define FAMILY_WINDOW_MS HOUR_MS

static const struct {
    const char *name;
    const char *severity;
    enum log_level level;
    int64_t repeat_ms;
} alerts[ALERTS] = {
    [ALERT_BANNED] = {"BannedFromNetwork", "alert", LEVEL_ERROR, HOUR_MS},
    [ALERT_CERTIFICATE_EXPIRING] = {"DistributedCacheCertificateExpiring", "warning", LEVEL_WARNING, DAY_MS},
    [ALERT_CACHE_FAILURE] = {"DistributedCacheFailure", "alert", LEVEL_ERROR, HOUR_MS},
    [ALERT_INVALID_CREDENTIALS] = {"InvalidCredentials", "error", LEVEL_ERROR, HOUR_MS},
    [ALERT_SOFTWARE_UPDATE] = {"SWUpdateRequired", "warning", LEVEL_WARNING, HOUR_MS},
    [ALERT_VALIDATIONS_PENDING] = {"ValidationsPendingExceeded", "critical", LEVEL_ERROR, HOUR_MS},
    [ALERT_NODE_IDS] = {"NodeIdsIncomplete", "warning", LEVEL_WARNING, HOUR_MS},
    [ALERT_NO_COMMON_FAMILY] = {"NoCommonAddressFamily", "error", LEVEL_ERROR, HOUR_MS},
    [ALERT_STORE_FAILURE] = {"StoreFailure", "critical", LEVEL_ERROR, HOUR_MS},
    [ALERT_INVALID_CERTIFICATE] = {"InvalidCertificate", "alert", LEVEL_ERROR, HOUR_MS},
};

const char *alert_name(enum alert which)
{
    return alerts[which].name;
}

const char *alert_severity(enum alert which)
{
    return alerts[which].severity;
}

static void ban_text(const struct server *s, char *text, size_t octets)
{
    char since[WALL_TEXT_OCTETS];
    bool banned;
    const struct config_ban *ban = configuration_own_ban(s, &banned);
    snprintf(text, octets,
             "banned from the ring%s%s, reason: %.*s; the ring's operator can end this (ring unban), then this server "
             "comes back by itself",
             ban && ban->at.ms ? " since " : "", ban && ban->at.ms ? wall_format(ban->at, since) : "",
             SLICE_PRINT(ban && ban->reason.n ? ban->reason : slice_str("not given")));
}

void alert_text(const struct server *s, enum alert which, char *text, size_t octets)
{
    char end[WALL_TEXT_OCTETS];
    struct wall certificate_end = nodes_certificate_end(s);
    unsigned in_ring;
    switch (which) {
    case ALERT_BANNED:
        ban_text(s, text, octets);
        break;
    case ALERT_CERTIFICATE_EXPIRING:
        snprintf(text, octets, "the certificate %s at %s: look at the log for why its renewal fails",
                 certificate_end.ms > s->now.wall.ms ? "ends" : "has ended", wall_format(certificate_end, end));
        break;
    case ALERT_CACHE_FAILURE:
        snprintf(text, octets,
                 "not in the ring: check the network, the bootstrap servers and `imectl show ring`; it goes on trying");
        break;
    case ALERT_INVALID_CREDENTIALS:
        snprintf(text, octets,
                 "a call agent uses a wrong VAP user or password: compare it with [client] in server.conf");
        break;
    case ALERT_SOFTWARE_UPDATE:
        if (s->config_unsupported) {
            snprintf(text, octets,
                     "the ring has a configuration that version " IME_VERSION " cannot use: update this server now");
            break;
        }
        snprintf(text, octets, "the ring asks for version %.*s%s%s, this is " IME_VERSION ": update this server",
                 SLICE_PRINT(s->config->required_version), s->config->required_version_by.ms ? " by " : "",
                 s->config->required_version_by.ms ? wall_format(s->config->required_version_by, end) : "");
        break;
    case ALERT_VALIDATIONS_PENDING:
        snprintf(text, octets, "more validations wait than can be worked off: see `imectl show validations`");
        break;
    case ALERT_NODE_IDS:
        nodes_count(s, &in_ring);
        snprintf(text, octets, "%u of %u Node-IDs are in the ring: `imectl show ring` and the log tell which and why",
                 in_ring, s->options->node_ids);
        break;
    case ALERT_NO_COMMON_FAMILY:
        snprintf(text, octets,
                 "the ring has servers with addresses of another family only (IPv4, IPv6): give this server, or them, "
                 "both in [ring] listen");
        break;
    case ALERT_STORE_FAILURE:
        snprintf(text, octets,
                 "the database cannot be written: make room or repair its disk; nothing is acknowledged meanwhile");
        break;
    case ALERT_INVALID_CERTIFICATE:
        snprintf(text, octets,
                 "the authority of this server's certificate was removed from the ring: put a fresh token (imectl "
                 "enroll token add) into [enroll] token-file, remove certificate.pem and restart");
        break;
    case ALERTS:
        break;
    }
}

void alert_set(struct server *s, enum alert which, bool raised)
{
    struct alert_state *a = &s->alerts[which];
    char text[ALERT_TEXT_OCTETS] = "";
    if (!raised) {
        if (a->raised)
            log_event(s->ports.log, LEVEL_NOTICE, "alert.ended", "name=%s", alerts[which].name);
        a->raised = false;
        return;
    }
    if (a->raised && !mono_due(a->next_log, s->now.mono))
        return;
    if (!a->raised)
        a->since = s->now.wall;
    a->raised = true;
    a->next_log = mono_after_ms(s->now.mono, alerts[which].repeat_ms);
    alert_text(s, which, text, sizeof text);
    log_event(s->ports.log, alerts[which].level, "alert", "name=%s severity=%s text=\"%s\"", alerts[which].name,
              alerts[which].severity, text);
}

void alert_store(struct server *s, int err)
{
    s->counters.store_failures += err == ERR_NO_SPACE || err == ERR_IO;
    if (!err || err == ERR_NO_SPACE || err == ERR_IO)
        alert_set(s, ALERT_STORE_FAILURE, err != 0);
}

/* Raised by a wrong user or password, ended by a client that registers or by time. */
static void check_credentials(struct server *s)
{
    const struct vap_server_counters *vap = vap_server_counters(s->vap);
    const struct alert_state *state = &s->alerts[ALERT_INVALID_CREDENTIALS];
    uint64_t bad = vap->unknown_user + vap->bad_integrity + vap->missing_integrity;
    if (bad > s->bad_credentials)
        alert_set(s, ALERT_INVALID_CREDENTIALS, true);
    else if (state->raised && s->now.wall.ms - state->since.ms > CREDENTIALS_WINDOW_MS)
        alert_set(s, ALERT_INVALID_CREDENTIALS, false);
    s->bad_credentials = bad;
}

/* A ring in which some nodes cannot be linked falls apart at their places: this does not mend itself. */
static void check_families(struct server *s)
{
    uint64_t n = nodes_without_family(s);
    if (n > s->no_family)
        s->no_family_at = s->now.mono;
    if (n > s->no_family)
        alert_set(s, ALERT_NO_COMMON_FAMILY, true);
    else if (s->alerts[ALERT_NO_COMMON_FAMILY].raised &&
             mono_since_us(s->now.mono, s->no_family_at) > FAMILY_WINDOW_MS * 1000)
        alert_set(s, ALERT_NO_COMMON_FAMILY, false);
    s->no_family = n;
}

static int64_t certificate_warning_ms(const struct server *s)
{
    const struct security_cert *own = security_own(s->ports.security).cert;
    int64_t part = (own->not_after.ms - own->not_before.ms - CERTIFICATE_BACKDATE_MS) / 20;
    return part < CERTIFICATE_WARNING_MS ? part : CERTIFICATE_WARNING_MS;
}

/* What the configuration asks for is a wish: a slip of its writer must not stop all servers of a ring at once. What it takes for granted, and
 * this version lacks, leaves the server behind. */
static void check_software(struct server *s)
{
    uint64_t unsupported = peer_counters(s->peer)->config_updates_unsupported;
    s->config_unsupported = s->config_unsupported || unsupported > s->unsupported_seen;
    s->unsupported_seen = unsupported;
    alert_set(s, ALERT_SOFTWARE_UPDATE, s->config_unsupported || config_wants_newer(s->config, IME_VERSION));
}

/* Nobody believes what it signs. Certificates that name no authority are judged by the others alone. */
static bool has_lost_authority(const struct server *s)
{
    struct cert_key_id authority = security_own(s->ports.security).cert->authority;
    bool found = cert_key_id_is_none(authority);
    for (size_t i = 0; i < s->config->root_cert_count && !found; i++) {
        struct cert *root;
        if (cert_from_der(s->config->root_certs[i], &root) != 0)
            continue;
        found = cert_key_id_eq(cert_key_id(root), authority);
        cert_free(root);
    }
    return !found;
}

static bool is_banned(const struct server *s)
{
    bool banned = false;
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        banned = banned || (s->nodes[i] && config_is_bad_node(s->config, s->nodes[i]->self));
    return banned;
}

void alerts_check(struct server *s)
{
    struct pvp_vcr_totals totals;
    unsigned in_ring;
    nodes_count(s, &in_ring);
    pvp_vcr_table_totals(s->vcrs, &totals);
    alert_set(s, ALERT_BANNED, is_banned(s));
    alert_set(s, ALERT_INVALID_CERTIFICATE, has_lost_authority(s));
    alert_set(s, ALERT_VALIDATIONS_PENDING, totals.pending + totals.active > (size_t)setting(s, SETTING_PENDING_ALERT));
    alert_set(s, ALERT_CERTIFICATE_EXPIRING, nodes_certificate_end(s).ms - s->now.wall.ms < certificate_warning_ms(s));
    /* A server that has just started is not in the ring yet: that is no failure. */
    if (s->now.wall.ms - s->started_at.ms > 60000 || s->joined)
        alert_set(s, ALERT_CACHE_FAILURE, peer_health(s->peer) == PEER_RED);
    if (s->now.wall.ms - s->started_at.ms > 60000)
        alert_set(s, ALERT_NODE_IDS, in_ring > 0 && in_ring < s->options->node_ids);
    check_software(s);
    check_families(s);
    check_credentials(s);
}
