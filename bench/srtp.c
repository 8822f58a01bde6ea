/* What it costs to protect 20 ms of G.711 (160 octets behind 12 of header), and to take the protection off, for each suite. Beside it the
 * same ciphers and digests asked of OpenSSL's EVP with nothing around them, and libsrtp2: the faster library is the default of
 * media/srtp.h. */
#include "bench.h"

#include "base/slice.h"
#include "media/srtp.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#define HEADER 12
#define PAYLOAD 160
#define PACKETS 2048
#define SECONDS 1.0

struct stream {
    struct srtp_master master;
    enum srtp_backend backend;
    struct srtp *srtp;
    uint16_t seq;
    size_t octets;           /* of a protected packet */
    uint8_t (*packets)[256]; /* protected ones, with the sequence numbers 0, 1, … */
    EVP_CIPHER_CTX *cipher;  /* the bare side */
    EVP_MAC_CTX *mac;
};

static void start(struct stream *s, enum srtp_direction direction)
{
    srtp_free(s->srtp);
    bench_need(srtp_new(&s->master, direction, s->backend, &s->srtp) == 0, "a stream");
    s->seq = 0;
}

static void put_header(uint8_t *packet, uint16_t seq)
{
    const uint8_t header[HEADER] = {0x80, 8, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 0, 1, 2, 3, 4};
    memcpy(packet, header, HEADER);
}

static void protect(void *arg, unsigned long times)
{
    struct stream *s = arg;
    uint8_t packet[256] = {0};
    for (unsigned long i = 0; i < times; i++) {
        size_t n = HEADER + PAYLOAD;
        put_header(packet, s->seq++);
        bench_need(srtp_rtp_protect(s->srtp, packet, sizeof packet, &n) == SRTP_GOOD, "protection");
    }
}

/* Each packet is good once for a stream: when all were taken, a new stream takes them again. */
static void unprotect(void *arg, unsigned long times)
{
    struct stream *s = arg;
    uint8_t packet[256];
    for (unsigned long i = 0; i < times; i++) {
        if (s->seq % PACKETS == 0)
            start(s, SRTP_UNPROTECTS);
        size_t n = s->octets;
        memcpy(packet, s->packets[s->seq++], n);
        bench_need(srtp_rtp_unprotect(s->srtp, packet, &n) == SRTP_GOOD, "unprotection");
    }
}

static void bare_cm(void *arg, unsigned long times)
{
    struct stream *s = arg;
    uint8_t packet[256] = {0}, iv[16] = {0}, mac[20];
    int n;
    size_t mac_octets;
    for (unsigned long i = 0; i < times; i++) {
        memcpy(iv, &i, sizeof i);
        bench_need(EVP_EncryptInit_ex2(s->cipher, NULL, NULL, iv, NULL) == 1 &&
                       EVP_EncryptUpdate(s->cipher, packet + HEADER, &n, packet + HEADER, PAYLOAD) == 1 &&
                       EVP_MAC_init(s->mac, NULL, 0, NULL) == 1 &&
                       EVP_MAC_update(s->mac, packet, HEADER + PAYLOAD + 4) == 1 &&
                       EVP_MAC_final(s->mac, mac, &mac_octets, sizeof mac) == 1,
                   "EVP");
    }
}

static void bare_gcm(void *arg, unsigned long times)
{
    struct stream *s = arg;
    uint8_t packet[256] = {0}, iv[12] = {0};
    int n;
    for (unsigned long i = 0; i < times; i++) {
        memcpy(iv, &i, sizeof i);
        bench_need(EVP_EncryptInit_ex2(s->cipher, NULL, NULL, iv, NULL) == 1 &&
                       EVP_EncryptUpdate(s->cipher, NULL, &n, packet, HEADER) == 1 &&
                       EVP_EncryptUpdate(s->cipher, packet + HEADER, &n, packet + HEADER, PAYLOAD) == 1 &&
                       EVP_EncryptFinal_ex(s->cipher, packet + HEADER + PAYLOAD, &n) == 1 &&
                       EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, 16, packet + HEADER + PAYLOAD) == 1,
                   "EVP");
    }
}

static void bare_start(struct stream *s)
{
    static const char *const names[SUITE_COUNT] = {NULL, "AES-128-CTR", "AES-128-CTR", "AES-128-GCM", "AES-256-GCM"};
    char sha1[] = "SHA1";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha1, 0),
                           OSSL_PARAM_construct_end()};
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[s->master.suite], NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    s->cipher = EVP_CIPHER_CTX_new();
    s->mac = EVP_MAC_CTX_new(mac);
    bench_need(EVP_EncryptInit_ex2(s->cipher, cipher, s->master.octets, s->master.octets, NULL) == 1 &&
                   EVP_MAC_init(s->mac, s->master.octets, 20, params) == 1,
               "EVP");
    EVP_CIPHER_free(cipher);
    EVP_MAC_free(mac);
}

static void fill(struct stream *s)
{
    start(s, SRTP_PROTECTS);
    for (uint16_t seq = 0; seq < PACKETS; seq++) {
        size_t n = HEADER + PAYLOAD;
        put_header(s->packets[seq], seq);
        bench_need(srtp_rtp_protect(s->srtp, s->packets[seq], sizeof s->packets[seq], &n) == SRTP_GOOD, "protection");
        s->octets = n;
    }
    s->seq = 0;
}

static void stop(struct stream *s)
{
    srtp_free(s->srtp);
    s->srtp = NULL;
    EVP_CIPHER_CTX_free(s->cipher);
    EVP_MAC_CTX_free(s->mac);
}

static bool measure(enum srtp_suite suite)
{
    static uint8_t packets[PACKETS][256];
    struct stream openssl = {.master = {.suite = suite}, .backend = SRTP_BACKEND_OPENSSL, .packets = packets};
    struct stream libsrtp = {.master = {.suite = suite}, .backend = SRTP_BACKEND_LIBSRTP, .packets = packets};
    struct stream bare = {.master = {.suite = suite}};
    bool gcm = suite == SUITE_AEAD_AES_128_GCM || suite == SUITE_AEAD_AES_256_GCM;
    bare_start(&bare);
    start(&openssl, SRTP_PROTECTS);
    start(&libsrtp, SRTP_PROTECTS);
    printf("%s\n", srtp_suite_name(suite));
    struct bench_side theirs = {"protected by libsrtp2", protect, &libsrtp, 1};
    struct bench_side ours = {"  protected by OpenSSL", protect, &openssl, 1};
    struct bench_side bound = {gcm ? "bare GCM of EVP" : "bare CTR and HMAC of EVP", gcm ? bare_gcm : bare_cm, &bare,
                               1};
    bool good = bench_compare(&ours, &theirs, RATE_AT_LEAST, gcm ? 2 : 5, SECONDS);
    good &= bench_compare(&ours, &bound, COST_AT_MOST, gcm ? 1.2 : 0.9, SECONDS);

    fill(&openssl);
    libsrtp.octets = openssl.octets;
    libsrtp.seq = 0;
    theirs = (struct bench_side){"unprotected by libsrtp2", unprotect, &libsrtp, 1};
    ours = (struct bench_side){"  unprotected by OpenSSL", unprotect, &openssl, 1};
    good &= bench_compare(&ours, &theirs, RATE_AT_LEAST, gcm ? 2 : 5, SECONDS);
    good &= bench_compare(&ours, &bound, COST_AT_MOST, gcm ? 1.2 : 0.9, SECONDS);
    stop(&openssl);
    stop(&libsrtp);
    stop(&bare);
    return good;
}

int main(void)
{
    bool good = true;
    for (unsigned suite = SUITE_NONE + 1; suite < SUITE_COUNT; suite++)
        good &= measure((enum srtp_suite)suite);
    return !good;
}
