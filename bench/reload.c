/* Decoding a RELOAD Store of one sealed number record, with its certificate and signatures, down to every field, against one bare ECDSA
 * P-256 verification: the decoder must not be what limits a peer. */
#include "bench.h"

#include "crypt/cert.h"
#include "reload/body.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

enum { NUMBER_KIND = 0xF0000001, RECORD_OCTETS = 120, REGION_OCTETS = 1 << 20 };

static int model_of(uint32_t kind)
{
    return kind == NUMBER_KIND ? RELOAD_MODEL_DICTIONARY : RELOAD_MODEL_UNKNOWN;
}

static enum reload_model model_port(void *ctx, uint32_t kind)
{
    (void)ctx;
    return (enum reload_model)model_of(kind);
}

static void decode(void *arg, unsigned long times)
{
    const struct buf *message = arg;
    struct reload_models models = {model_port, NULL};
    for (unsigned long i = 0; i < times; i++) {
        struct region region;
        struct reload_message m;
        struct reload_body body;
        struct fault fault;
        region_init(&region, REGION_OCTETS);
        bench_need(reload_message_decode(buf_slice(message), &region, &m, &fault) == 0, "decoding a message");
        bench_need(reload_body_decode(&m, &models, &region, &body, &fault) == 0, "decoding a Store");
        bench_need(body.store_req.kinds[0].values[0].value.octets.n == RECORD_OCTETS, "the value");
        region_fini(&region);
    }
}

/* A node's certificate as the enrollment server would issue it. */
static void make_certificate(struct buf *ret_der)
{
    struct key *authority_key, *node_key;
    struct cert *authority, *cert;
    struct wall from = {INT64_C(1767225600000)}, until = {INT64_C(1798761600000)};
    static const uint8_t serial[16] = {1};
    struct id node = {{5}};
    bench_need(key_generate(KEY_EC_P256, &authority_key) == 0 && key_generate(KEY_EC_P256, &node_key) == 0,
               "key generation");
    bench_need(cert_issue_authority(authority_key, "Bench CA", from, until, serial, &authority) == 0, "authority");
    struct cert_request request = {.public_key = node_key,
                                   .overlay = slice_str("ring.example"),
                                   .node_ids = &node,
                                   .node_id_count = 1,
                                   .user = "ime1.example.com@ring.example",
                                   .not_before = from,
                                   .not_after = until,
                                   .serial = {2}};
    bench_need(cert_issue(authority_key, authority, &request, &cert) == 0, "certificate");
    buf_slice_put(ret_der, cert_der(cert));
    cert_free(cert);
    cert_free(authority);
    key_free(node_key);
    key_free(authority_key);
}

static struct reload_signature signature_of(struct slice hash, struct slice value)
{
    return (struct reload_signature){
        .hash_algorithm = RELOAD_HASH_SHA256,
        .signature_algorithm = RELOAD_SIGNATURE_ECDSA,
        .identity = {.type = RELOAD_IDENTITY_CERT_HASH, .hash_algorithm = RELOAD_HASH_SHA256, .hash = hash},
        .value = value};
}

static void make_store(struct buf *out)
{
    static const uint8_t octets[RECORD_OCTETS];
    struct slice hash = slice_of(octets, 32), signature = slice_of(octets, 71);
    struct buf body_octets, der;
    buf_init(&body_octets, 1 << 16);
    buf_init(&der, 1 << 16);
    make_certificate(&der);
    struct reload_stored_data data = {.storage_time_ms = 1767225600000,
                                      .lifetime_s = 86400,
                                      .value = {.model = RELOAD_MODEL_DICTIONARY,
                                                .key = slice_of(octets, 16),
                                                .exists = true,
                                                .octets = slice_of(octets, RECORD_OCTETS)},
                                      .signature = signature_of(hash, signature)};
    struct reload_kind_data kind = {NUMBER_KIND, 0, RELOAD_MODEL_DICTIONARY, &data, 1};
    struct reload_body body = {.code = RELOAD_STORE_REQ,
                               .store_req = {.resource = slice_of(octets, 16), .kinds = &kind, .kind_count = 1}};
    bench_need(reload_body_encode(&body, &body_octets) == 0, "encoding a Store");
    struct id via[3] = {{{1}}, {{2}}, {{3}}};
    struct reload_destination vias[3], destination = reload_destination_resource(slice_of(octets, 16));
    for (int i = 0; i < 3; i++)
        vias[i] = reload_destination_node(via[i]);
    struct reload_certificate certificate = {RELOAD_CERTIFICATE_X509, buf_slice(&der)};
    struct reload_message message = {
        .header = {.overlay = 1,
                   .configuration_sequence = 1,
                   .ttl = 100,
                   .fragment = RELOAD_FRAGMENT_WHOLE,
                   .transaction_id = 1,
                   .via = vias,
                   .via_count = 3,
                   .destinations = &destination,
                   .destination_count = 1},
        .contents = {.code = RELOAD_STORE_REQ, .body = buf_slice(&body_octets)},
        .security = {.certificates = &certificate, .certificate_count = 1, .signature = signature_of(hash, signature)}};
    bench_need(reload_message_encode(&message, out) == 0, "encoding a message");
    buf_fini(&body_octets);
    buf_fini(&der);
}

struct bare {
    EVP_PKEY *key;
    uint8_t signature[128];
    size_t n;
};

static const uint8_t signed_octets[200];

static void bare_verify(void *arg, unsigned long times)
{
    struct bare *b = arg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    for (unsigned long i = 0; i < times; i++)
        bench_need(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, b->key) == 1 &&
                       EVP_DigestVerify(ctx, b->signature, b->n, signed_octets, sizeof signed_octets) == 1,
                   "ECDSA verification");
    EVP_MD_CTX_free(ctx);
}

static void prepare_bare(struct bare *b)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    b->key = EVP_EC_gen("P-256");
    b->n = sizeof b->signature;
    bench_need(ctx && b->key && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, b->key) == 1 &&
                   EVP_DigestSign(ctx, b->signature, &b->n, signed_octets, sizeof signed_octets) == 1,
               "ECDSA signature");
    EVP_MD_CTX_free(ctx);
}

int main(void)
{
    struct buf message;
    struct bare bare;
    buf_init(&message, 1 << 16);
    make_store(&message);
    prepare_bare(&bare);
    struct bench_side subject = {"RELOAD Store decode", decode, &message, 1};
    struct bench_side baseline = {"bare ECDSA P-256 verify", bare_verify, &bare, 1};
    bool good = bench_compare(&subject, &baseline, COST_AT_MOST, 0.1, 2);
    EVP_PKEY_free(bare.key);
    buf_fini(&message);
    return !good;
}
