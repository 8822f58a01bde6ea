/* Asks the DNS servers given, as test_dns.py wants it: dns_end SERVER[,SERVER…] QUESTION… where a question is type:name, or the URI of a SIP target
 * (then with hops as the answer). A "-" before a question: it is canceled at once. All are asked together; the answers are printed in the
 * order of the questions, and last how many milliseconds it took.
 *
 * dns_end @FILE:PORT QUESTION…: the servers that this resolv.conf names, at that port. "=SERVER" among the questions: when those before are
 * answered, the file gets this one server; "~SERVER": at once. */
#include "io/process.h"
#include "io/sip_host.h"

#include <stdio.h>
#include <stdlib.h>

#define QUESTIONS_MAX 64
#define ANSWER_OCTETS_MAX 8192

struct question {
    char answer[ANSWER_OCTETS_MAX];
    size_t n;
    enum sip_dns_type type;
};

static struct question questions[QUESTIONS_MAX];
static size_t missing;
static char *resolv_conf;

static void put(struct question *q, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct question *q, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(q->answer + q->n, sizeof q->answer - q->n, format, args);
    va_end(args);
    if (n > 0 && q->n + (size_t)n < sizeof q->answer)
        q->n += (size_t)n;
}

static void answered(void *arg, struct dns_query *query, const struct sip_dns_answer *a)
{
    struct question *q = arg;
    char ip[ADDR_TEXT_OCTETS];
    (void)query;
    missing--;
    put(q, "%s ttl=%u", a->err ? err_name(a->err) : "ok", a->ttl_s);
    for (size_t i = 0; i < a->count; i++) {
        const struct sip_dns_record *r = &a->records[i];
        if (q->type == SIP_DNS_SRV)
            put(q, " %u/%u/%u/%s", r->priority, r->weight, r->port, r->name);
        else if (q->type == SIP_DNS_NAPTR)
            put(q, " %u/%u/%c/%s/%s", r->priority, r->weight, r->flags ? r->flags : '-', r->service, r->name);
        else
            put(q, " %s", addr_format_ip(&r->addr, ip));
    }
}

static void put_hops(struct question *q, const struct sip_hops *hops)
{
    char addr[ADDR_TEXT_OCTETS];
    missing--;
    for (size_t i = 0; i < hops->n; i++)
        put(q, "%s%s %s", i ? ", " : "", sip_transport_name(hops->hop[i].transport),
            addr_format(&hops->hop[i].addr, addr));
}

static void located(void *arg, uint64_t token, const struct sip_hops *hops)
{
    (void)arg;
    put_hops(&questions[token], hops);
}

static void message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    (void)arg;
    (void)flow;
    (void)octets;
}

static void unreachable(void *arg, const struct sip_hop *hop)
{
    (void)arg;
    (void)hop;
}

static const struct sip_host_handler handler = {.message = message, .unreachable = unreachable, .located = located};

static void check(int err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "%s: %s\n", what, err_text(err));
    exit(1);
}

static void locate(struct sip_host *host, const char *text, size_t index)
{
    static struct sip_hops hops;
    struct sip_uri uri;
    struct sip_target target;
    check(sip_uri_parse(slice_str(text), &uri, NULL), text);
    check(sip_target_of_uri(&uri, 0, &target), text);
    int result = sip_host_locate(host, &target, index, &hops);
    if (result < 0)
        check(result, text);
    if (result == 0)
        put_hops(&questions[index], &hops);
}

static void ask(struct dns *dns, char *text, size_t index)
{
    static const char *const names[] = {"a", "aaaa", "srv", "naptr"};
    struct question *q = &questions[index];
    struct dns_query *query;
    bool cancel = text[0] == '-';
    char *name = strchr(text, ':');
    *name++ = 0;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(text + cancel, names[i]) == 0)
            q->type = (enum sip_dns_type)i;
    int err = dns_ask(dns, q->type, name, answered, q, &query);
    if (err || cancel) {
        put(q, "%s", err ? err_name(err) : "canceled");
        missing--;
    }
    if (!err && cancel)
        dns_cancel(query);
}

/* As those do it who write it: a new file in the place of the old one. */
static void replace_file(const char *server)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.new", resolv_conf);
    FILE *f = fopen(path, "w");
    if (!f || fprintf(f, "nameserver %s\n", server) < 0 || fclose(f) != 0 || rename(path, resolv_conf) != 0)
        check(ERR_IO, path);
}

static void set_servers(struct dns_options *options, char *text)
{
    if (text[0] == '@') {
        char *port = strrchr(text, ':');
        *port = 0;
        options->resolv_conf = resolv_conf = text + 1;
        options->system_port = (uint16_t)atoi(port + 1);
        options->look_ms = 0;
        return;
    }
    for (char *server = strtok(text, ","); server; server = strtok(NULL, ","))
        check(addr_parse(slice_str(server), 53, &options->servers[options->server_count++]), server);
}

int main(int argc, char **argv)
{
    struct sip_host_options options;
    struct entropy entropy = kernel_entropy();
    struct loop *loop;
    struct sip_host *host;
    struct dns *dns;
    struct addr bind = {.family = 4, .ip = {127, 0, 0, 1}};
    if (argc < 3 || argc > QUESTIONS_MAX)
        return 2;
    sip_host_options_init(&options);
    options.entropy = &entropy;
    options.dns.try_ms = 200;
    options.dns.tries = 2;
    options.dns.query_ms = 1500;
    set_servers(&options.dns, argv[1]);
    check(loop_new(&loop), "loop");
    check(dns_new(loop, &options.dns, &dns), "dns");
    check(sip_host_new(loop, &options, &handler, NULL, &host), "host");
    check(sip_host_listen(host, 0, SIP_UDP, &bind, NULL), "udp");
    sip_host_connect_from(host, 0, &(struct addr){0}, NULL);
    struct mono begin = loop_now(loop).mono;
    for (int i = 2; i < argc; i++) {
        while (argv[i][0] == '=' && missing)
            check(loop_turn(loop, true), "turn");
        if (argv[i][0] == '=' || argv[i][0] == '~') {
            replace_file(argv[i] + 1);
            continue;
        }
        missing++;
        if (strncmp(argv[i], "sip", 3) == 0)
            locate(host, argv[i], (size_t)i);
        else
            ask(dns, argv[i], (size_t)i);
    }
    while (missing)
        check(loop_turn(loop, true), "turn");
    for (int i = 2; i < argc; i++)
        puts(questions[i].answer);
    printf("%lld\n", (long long)mono_since_us(loop_now(loop).mono, begin) / 1000);
    dns_free(dns);
    sip_host_free(host);
    loop_free(loop);
    return 0;
}
