/* TLS contexts from the files of the configuration: made, made anew in their place, watched for their end. */
#include "bin/daemon/tls.h"
#include "host.h"

#define LOOK_MS INT64_C(3600000)
#define WARN_MS (14 * INT64_C(86400000))

int tls_of_side(struct host *h, const struct side_settings *side, enum tls_role role, bool demands,
                struct tls_context **context)
{
    const struct tls_files files = {side->certificate, side->key, side->ca};
    return daemon_tls(&h->daemon, &files, role, role == TLS_CLIENT || demands ? TLS_PEER_REQUIRED : TLS_PEER_NONE,
                      context);
}

int tls_of_authority(struct host *h, const char *ca, struct tls_context **context)
{
    const struct tls_files files = {.ca = ca};
    return daemon_tls(&h->daemon, &files, TLS_CLIENT, TLS_PEER_REQUIRED, context);
}

/* Plain sides, too, need a client's context when a PBX or trunk is reached over TLS; its certificate must be of an authority in `ca`. */
int tls_open_side(struct host *h, enum agent_side side)
{
    const struct side_settings *s = &h->daemon.settings->sides[side];
    int err = 0;
    if (s->certificate)
        err = tls_of_side(h, s, TLS_SERVER, side == AGENT_IME, &h->tls_server[side]);
    if (!err && s->ca)
        err = tls_of_side(h, s, TLS_CLIENT, true, &h->tls_client[side]);
    return err;
}

int tls_read_again(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    int err = 0;
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        int failed = tls_open_side(h, (enum agent_side)side);
        err = err ? err : failed;
    }
    if (h->post_tls) {
        int failed = tls_of_side(h, &s->post.files, TLS_SERVER, false, &h->post_tls);
        err = err ? err : failed;
    }
    for (size_t i = 0; i < s->service_count; i++) {
        const char *ca = s->services[i].service.ca;
        int failed = ca ? tls_of_authority(h, ca, &h->services[i].tls) : 0;
        err = err ? err : failed;
    }
    h->certificates_at = daemon_now(&h->daemon).mono;
    return err;
}

/* ---- their end ---- */

static void watch(struct host *h, struct now now, const char *file, const struct tls_context *context)
{
    const struct wall end = context ? tls_context_ends_at(context) : (struct wall){0};
    char when[WALL_TEXT_OCTETS];
    if (!end.ms)
        return;
    if (end.ms - now.wall.ms > WARN_MS)
        agent_alarm_clear(&h->alarms, now, AGENT_ALARM_CERTIFICATE_EXPIRING, file);
    else
        agent_alarm_raise(&h->alarms, now, AGENT_ALARM_CERTIFICATE_EXPIRING, file, "%s %s %s", file,
                          end.ms > now.wall.ms ? "ends" : "has ended", wall_format(end, when));
}

struct mono tls_watch(struct host *h, struct now now)
{
    const struct settings *s = h->daemon.settings;
    if (!mono_due(h->certificates_at, now.mono))
        return h->certificates_at;
    h->certificates_at = mono_after_ms(now.mono, LOOK_MS);
    for (unsigned side = 0; side < AGENT_SIDES; side++)
        watch(h, now, s->sides[side].certificate, h->tls_server[side]);
    watch(h, now, s->post.files.certificate, h->post_tls);
    return h->certificates_at;
}
