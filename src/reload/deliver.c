/* Messages for us: reassembly, decoding, the signature and its certificate (RFC 6940 6.3.4), then answers to their transactions and requests
 * to whoever serves them. Nothing is acted on before its signature has been verified. */
#include "reload/peer_internal.h"

/* A signature that does not verify, or a signer who may not: dropped without an answer (6.3.4). */
static void count_unverified(struct peer *peer, const struct reload_message *message, int err)
{
    if (err == ERR_FORBIDDEN)
        peer->counters.signer_banned++;
    else
        peer->counters.signature_bad++;
    log_event(peer->ports.log, LEVEL_NOTICE, "ring.message.unverified", "message=%s transaction=%016llx error=%s",
              reload_code_name(message->contents.code) ? reload_code_name(message->contents.code) : "unknown",
              (unsigned long long)message->header.transaction_id, err_name(err));
}

/* Checks of a request that come before anything is done with it. False: it has been answered. */
static bool request_is_acceptable(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_message *message = request->message;
    for (size_t i = 0; i < message->header.option_count; i++)
        if (message->header.options[i].flags & RELOAD_DESTINATION_CRITICAL) {
            peer->counters.option_unsupported++;
            peer_answer_error(peer, now, request->reply, RELOAD_ERROR_UNSUPPORTED_FORWARDING_OPTION, "");
            return false;
        }
    for (size_t i = 0; i < message->contents.extension_count; i++)
        if (message->contents.extensions[i].critical) {
            peer_answer_error(peer, now, request->reply, RELOAD_ERROR_UNKNOWN_EXTENSION, "");
            return false;
        }
    return config_check(peer, now, request);
}

static void deliver_request(struct peer *peer, struct now now, struct link *from, const struct reload_message *message,
                            const struct security_signer *signer, struct region *region)
{
    struct reply reply;
    peer->counters.requests_received++;
    if (peer_reply_init(&reply, peer, &message->header, from)) {
        peer->counters.memory_refused++;
        return;
    }
    reply.requester = signer->node;
    struct request request = {
        .message = message,
        .signer = signer,
        .link = from,
        .direct = from && !message->header.via_count && id_eq(from->node, signer->node),
        .region = region,
        .reply = &reply,
    };
    if (request_is_acceptable(peer, now, &request)) {
        struct reload_models models = kind_models(&peer->config->kinds);
        struct fault fault;
        int err = reload_body_decode(message, &models, region, &request.body, &fault);
        if (err) {
            peer->counters.message_malformed++;
            peer_answer_error(peer, now, &reply, RELOAD_ERROR_INVALID_MESSAGE, fault.rule ? fault.rule : "");
        } else if (peer_rate_request(peer, now, &request)) {
            peer_serve_request(peer, now, &request);
        }
    }
    peer_reply_fini(&reply);
}

static void deliver_whole(struct peer *peer, struct now now, struct link *from, struct slice octets,
                          struct region *region)
{
    struct reload_message message;
    struct security_signer signer;
    struct fault fault;
    int err = reload_message_decode(octets, region, &message, &fault);
    if (err) {
        peer->counters.message_malformed++;
        log_event(peer->ports.log, LEVEL_DEBUG, "ring.message.malformed", "octet=%zu rule=\"%s\"", fault.octet,
                  fault.rule);
        return;
    }
    err = security_verify_message(peer->ports.security, &message, now.wall, &signer);
    if (err) {
        count_unverified(peer, &message, err);
        return;
    }
    if (from && !message.header.via_count && id_eq(from->node, signer.node)) {
        memcpy(from->certificate_hash, signer.cert->hash, sizeof from->certificate_hash); /* it may have been renewed */
        config_seen(peer, now, from, message.header.configuration_sequence);
    }
    if (reload_code_is_request(message.contents.code))
        deliver_request(peer, now, from, &message, &signer, region);
    else
        peer_transaction_answer(peer, now, &message, &signer, region);
}

void peer_deliver(struct peer *peer, struct now now, struct link *from, const struct reload_header *header,
                  struct slice octets, struct region *region)
{
    if (reload_header_is_whole(header)) {
        deliver_whole(peer, now, from, octets, region);
        return;
    }
    struct buf whole;
    buf_init(&whole, RELOAD_MESSAGE_OCTETS_MAX);
    peer->reassembly.message_octets_max = peer->config->max_message_size;
    int err = reload_reassembly_input(&peer->reassembly, now.mono, from ? from->node : peer->options.self, octets,
                                      header, &whole);
    if (!err)
        deliver_whole(peer, now, from, buf_slice(&whole), region);
    else if (err != ERR_TRUNCATED)
        peer->counters.fragment_dropped++;
    buf_fini(&whole);
    peer_reassembly_schedule(peer);
}
