/* Who gets a certificate: the form, the token or the certificate that authenticates it, the decision, and the answer when it is durable. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "enroll/form.h"

#define TEXT_PLAIN "text/plain"

/* The reasons of RFC 6940 11.3, and two of ours for what is nobody's fault. */
#define FAILED_AUTHENTICATION "failed_authentication"
#define NODE_IDS_NOT_AVAILABLE "Node-IDs_not_available"
#define BAD_CSR "bad_CSR"
#define USERNAME_NOT_AVAILABLE "username_not_available"
#define TOO_MANY_FAILURES "too_many_failures"
#define TEMPORARILY_UNAVAILABLE "temporarily_unavailable"

/* What a request asks for, and who asks. */
struct wish {
    const struct enroll_question *question;
    struct slice server_id; /* empty: not given */
    struct slice secret;    /* empty: none */
    unsigned node_ids;
    unsigned first;         /* number of the first of them at the holder */
    struct key *public_key; /* owned */
    struct token *token;    /* what authenticates: a token … */
    struct issued *held;    /* … or a certificate: shown by TLS … */
    bool late;              /* … or in the form, since it has expired */
    struct names names;     /* for the new certificate; owned */
};

/* A certificate on its way to the disk. */
struct pending {
    struct waiting waiting;
    struct enroll *enroll;
    enroll_answer_fn *fn;
    void *arg;
    struct token *token; /* NULL: a renewal */
    struct holder *holder;
    struct issued *issued;
    size_t node_ids_before;
    unsigned allowed; /* of the holder, when this is durable */
    bool late;
    struct cert *cert;
};

struct asker {
    struct enroll *enroll;
    enroll_answer_fn *fn;
    void *arg;
    const struct addr *source;
};

int enroll_user_name(const struct enroll *e, const char *server_id, char ret_user[CERT_USER_OCTETS_MAX + 1])
{
    /* An rfc822Name has a domain: the server ID is an account of the overlay. */
    struct buf user;
    buf_init(&user, CERT_USER_OCTETS_MAX);
    buf_str(&user, server_id);
    buf_u8(&user, '@');
    buf_str(&user, e->options.overlay);
    int err = user.err;
    if (!err) {
        memcpy(ret_user, user.p, user.n);
        ret_user[user.n] = '\0';
    }
    buf_fini(&user);
    return err;
}

/* ---- answers ---- */

static void answer(const struct asker *a, int status, const char *content_type, struct slice body)
{
    a->fn(a->arg, &(struct enroll_answer){status, content_type, body});
}

static void refuse(const struct asker *a, int status, const char *reason, const char *server_id, uint64_t *counter)
{
    char source[ADDR_TEXT_OCTETS] = "-";
    (*counter)++;
    if (a->source)
        addr_format(a->source, source);
    log_event(a->enroll->ports.log, LEVEL_WARNING, "enroll.refused", "reason=%s source=%s server_id=%s", reason, source,
              server_id);
    answer(a, status, TEXT_PLAIN, slice_str(reason));
}

static void give(const struct asker *a, const struct cert *cert)
{
    answer(a, 200, "application/pkix-cert", cert_der(cert));
}

/* ---- rows ---- */

static struct slice serial_of(const struct issued *issued)
{
    return slice_of(issued->serial, SERIAL_OCTETS);
}

static int read_certificate(struct enroll *e, struct slice serial, struct cert **ret_cert, struct names *ret_names)
{
    struct slice value;
    struct certificate_row row;
    int err = kv_get(e->ports.kv, KV_ENROLL_CERTIFICATE, serial, &value);
    if (!err)
        err = certificate_decode(value, &row);
    struct names names = {0};
    if (!err)
        err = names_decode(row.names, &names);
    if (!err)
        err = cert_from_der(row.der, ret_cert);
    if (!err && ret_names)
        *ret_names = names;
    else
        names_free(&names);
    return err;
}

static int put_certificate(struct enroll *e, const struct pending *p, const struct names *names)
{
    struct buf row, texts;
    buf_init(&row, 65536);
    buf_init(&texts, 8192);
    names_encode(names, &texts);
    const struct certificate_row fields = {
        .server_id = slice_str(p->holder->server_id),
        .issued_at = p->issued->issued_at,
        .first = (uint8_t)p->issued->first,
        .allowed = (uint8_t)p->allowed,
        .names = buf_slice(&texts),
        .der = cert_der(p->cert),
    };
    int err = texts.err ? texts.err : certificate_encode(&fields, &row);
    if (!err)
        err = kv_put(e->ports.kv, KV_ENROLL_CERTIFICATE, serial_of(p->issued), buf_slice(&row));
    buf_fini(&row);
    buf_fini(&texts);
    return err;
}

/* ---- issuing ---- */

static void pending_free(struct pending *p)
{
    list_remove(&p->waiting.link);
    cert_free(p->cert);
    mem_free(p);
}

static void pending_drop(struct waiting *waiting)
{
    pending_free(CONTAINER_OF(waiting, struct pending, waiting));
}

/* Memory follows the disk: only now is the token spent and the certificate the newest. */
static void issued_done(void *arg, int err)
{
    struct pending *p = arg;
    struct enroll *e = p->enroll;
    const struct asker asker = {e, p->fn, p->arg, NULL};
    p->holder->busy = false;
    if (p->token)
        p->token->busy = false;
    if (err) {
        struct issued *lost = p->issued;
        e->counters.failed_store++;
        issued_drop(e, lost);
        holder_shrink(e, p->holder, p->node_ids_before);
        holder_find_newest(e, p->holder);
        holder_drop_unused(e, p->holder);
        log_event(e->ports.log, LEVEL_ERROR, "enroll.store.failed", "error=%s", err_name(err));
        answer(&asker, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
    } else {
        char id[ID_HEX_OCTETS], end[WALL_TEXT_OCTETS];
        if (p->token) {
            p->token->state = TOKEN_USED;
            memcpy(p->token->serial, p->issued->serial, SERIAL_OCTETS);
            e->counters.certificates_issued++;
        } else {
            e->counters.certificates_renewed++;
            e->counters.certificates_renewed_late += p->late;
        }
        p->holder->allowed = p->allowed;
        log_event(e->ports.log, LEVEL_NOTICE, p->token ? "enroll.issued" : "enroll.renewed",
                  "server_id=%s serial=%s node=%zu node_id=%s until=%s", p->holder->server_id, cert_serial(p->cert),
                  p->issued->first, id_format(p->holder->node_ids[p->issued->first], id),
                  wall_format(p->issued->not_after, end));
        give(&asker, p->cert);
    }
    pending_free(p);
}

static int sign(struct enroll *e, struct pending *p, const struct wish *wish, uint8_t ret_serial[SERIAL_OCTETS])
{
    char user[CERT_USER_OCTETS_MAX + 1];
    int err = enroll_user_name(e, p->holder->server_id, user);
    if (!err)
        err = holder_extend(e, p->holder, wish->first + wish->node_ids);
    if (err)
        return err;
    struct cert_request request = {
        .public_key = wish->public_key,
        .overlay = slice_str(e->options.overlay),
        .node_ids = p->holder->node_ids + wish->first,
        .node_id_count = wish->node_ids,
        .user = user,
        .names = (const char *const *)wish->names.texts,
        .name_count = wish->names.n,
        .not_before = wall_after_ms(e->now.wall, -ENROLL_BACKDATE_MS),
        .not_after = wall_after_ms(e->now.wall, e->options.certificate_lifetime_ms),
    };
    if (request.not_after.ms > cert_not_after(e->active.cert).ms)
        request.not_after = cert_not_after(e->active.cert);
    enroll_new_serial(e, request.serial);
    memcpy(ret_serial, request.serial, SERIAL_OCTETS);
    return enroll_issue(e, &request, &p->cert);
}

/* The token as it will be once the certificate is durable. */
static int put_used_token(struct enroll *e, const struct token *token, const struct issued *issued)
{
    struct token used = *token;
    used.state = TOKEN_USED;
    memcpy(used.serial, issued->serial, SERIAL_OCTETS);
    return token_put(e, &used);
}

static int begin(struct enroll *e, struct pending *p, const struct wish *wish)
{
    uint8_t serial[SERIAL_OCTETS];
    int err = sign(e, p, wish, serial);
    if (!err)
        err = issued_new(e, p->holder, p->cert, wish->first, serial, e->now.wall, &p->issued);
    if (!err)
        err = put_certificate(e, p, &wish->names);
    if (!err && p->token)
        err = put_used_token(e, p->token, p->issued);
    return err;
}

static void issue(const struct asker *a, const struct wish *wish, struct slice server_id)
{
    struct enroll *e = a->enroll;
    struct holder *holder = holder_find(e, server_id);
    if (holder && holder->busy) {
        answer(a, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
        return;
    }
    struct pending *p = mem_alloc(sizeof *p);
    int err = p ? 0 : ERR_NO_MEMORY;
    if (!err && !holder)
        err = holder_new(e, server_id, &holder);
    if (err) {
        mem_free(p);
        e->counters.failed_store++;
        answer(a, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
        return;
    }
    *p = (struct pending){
        .waiting.drop = pending_drop,
        .enroll = e,
        .fn = a->fn,
        .arg = a->arg,
        .token = wish->token,
        .holder = holder,
        .node_ids_before = holder->node_id_count,
        .allowed = holder->allowed,
        .late = wish->late,
    };
    if (p->token && p->token->node_ids > p->allowed)
        p->allowed = p->token->node_ids;
    list_append(&e->waiting, &p->waiting.link);
    err = begin(e, p, wish);
    if (err && !p->issued) { /* nothing was written */
        holder_shrink(e, holder, p->node_ids_before);
        holder_drop_unused(e, holder);
        pending_free(p);
        e->counters.failed_store++;
        log_event(e->ports.log, LEVEL_ERROR, "enroll.issue.failed", "error=%s", err_name(err));
        answer(a, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
        return;
    }
    holder->busy = true;
    if (p->token)
        p->token->busy = true;
    if (err)
        issued_done(p, err);
    else
        kv_commit(e->ports.kv, issued_done, p);
}

/* ---- deciding ---- */

/* A spent token gives the certificate that it was spent for, but only to the key that has it: an answer was lost. */
static void repeat(const struct asker *a, const struct wish *wish)
{
    struct enroll *e = a->enroll;
    struct cert *cert = NULL;
    int err = read_certificate(e, slice_of(wish->token->serial, SERIAL_OCTETS), &cert, NULL);
    bool same = !err && key_equal(cert_key(cert), wish->public_key) && cert_not_after(cert).ms > e->now.wall.ms &&
                authority_is_ours(e, cert_authority_key_id(cert));
    if (same) {
        e->counters.certificates_repeated++;
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.repeated", "server_id=%s serial=%s", wish->token->server_id,
                  cert_serial(cert));
        give(a, cert);
    } else {
        refuse(a, 403, FAILED_AUTHENTICATION, wish->token->server_id, &e->counters.refused_authentication);
    }
    cert_free(cert);
}

static void enroll_with_token(const struct asker *a, struct wish *wish)
{
    struct enroll *e = a->enroll;
    struct token *token = wish->token;
    if (token->busy) {
        answer(a, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
    } else if (token->state == TOKEN_USED) {
        repeat(a, wish);
    } else if (wish->node_ids > token->node_ids) {
        refuse(a, 403, NODE_IDS_NOT_AVAILABLE, token->server_id, &e->counters.refused_node_ids);
    } else {
        wish->names = token->names; /* lent: not freed with the wish */
        issue(a, wish, slice_str(token->server_id));
        wish->names.n = 0;
    }
}

/* Which of the holder's Node-IDs: those of the certificate shown, unless a further one is asked for. */
static const char *choose_node_ids(const struct enroll *e, struct wish *wish)
{
    if (wish->first) {
        wish->node_ids = 1;
        return wish->first < holder_allowance(e, wish->held->holder) ? NULL : NODE_IDS_NOT_AVAILABLE;
    }
    if (wish->node_ids > wish->held->node_ids)
        return NODE_IDS_NOT_AVAILABLE;
    wish->first = (unsigned)wish->held->first;
    wish->node_ids = (unsigned)wish->held->node_ids;
    return NULL;
}

/* A lost answer is repeated: the newest certificate of these Node-IDs, if it is as good as new and of the authority that issues now. */
static bool is_repetition(const struct enroll *e, const struct wish *wish, const struct issued *newest,
                          const struct cert *cert)
{
    int64_t repeat_ms = e->options.certificate_lifetime_ms / 8;
    int64_t age_ms = e->now.wall.ms - newest->issued_at.ms;
    if (repeat_ms > ENROLL_REPEAT_MS)
        repeat_ms = ENROLL_REPEAT_MS;
    return !newest->holder->busy && age_ms >= 0 && age_ms < repeat_ms && newest->node_ids == wish->node_ids &&
           cert_key_id_eq(newest->authority, cert_key_id(e->active.cert)) &&
           key_equal(cert_key(cert), wish->public_key);
}

/* The holder of a certificate gets the next one: same Node-IDs, same names, the key of the request; or one for a further Node-ID. */
static void renew(const struct asker *a, struct wish *wish)
{
    struct enroll *e = a->enroll;
    struct holder *holder = wish->held->holder;
    struct cert *newest = NULL;
    if (wish->server_id.n && !slice_eq_str(wish->server_id, holder->server_id)) {
        refuse(a, 403, USERNAME_NOT_AVAILABLE, holder->server_id, &e->counters.refused_authentication);
        return;
    }
    const char *reason = choose_node_ids(e, wish);
    if (reason) {
        refuse(a, 403, reason, holder->server_id, &e->counters.refused_node_ids);
        return;
    }
    const struct issued *latest = holder->newest[wish->first];
    int err = read_certificate(e, serial_of(latest ? latest : wish->held), &newest, &wish->names);
    if (!err && latest && is_repetition(e, wish, latest, newest)) {
        e->counters.certificates_repeated++;
        give(a, newest);
    } else if (err) {
        e->counters.failed_store++;
        answer(a, 503, TEXT_PLAIN, slice_str(TEMPORARILY_UNAVAILABLE));
    } else {
        issue(a, wish, slice_str(holder->server_id));
    }
    cert_free(newest);
}

/* Only a certificate that we have issued, octet for octet, until so long behind its end. What TLS shows it has verified; what the form
 * shows anybody may have seen: there the key of the request must be the certificate's, so that nobody else has any use of the answer. */
static struct issued *find_held(struct enroll *e, struct slice der, int64_t grace_ms)
{
    struct cert *cert;
    struct cert *kept = NULL;
    uint8_t serial[SERIAL_OCTETS];
    struct issued *held = NULL;
    if (!der.n || cert_from_der(der, &cert) != 0)
        return NULL;
    struct slice text = slice_str(cert_serial(cert));
    if (text.n == 2 * SERIAL_OCTETS && hex_parse(text, serial) == 0)
        held = map_get(&e->issued_by_serial, slice_of(serial, SERIAL_OCTETS));
    if (held && (read_certificate(e, serial_of(held), &kept, NULL) != 0 || !slice_eq(cert_der(kept), der) ||
                 held->not_after.ms + grace_ms <= e->now.wall.ms))
        held = NULL;
    cert_free(kept);
    cert_free(cert);
    return held;
}

static bool has_key_of_held(struct enroll *e, const struct wish *wish)
{
    struct cert *cert = NULL;
    bool same =
        read_certificate(e, serial_of(wish->held), &cert, NULL) == 0 && key_equal(cert_key(cert), wish->public_key);
    cert_free(cert);
    return same;
}

/* ---- reading ---- */

static const char *read_form(const struct enroll_question *q, struct form *form, struct fault *fault)
{
    struct slice type = slice_str(q->content_type ? q->content_type : "");
    return form_parse(type, q->body, form, fault) == 0 ? NULL : fault->rule;
}

static struct slice field_value(const struct form *form, const char *name)
{
    const struct form_field *field = form_find(form, name);
    return field ? field->value : slice_of(NULL, 0);
}

/* Absent: one. 0: no number, or too many. */
static unsigned wanted_node_ids(const struct form *form)
{
    const struct form_field *field = form_find(form, "nodeids");
    uint64_t n;
    if (!field)
        return 1;
    return u64_parse(text_trim(field->value), CERT_NODE_IDS_MAX, &n) == 0 ? (unsigned)n : 0;
}

/* The number of a further Node-ID. Absent: 0. False: no number, or too great. */
static bool wanted_node(const struct form *form, unsigned *ret_node)
{
    const struct form_field *field = form_find(form, "node");
    uint64_t n = 0;
    if (field && u64_parse(text_trim(field->value), CERT_NODE_IDS_MAX - 1, &n) != 0)
        return false;
    *ret_node = (unsigned)n;
    return true;
}

/* Who asks: a token if one is shown, else the certificate, of TLS or of the form. False: an answer was given. */
static bool authenticate(const struct asker *a, struct wish *wish, struct slice certificate)
{
    struct enroll *e = a->enroll;
    if (wish->secret.n) {
        wish->token = token_check(e, wish->secret);
        if (wish->token &&
            (!slice_eq_str(wish->server_id, wish->token->server_id) || wish->token->state == TOKEN_REVOKED ||
             (wish->token->state == TOKEN_OPEN && wish->token->expires.ms <= e->now.wall.ms)))
            wish->token = NULL;
    } else if (wish->question->client_certificate.n) {
        wish->held = find_held(e, wish->question->client_certificate, 0);
    } else {
        wish->held = find_held(e, certificate, e->options.renew_grace_ms);
        wish->late = true;
    }
    if (wish->token || wish->held)
        return true;
    guard_note_failure(&e->guard, a->source, e->now.mono);
    /* The name is what a stranger claims: not for the log. */
    refuse(a, 403, FAILED_AUTHENTICATION, "-", &e->counters.refused_authentication);
    return false;
}

void enroll_ask(struct enroll *e, struct now now, const struct enroll_question *question, enroll_answer_fn *fn,
                void *arg)
{
    const struct asker asker = {e, fn, arg, &question->source};
    struct wish wish = {.question = question};
    struct form form;
    struct fault fault = {0};
    e->now = now;
    e->counters.requests++;
    if (!guard_allows(&e->guard, &question->source, now.mono)) {
        refuse(&asker, 429, TOO_MANY_FAILURES, "-", &e->counters.refused_rate);
        return;
    }
    const char *rule = read_form(question, &form, &fault);
    if (rule) {
        refuse(&asker, 400, rule, "-", &e->counters.refused_malformed);
        return;
    }
    wish.server_id = field_value(&form, "username");
    wish.secret = text_trim(field_value(&form, "password"));
    wish.node_ids = wanted_node_ids(&form);
    bool is_node = wanted_node(&form, &wish.first);
    if (!authenticate(&asker, &wish, field_value(&form, "certificate")))
        return;
    const char *who = wish.token ? wish.token->server_id : wish.held->holder->server_id;
    const struct holder *holder = wish.token ? holder_find(e, slice_str(who)) : wish.held->holder;
    if (wish.held && !authority_is_ours(e, wish.held->authority)) {
        refuse(&asker, 403, FAILED_AUTHENTICATION, who, &e->counters.refused_authority);
        return;
    }
    if (holder && ban_covers(e, holder)) {
        refuse(&asker, 403, FAILED_AUTHENTICATION, who, &e->counters.refused_ban);
        return;
    }
    if (wish.node_ids == 0 || !is_node || (wish.first && wish.token))
        refuse(&asker, 403, NODE_IDS_NOT_AVAILABLE, who, &e->counters.refused_node_ids);
    else if (csr_parse(field_value(&form, "csr"), &wish.public_key) != 0)
        refuse(&asker, 403, BAD_CSR, who, &e->counters.refused_csr);
    else if (wish.late && !has_key_of_held(e, &wish))
        refuse(&asker, 403, FAILED_AUTHENTICATION, who, &e->counters.refused_authentication);
    else if (wish.token)
        enroll_with_token(&asker, &wish);
    else
        renew(&asker, &wish);
    names_free(&wish.names);
    key_free(wish.public_key);
}
