/* One validation: the plan of attempts, and the exchange of the one that succeeds. */
#include "pvp/originator.h"

#include "base/mem.h"
#include "base/region.h"
#include "base/text.h"
#include "ticket/ticket.h"

enum stage {
    STAGE_CONNECT,   /* CONNECT is due to be handed out */
    STAGE_HANDSHAKE, /* waiting for the connection */
    STAGE_HELLO,     /* waiting for the claimant's Hello */
    STAGE_ANSWER,    /* waiting for the answer */
    STAGE_RESULT,    /* RESULT is due to be handed out */
    STAGE_OVER
};

struct pvp_validation {
    struct pvp_validation_config config;
    struct pvp_validation_task task;
    const struct pvp_identity *identity;
    struct wall instant; /* of method B */
    enum stage stage;
    enum pvp_method method;
    unsigned try;
    unsigned attempts;
    bool must_close; /* CLOSE comes before the next CONNECT or RESULT */
    struct mono now; /* of the last event */
    struct mono deadline;
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    struct buf input;
    struct buf output; /* to be handed out by SEND */
    bool output_taken;
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    char password[PVP_PASSWORD_OCTETS_MAX + 1];
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1]; /* ours: the task's slice points here */
    struct slice *listed;                      /* the task's list points here */
    struct region region;                      /* what the result points to */
    struct valinfo valinfo;
    struct pvp_validation_result result;
};

const char *pvp_outcome_name(enum pvp_outcome outcome)
{
    static const char *const names[] = {"success", "failure", "refused", "bad_answer", "inconclusive"};
    return outcome <= PVP_INCONCLUSIVE ? names[outcome] : "unknown";
}

static void finish(struct pvp_validation *v, enum pvp_outcome outcome, const char *why)
{
    v->must_close = v->stage == STAGE_HANDSHAKE || v->stage == STAGE_HELLO || v->stage == STAGE_ANSWER;
    v->result.outcome = outcome;
    v->result.why = why;
    v->result.method = v->method;
    v->result.attempts = v->attempts;
    v->result.worth = outcome == PVP_SUCCESS ? pvp_method_worth(v->method) : 0;
    v->result.retry_ms = outcome == PVP_INCONCLUSIVE ? v->config.retry_ms : 0;
    v->stage = STAGE_RESULT;
    v->deadline = MONO_NEVER;
    buf_clear(&v->output);
    v->output_taken = false;
    mem_wipe(v->password, sizeof v->password);
}

/* A whole second well inside the call: where the times of both sides may differ by R/2, it is inside on both. */
static struct wall choose_instant(const struct pvp_validation_task *task, uint32_t lattice_ms,
                                  const struct entropy *entropy)
{
    int64_t first = (task->start.ms + lattice_ms / 2 + 999) / 1000;
    int64_t last = (task->stop.ms - lattice_ms / 2) / 1000;
    int64_t second = first <= last ? entropy_between(entropy, first, last) : (task->start.ms + task->stop.ms) / 2000;
    return (struct wall){1000 * second};
}

static int copy_list(struct pvp_validation *v, const struct pvp_domain_list *list)
{
    v->task.list.domains = NULL;
    v->task.list.count = 0;
    if (!list->count)
        return 0;
    v->listed = region_array(&v->region, list->count, sizeof *v->listed);
    if (!v->listed)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        v->listed[i] = region_copy(&v->region, list->domains[i]);
        if (list->domains[i].n && !v->listed[i].p)
            return ERR_NO_MEMORY;
    }
    v->task.list.domains = v->listed;
    v->task.list.count = list->count;
    return 0;
}

enum { REGION_OCTETS_MAX = 1 << 20 };

int pvp_validation_new(const struct pvp_validation_config *config, const struct pvp_validation_task *task,
                       const struct pvp_identity *identity, const struct entropy *entropy, struct now now,
                       struct pvp_validation **ret_validation)
{
    if (!domain_is_valid(task->domain) || task->stop.ms <= task->start.ms || task->start.ms <= 0 ||
        !e164_is_valid(e164_slice(&task->called)) || config->lattice_ms < PVP_LATTICE_MS_MIN ||
        config->lattice_ms > PVP_LATTICE_MS_MAX)
        return ERR_RANGE;
    struct pvp_validation *v = mem_alloc(sizeof *v);
    if (!v)
        return ERR_NO_MEMORY;
    v->config = *config;
    v->task = *task;
    v->identity = identity;
    v->now = now.mono;
    text_lower(task->domain, v->domain);
    v->task.domain = slice_str(v->domain);
    v->instant = choose_instant(task, config->lattice_ms, entropy);
    v->stage = STAGE_CONNECT;
    v->method = task->calling.text[0] ? PVP_METHOD_A : PVP_METHOD_B;
    v->deadline = MONO_NEVER;
    region_init(&v->region, REGION_OCTETS_MAX);
    buf_init(&v->input, PVP_MESSAGE_OCTETS_MAX);
    buf_init(&v->output, PVP_MESSAGE_OCTETS_MAX);
    int err = copy_list(v, &task->list);
    if (err) {
        pvp_validation_free(v);
        return err;
    }
    *ret_validation = v;
    return 0;
}

void pvp_validation_free(struct pvp_validation *v)
{
    if (!v)
        return;
    buf_fini(&v->input);
    buf_fini(&v->output);
    region_fini(&v->region);
    mem_wipe(v, sizeof *v);
    mem_free(v);
}

/* Username and password of the attempt whose turn it is. */
static void make_secret(struct pvp_validation *v)
{
    const struct pvp_validation_task *task = &v->task;
    uint32_t r = v->config.lattice_ms;
    bool is_a = v->method == PVP_METHOD_A;
    struct pvp_username u = {.method = v->method,
                             .vservice_id = task->vservice_id,
                             .called = task->called,
                             .instant = v->instant,
                             .start_sketch = pvp_sketch(task->start, r),
                             .stop_sketch = pvp_sketch(task->stop, r),
                             .try = v->try};
    if (is_a)
        pvp_caller_hint(&task->called, task->vservice_id, u.start_sketch, u.stop_sketch, &task->calling, u.caller_hint);
    pvp_username_format(&u, v->username);
    pvp_password_format(is_a ? &task->calling : NULL, pvp_cell(task->start, r), pvp_cell(task->stop, r), v->password);
}

/* The claimant did not know this one: the next of the plan, or the end. */
static void next_attempt(struct pvp_validation *v)
{
    mem_wipe(v->password, sizeof v->password);
    buf_clear(&v->input);
    if (++v->try < PVP_TRIES) {
        v->stage = STAGE_CONNECT;
    } else if (v->method == PVP_METHOD_A) {
        v->method = PVP_METHOD_B;
        v->try = 0;
        v->stage = STAGE_CONNECT;
    } else {
        finish(v, PVP_FAILURE, "the claimant does not know the call");
        return;
    }
    v->deadline = MONO_NEVER;
}

bool pvp_validation_next(struct pvp_validation *v, struct pvp_validation_effect *ret_effect)
{
    if (v->output_taken) {
        buf_clear(&v->output);
        v->output_taken = false;
    }
    if (v->output.n) {
        *ret_effect = (struct pvp_validation_effect){.kind = PVP_VALIDATION_SEND, .octets = buf_slice(&v->output)};
        v->output_taken = true;
        return true;
    }
    if (v->must_close) {
        v->must_close = false;
        *ret_effect = (struct pvp_validation_effect){.kind = PVP_VALIDATION_CLOSE};
        return true;
    }
    if (v->stage == STAGE_CONNECT) {
        make_secret(v);
        v->attempts++;
        v->stage = STAGE_HANDSHAKE;
        v->deadline = mono_after_ms(v->now, v->config.connect_ms);
        *ret_effect = (struct pvp_validation_effect){
            .kind = PVP_VALIDATION_CONNECT, .username = v->username, .password = v->password};
        return true;
    }
    if (v->stage == STAGE_RESULT) {
        v->stage = STAGE_OVER;
        *ret_effect = (struct pvp_validation_effect){.kind = PVP_VALIDATION_RESULT, .result = v->result};
        return true;
    }
    return false;
}

void pvp_validation_connected(struct pvp_validation *v, struct now now, enum pvp_connect result,
                              const uint8_t exporter[PVP_EXPORTER_OCTETS])
{
    v->now = now.mono;
    if (v->stage != STAGE_HANDSHAKE)
        return;
    if (result == PVP_CONNECT_NOT_PROVED) {
        next_attempt(v);
        return;
    }
    if (result == PVP_CONNECT_UNREACHABLE || !exporter) {
        finish(v, PVP_INCONCLUSIVE, "the claimant cannot be reached");
        v->must_close = false;
        return;
    }
    mem_wipe(v->password, sizeof v->password);
    memcpy(v->exporter, exporter, sizeof v->exporter);
    v->stage = STAGE_HELLO;
    v->deadline = mono_after_ms(v->now, v->config.exchange_ms);
    if (pvp_hello_write(v->identity, PVP_ROLE_ORIGINATOR, v->exporter, &v->output) < 0)
        finish(v, PVP_INCONCLUSIVE, "our own signature failed");
}

/* The claimant broke a rule; but what we have no memory for is not its fault. */
static void finish_bad(struct pvp_validation *v, int err, const char *why)
{
    if (err == ERR_NO_MEMORY)
        finish(v, PVP_INCONCLUSIVE, "no memory");
    else
        finish(v, PVP_BAD_ANSWER, why);
}

static void take_refusal(struct pvp_validation *v, unsigned code)
{
    v->result.code = code;
    switch (code) {
    case PVP_REFUSED_DOMAIN:
        finish(v, PVP_REFUSED, "the claimant refuses our domain");
        break;
    case PVP_REFUSED_NUMBER:
        finish(v, PVP_INCONCLUSIVE, "the claimant does not serve the number now");
        break;
    case PVP_REFUSED_LATER:
        finish(v, PVP_INCONCLUSIVE, "the claimant asks to try later");
        break;
    default:
        finish(v, PVP_BAD_ANSWER, "the claimant refuses the exchange");
    }
}

static void take_hello(struct pvp_validation *v, const struct pvp_message *hello, struct wall now)
{
    if (!id_eq(hello->node_id, v->task.claimant)) {
        finish(v, PVP_FAILURE, "the proof is another peer's, passed on");
        return;
    }
    int err = pvp_hello_check(v->identity, PVP_ROLE_TERMINATOR, hello, v->exporter, now);
    if (err == ERR_AUTH) {
        finish(v, PVP_FAILURE, "the signature is not the claimant's");
        return;
    }
    if (err || hello->major != PVP_VERSION_MAJOR) {
        finish_bad(v, err, err ? "the claimant's certificate does not hold" : "the claimant speaks another version");
        return;
    }
    struct pvp_message request = {.type = PVP_REQUEST,
                                  .major = PVP_VERSION_MAJOR,
                                  .minor = PVP_VERSION_MINOR,
                                  .domain = v->task.domain,
                                  .called = v->task.called};
    v->stage = STAGE_ANSWER;
    v->deadline = mono_after_ms(v->now, v->config.exchange_ms);
    if (pvp_message_encode(&request, &v->output) < 0)
        finish(v, PVP_INCONCLUSIVE, "the request cannot be written");
}

/* The ticket is sealed for its granter's eyes, but what it says must fit. */
static const char *check_ticket(const struct pvp_validation *v, struct slice domain, struct wall now, int *ret_err)
{
    struct ticket t;
    *ret_err = ticket_parse(v->valinfo.ticket, &t, NULL);
    if (*ret_err)
        return "the ticket is none";
    if (!slice_eq(e164_slice(&t.number), e164_slice(&v->task.called)))
        return "the ticket is for another number";
    if (!slice_eq_str(v->task.domain, t.granted_to))
        return "the ticket is for another domain";
    if (!text_equal_nocase(domain, slice_str(t.granting_domain)) || !id_eq(t.granting_node, v->task.claimant))
        return "the ticket is another peer's";
    return now.ms < t.not_after.ms ? NULL : "the ticket has expired";
}

static const char *check_routes(const struct pvp_validation *v, struct slice domain)
{
    for (size_t i = 0; i < v->valinfo.route_count; i++) {
        struct route_uri uri;
        if (route_uri_parse(v->valinfo.routes[i], &uri, NULL) < 0)
            return "a route is malformed";
        if (!text_equal_nocase(uri.domain, domain))
            return "a route is of another domain";
    }
    return NULL;
}

static void take_answer(struct pvp_validation *v, const struct pvp_message *answer, struct wall now)
{
    if (!domain_is_valid(answer->domain)) {
        finish(v, PVP_BAD_ANSWER, "the claimant's domain is none");
        return;
    }
    v->result.domain = region_copy(&v->region, answer->domain);
    v->result.valinfo_xml = region_copy(&v->region, answer->valinfo);
    if (!v->result.domain.p || !v->result.valinfo_xml.p) {
        v->result.domain = v->result.valinfo_xml = (struct slice){0};
        finish(v, PVP_INCONCLUSIVE, "no memory");
        return;
    }
    if (!pvp_domain_allowed(&v->task.list, answer->domain)) {
        finish(v, PVP_REFUSED, "our own list refuses the claimant's domain");
        return;
    }
    const char *why = NULL;
    int err = valinfo_parse(v->result.valinfo_xml, &v->region, &v->valinfo, NULL);
    if (err)
        why = "the document is malformed";
    else if (!slice_eq(e164_slice(&v->valinfo.number), e164_slice(&v->task.called)))
        why = "the document is for another number";
    if (!why)
        why = check_routes(v, answer->domain);
    if (!why)
        why = check_ticket(v, answer->domain, now, &err);
    if (why) {
        finish_bad(v, err, why);
        return;
    }
    v->result.valinfo = &v->valinfo;
    finish(v, PVP_SUCCESS, "the claimant knows the call");
}

void pvp_validation_input(struct pvp_validation *v, struct now now, struct slice octets)
{
    v->now = now.mono;
    if (v->stage != STAGE_HELLO && v->stage != STAGE_ANSWER)
        return;
    buf_slice_put(&v->input, octets);
    if (v->input.err) {
        finish_bad(v, v->input.err, "the claimant sends too much");
        return;
    }
    while (v->stage == STAGE_HELLO || v->stage == STAGE_ANSWER) {
        struct pvp_message m;
        size_t n;
        int err = pvp_message_decode(buf_slice(&v->input), &m, &n, NULL);
        if (err == ERR_TRUNCATED)
            return;
        if (err)
            finish(v, PVP_BAD_ANSWER, "a message is malformed");
        else if (m.type == PVP_REFUSAL)
            take_refusal(v, m.code);
        else if (v->stage == STAGE_HELLO && m.type == PVP_HELLO)
            take_hello(v, &m, now.wall);
        else if (v->stage == STAGE_ANSWER && m.type == PVP_ANSWER)
            take_answer(v, &m, now.wall);
        else
            finish(v, PVP_BAD_ANSWER, "a message is out of turn");
        if (!err)
            buf_drop(&v->input, n);
    }
}

void pvp_validation_closed(struct pvp_validation *v, struct now now)
{
    v->now = now.mono;
    if (v->stage != STAGE_HANDSHAKE && v->stage != STAGE_HELLO && v->stage != STAGE_ANSWER)
        return;
    finish(v, PVP_INCONCLUSIVE, "the claimant broke off");
    v->must_close = false;
}

void pvp_validation_tick(struct pvp_validation *v, struct now now)
{
    v->now = now.mono;
    if (mono_due(v->deadline, now.mono))
        finish(v, PVP_INCONCLUSIVE, "the claimant did not answer in time");
}

struct mono pvp_validation_deadline(const struct pvp_validation *v)
{
    return v->deadline;
}

const char *pvp_validation_stage(const struct pvp_validation *v)
{
    static const char *const names[2][PVP_TRIES] = {{"A 0", "A 1", "A 2"}, {"B 0", "B 1", "B 2"}};
    return v->stage == STAGE_RESULT || v->stage == STAGE_OVER ? "over" : names[v->method == PVP_METHOD_B][v->try];
}
