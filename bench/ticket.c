/* Ticket verification by the key ring, with all its checks, against one bare HMAC-SHA256 over as many octets. */
#include "bench.h"

#include "store/memory.h"
#include "ticket/keyring.h"

#include <openssl/evp.h>

#define YEAR_MS (INT64_C(365) * 86400000)

static const struct wall start = {INT64_C(1767225600000)};

struct verification {
    struct keyring *keyring;
    struct buf text;
};

static void verify(void *arg, unsigned long times)
{
    struct verification *v = arg;
    struct ticket_use use = {.now = start, .number = slice_str("+4930123456"), .domain = slice_str("a.example")};
    for (unsigned long i = 0; i < times; i++)
        bench_need(keyring_verify(v->keyring, buf_slice(&v->text), &use, NULL) == TICKET_GOOD, "ticket verification");
}

struct bare {
    EVP_MAC *mac;
    EVP_MAC_CTX *ctx;
    uint8_t octets[TICKET_OCTETS_MAX];
    size_t n;
};

static const uint8_t bare_key[TICKET_KEY_OCTETS] = {1};

/* Key and octets in, MAC out, with a context that is kept: cheaper than OpenSSL's own one-shot HMAC(). */
static void bare_hmac(void *arg, unsigned long times)
{
    struct bare *b = arg;
    uint8_t digest[32];
    for (unsigned long i = 0; i < times; i++) {
        size_t n;
        bool good = EVP_MAC_init(b->ctx, bare_key, sizeof bare_key, NULL) && EVP_MAC_update(b->ctx, b->octets, b->n) &&
                    EVP_MAC_final(b->ctx, digest, &n, sizeof digest);
        bench_need(good, "HMAC");
    }
}

static void prepare_bare(struct bare *b, size_t octets)
{
    static char sha256[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string("digest", sha256, 6), OSSL_PARAM_END};
    b->n = octets;
    b->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    b->ctx = b->mac ? EVP_MAC_CTX_new(b->mac) : NULL;
    bench_need(b->ctx && EVP_MAC_init(b->ctx, bare_key, sizeof bare_key, params), "HMAC");
}

int main(void)
{
    struct memory_store *store;
    struct seeded_entropy seed = {1};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct verification v;
    struct ticket ticket;
    struct e164 number;
    bench_need(memory_store_new(&store) == 0, "memory store");
    struct keyring_config config = {.granting_domain = slice_str("b.example"),
                                    .granting_node = {{1}},
                                    .grace_ms = YEAR_MS,
                                    .revocations_max = 1000,
                                    .kv = memory_store_kv(store),
                                    .entropy = &entropy};
    bench_need(keyring_new(&config, start, &v.keyring) == 0, "key ring");
    bench_need(keyring_generate(v.keyring, 0, start, NULL, NULL) == 0, "key");
    memory_store_turn(store);
    bench_need(e164_parse(slice_str("+4930123456"), &number), "number");
    buf_init(&v.text, TICKET_TEXT_OCTETS_MAX);
    bench_need(keyring_issue(v.keyring, &number, slice_str("a.example"), start, wall_after_ms(start, YEAR_MS), &v.text,
                             &ticket) == 0,
               "ticket");

    struct bare bare = {0};
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    bench_need(ticket_encode(&ticket, &octets) == 0, "encoding");
    prepare_bare(&bare, octets.n - 20); /* all before the integrity attribute: type, length, 16 octets */

    struct bench_side subject = {"ticket verification", verify, &v, 1};
    struct bench_side baseline = {"bare HMAC-SHA256", bare_hmac, &bare, 1};
    bool good = bench_compare(&subject, &baseline, COST_AT_MOST, 3, 2);

    buf_fini(&octets);
    EVP_MAC_CTX_free(bare.ctx);
    EVP_MAC_free(bare.mac);
    buf_fini(&v.text);
    keyring_free(v.keyring);
    memory_store_free(store);
    return !good;
}
