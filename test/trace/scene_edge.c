/* A border element in the place of a call agent: it has a copy of the keys of its company's tickets, on a disk of its own. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

static const char *const user = "edge", *const password = "s3cret-of-edges";

void scene_grant_edge(struct company *c)
{
    assert_int_equal(server_options_account(&c->options, "edge", user, password), 0);
    assert_int_equal(server_options_account_keys(&c->options, c->agent.domain), 0);
}

static void open_copy(struct company *c)
{
    struct agent *a = &c->agent;
    if (!a->copy_disk)
        assert_int_equal(memory_store_new(&a->copy_disk), 0);
    const struct keyring_config config = {.granting_domain = slice_str(a->domain),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = 10000,
                                          .kv = memory_store_kv(a->copy_disk),
                                          .entropy = &c->scene->entropy};
    assert_int_equal(keyring_new(&config, company_now(c).wall, &a->copy), 0);
}

void edge_start(struct company *c)
{
    struct agent *a = &c->agent;
    struct vap_client_config config;
    const char *const domains[] = {a->domain};
    open_copy(c);
    vap_client_config_init(&config);
    config.user = user;
    config.password = password;
    config.key_domains = domains;
    config.key_domain_count = 1;
    config.reconnect_ms = 60000;
    assert_int_equal(vap_client_new(&config, &c->scene->entropy, NULL, company_now(c), &a->client), 0);
    agent_drain(c);
}

void edge_stop(struct company *c)
{
    struct agent *a = &c->agent;
    agent_stop(c);
    keyset_receiver_reset(&a->receiver);
    keyring_free(a->copy);
    a->copy = NULL;
    if (a->copy_disk)
        memory_store_crash(a->copy_disk);
}

static void kept(void *arg, int err)
{
    struct company *c = arg;
    char text[32];
    snprintf(text, sizeof text, "epoch=%u revoked=%zu", keyring_epoch(c->agent.copy),
             keyring_revoked_count(c->agent.copy));
    scene_line(c->scene, c, "edge.keys", text);
    vap_client_notify_done(c->agent.client, company_now(c), c->agent.keeping, !err);
}

void edge_told(struct company *c, const struct vap_client_effect *e)
{
    struct agent *a = &c->agent;
    int taken;
    switch (e->kind) {
    case VAP_CLIENT_KEYS_SUBSCRIBED:
        keyset_receiver_reset(&a->receiver);
        scene_line(c->scene, c, "edge.subscribed", "");
        break;
    case VAP_CLIENT_KEYS_REFUSED:
        scene_line(c->scene, c, "edge.refused", e->reason);
        break;
    default:
        a->keeping = e->notify;
        taken = keyset_receive(&a->receiver, a->copy, e->octets, company_now(c).wall, kept, c, NULL);
        if (taken)
            vap_client_notify_done(a->client, company_now(c), e->notify, taken > 0);
        memory_store_turn(a->copy_disk);
    }
}

void scene_edge_fini(struct company *c)
{
    keyset_receiver_reset(&c->agent.receiver);
    keyring_free(c->agent.copy);
    memory_store_free(c->agent.copy_disk);
    c->agent.copy = NULL;
    c->agent.copy_disk = NULL;
}
