/* Issuing and verifying with a key at hand. */
#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "ticket/check.h"
#include "tlv/tlv.h"

static void integrity_of(struct slice covered, const uint8_t key[TICKET_KEY_OCTETS], uint8_t ret_mac[SHA256_OCTETS])
{
    hmac_sha256(slice_of(key, TICKET_KEY_OCTETS), covered, ret_mac);
}

/* The octets before the integrity attribute, which is the last one and of fixed length. */
static struct slice covered_octets(const struct buf *octets)
{
    return slice_of(octets->p, octets->n - tlv_octets(TICKET_INTEGRITY_OCTETS));
}

int ticket_seal(struct ticket *ticket, const uint8_t key[TICKET_KEY_OCTETS])
{
    uint8_t mac[SHA256_OCTETS];
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    int err = ticket_encode(ticket, &octets);
    if (!err) {
        integrity_of(covered_octets(&octets), key, mac);
        memcpy(ticket->integrity, mac, sizeof ticket->integrity);
    }
    buf_fini(&octets);
    return err;
}

static int copy_domain(struct slice domain, char *ret_domain)
{
    if (!domain_is_valid(domain))
        return ERR_RANGE;
    text_lower(domain, ret_domain);
    return 0;
}

int ticket_make(const struct ticket_grant *grant, uint8_t epoch, const uint8_t key[TICKET_KEY_OCTETS],
                const struct entropy *entropy, struct ticket *ret_ticket)
{
    struct ticket t = {.version = TICKET_VERSION,
                       .epoch = epoch,
                       .not_before = grant->not_before,
                       .not_after = grant->not_after,
                       .number = grant->number,
                       .granting_node = grant->granting_node};
    if (copy_domain(grant->granting_domain, t.granting_domain) || copy_domain(grant->granted_to, t.granted_to))
        return ERR_RANGE;
    entropy_fill(entropy, t.unique_id, sizeof t.unique_id);
    int err = ticket_seal(&t, key);
    if (!err)
        *ret_ticket = t;
    return err;
}

bool ticket_is_sealed(const struct ticket_received *received, const uint8_t key[TICKET_KEY_OCTETS])
{
    uint8_t mac[SHA256_OCTETS];
    integrity_of(covered_octets(&received->octets), key, mac);
    return mem_equal_secret(mac, received->ticket.integrity, TICKET_INTEGRITY_OCTETS);
}

enum ticket_verdict ticket_check_use(const struct ticket *ticket, const struct ticket_use *use)
{
    if (use->now.ms < ticket->not_before.ms)
        return TICKET_NOT_YET_VALID;
    if (use->now.ms > ticket->not_after.ms)
        return TICKET_EXPIRED;
    if (!slice_eq(use->number, e164_slice(&ticket->number)))
        return TICKET_WRONG_NUMBER;
    if (!text_equal_nocase(use->domain, slice_str(ticket->granted_to)))
        return TICKET_WRONG_DOMAIN;
    return TICKET_GOOD;
}

enum ticket_verdict ticket_verify_with_key(struct slice text, const uint8_t key[TICKET_KEY_OCTETS],
                                           const struct ticket_use *use, struct ticket *ret_ticket)
{
    struct ticket_received received;
    enum ticket_verdict verdict = TICKET_BAD_SYNTAX;
    if (ticket_receive(text, &received, NULL) == 0) {
        if (ret_ticket)
            *ret_ticket = received.ticket;
        verdict = ticket_is_sealed(&received, key) ? ticket_check_use(&received.ticket, use) : TICKET_BAD_INTEGRITY;
    }
    buf_fini(&received.octets);
    return verdict;
}

/* Names and sentence parts, in the order of enum ticket_verdict. */
static const char *const verdicts[TICKET_VERDICTS][2] = {
    {"good", "the ticket is good"},
    {"bad_syntax", "this is no ticket"},
    {"bad_epoch", "there is no key for its epoch, or its grace period is over"},
    {"bad_integrity", "it was not sealed here, or was changed"},
    {"not_yet_valid", "its validity has not begun"},
    {"expired", "its validity is over"},
    {"wrong_number", "it is for another number"},
    {"wrong_domain", "it was granted to another domain"},
    {"revoked", "it was revoked"},
};

const char *ticket_verdict_name(enum ticket_verdict verdict)
{
    return verdict < TICKET_VERDICTS ? verdicts[verdict][0] : "unknown";
}

const char *ticket_verdict_text(enum ticket_verdict verdict)
{
    return verdict < TICKET_VERDICTS ? verdicts[verdict][1] : "unknown";
}
