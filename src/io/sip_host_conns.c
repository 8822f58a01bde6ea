/* What is asked of a SIP host about its connections, and what it thinks of those whose certificates were believed once. */
#include "io/sip_host_private.h"

#define VERIFIED_PER_TURN 32 /* each takes up to some tenths of a millisecond */

void sip_host_hold(struct sip_host *h, uint64_t conn)
{
    sip_net_hold(h->net, loop_now(h->loop), conn);
    loop_timer_set(h->net_timer, sip_net_deadline(h->net));
}

void sip_host_release(struct sip_host *h, uint64_t conn)
{
    sip_net_release(h->net, loop_now(h->loop), conn);
    loop_timer_set(h->net_timer, sip_net_deadline(h->net));
}

int sip_host_alias(struct sip_host *h, uint64_t conn, unsigned side, const char *domain, const struct addr *target)
{
    return sip_net_alias(h->net, conn, side, domain, target);
}

/* ---- showing ---- */

static void add_tls(const struct sip_host *h, struct sip_host_conn_info *info)
{
    const struct host_conn *c = sip_host_conn_find(h, info->conn.conn);
    if (!c)
        return;
    info->tls_version = stream_tls_version(c->stream);
    info->tls_cipher = stream_tls_cipher(c->stream);
    info->tls_resumed = stream_is_resumed(c->stream);
}

bool sip_host_conn(const struct sip_host *h, uint64_t conn, struct sip_host_conn_info *ret_info)
{
    struct sip_host_conn_info info = {0};
    if (!sip_net_conn(h->net, conn, &info.conn))
        return false;
    add_tls(h, &info);
    *ret_info = info;
    return true;
}

bool sip_host_next_conn(const struct sip_host *h, size_t *at, struct sip_host_conn_info *ret_info)
{
    struct sip_host_conn_info info = {0};
    if (!sip_net_next_conn(h->net, at, &info.conn))
        return false;
    add_tls(h, &info);
    *ret_info = info;
    return true;
}

/* ---- verifying again ---- */

static void distrust(struct sip_host *h, struct host_conn *c, enum stream_reason reason)
{
    char text[ADDR_TEXT_OCTETS];
    struct addr peer = stream_peer_addr(c->stream);
    uint64_t number = c->number;
    log_event(h->options.log, LEVEL_NOTICE, "sip.connection.distrusted", "peer=%s reason=%s", addr_format(&peer, text),
              stream_reason_name(reason));
    ((uint64_t *)&h->stream_counters)[reason]++;
    stream_close(c->stream);
    sip_host_conn_free(c);
    sip_net_down(h->net, loop_now(h->loop), number);
}

static void verify_some(void *arg)
{
    struct sip_host *h = arg;
    for (size_t left = VERIFIED_PER_TURN; left && h->verify_at < h->conn_slots; h->verify_at++) {
        struct host_conn *c = h->conns[h->verify_at];
        enum stream_reason reason;
        if (!c || !c->tls)
            continue;
        left--;
        if (!stream_verify_again(c->stream, c->tls, &reason))
            distrust(h, c, reason);
    }
    sip_host_drain(h);
    if (h->verify_at < h->conn_slots)
        loop_post(h->loop, &h->verify_task, LOOP_STAGE_WORK);
}

void sip_host_verify_again(struct sip_host *h)
{
    h->verify_at = 0;
    loop_post(h->loop, &h->verify_task, LOOP_STAGE_WORK);
}

void sip_host_conns_init(struct sip_host *h)
{
    loop_task_init(&h->verify_task, verify_some, h);
}
