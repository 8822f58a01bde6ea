/* Routes, records and IME services of agent.conf. */
#include "agent/conf.h"
#include "base/text.h"

#include <stdio.h>

void agent_conf_routes(const struct conf *c, struct agent_routes_config *ret_config)
{
    const struct conf_group *g = conf_section(c, "routes");
    *ret_config = (struct agent_routes_config){
        .routes_max = (size_t)conf_integer(g, "max"),
        .lifetime_ms = conf_ms(g, "lifetime"),
        .retry_ms = conf_ms(g, "retry"),
        .ticket_retry_ms = conf_ms(g, "ticket-retry"),
    };
}

void agent_conf_records(const struct conf *c, struct agent_records_config *ret_config)
{
    const struct conf_group *g = conf_section(c, "records");
    *ret_config = (struct agent_records_config){
        .records_max = (size_t)conf_integer(g, "max"),
        .lifetime_ms = conf_ms(g, "lifetime"),
        .retry_ms = conf_ms(g, "retry"),
    };
}

static int say(struct buf *errors, const struct conf_group *g, const char *key, const char *value, const char *why)
{
    buf_printf(errors, "[service %s] %s: %s%s%s\n", conf_group_name(g), key, value, *value ? ": " : "", why);
    return ERR_SYNTAX;
}

/* HOST, HOST:PORT, [IPv6]:PORT. */
static bool parse_server(const char *text, char *ret_host, size_t octets, uint16_t *ret_port)
{
    struct slice host = slice_str(text);
    uint64_t port = VAP_PORT;
    const char *colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        host = slice_of(text + 1, (size_t)(close - text) - 1);
        colon = close[1] ? close + 1 : NULL;
    } else if (colon) {
        host = slice_of(text, (size_t)(colon - text));
    }
    if (colon && (u64_parse(slice_str(colon + 1), 65535, &port) < 0 || port == 0))
        return false;
    if (!host.n || host.n >= octets)
        return false;
    snprintf(ret_host, octets, "%.*s", SLICE_PRINT(host));
    *ret_port = (uint16_t)port;
    return true;
}

static int read_servers(const struct conf_group *g, struct buf *errors, struct agent_conf_service *s)
{
    size_t n = conf_count(g, "server");
    if (n > VAP_SERVERS_MAX)
        return say(errors, g, "server", "", "there is one primary, and at most one backup");
    for (size_t i = 0; i < n; i++) {
        const char *text = conf_text_at(g, "server", i);
        if (!parse_server(text, s->hosts_text[i], sizeof s->hosts_text[i], &s->ports[i]))
            return say(errors, g, "server", text, "it is HOST or HOST:PORT");
        s->config.server_names[i] = text;
        s->hosts[i] = s->hosts_text[i];
    }
    s->config.servers = (unsigned)n;
    return 0;
}

/* A route per external address, as others will learn it. */
static int read_routes(const struct conf_group *g, struct buf *errors, struct agent_conf_service *s)
{
    size_t n = conf_count(g, "external-address");
    if (n > AGENT_SERVICE_ROUTES_MAX)
        return say(errors, g, "external-address", "", "there are too many");
    for (size_t i = 0; i < n; i++) {
        struct addr address = conf_addr_at(g, "external-address", i);
        const struct route_uri uri = {
            .agent_id = slice_str(conf_text(g, "agent-id")),
            .domain = slice_str(s->config.domain),
            .port = address.port,
            .address = address,
        };
        struct route_uri again;
        struct buf text;
        buf_init(&text, VALINFO_URI_OCTETS_MAX);
        int err = route_uri_format(&uri, &text);
        if (!err)
            err = route_uri_parse(buf_slice(&text), &again, NULL);
        if (!err)
            strcpy(s->routes_text[i], buf_text(&text));
        buf_fini(&text);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err)
            return say(errors, g, "agent-id", conf_text(g, "agent-id"), "no URI can be made with it");
        s->config.routes[i] = s->routes_text[i];
    }
    s->config.route_count = n;
    return 0;
}

int agent_conf_service(const struct conf_group *g, struct buf *errors, struct agent_conf_service *ret_service)
{
    struct slice id = conf_hex(g, "vservice-id");
    struct agent_conf_service *s = ret_service;
    *s = (struct agent_conf_service){
        .config =
            {
                .name = conf_group_name(g),
                .domain = conf_text(g, "domain"),
                .dht = conf_text(g, "overlay"),
                .user = conf_text(g, "user"),
                .reconnect_ms = conf_ms(g, "reconnect"),
            },
        .ca = conf_text(g, "ca"),
        .tls_name = conf_text(g, "tls-name"),
    };
    for (size_t i = 0; i < id.n; i++)
        s->config.vservice_id = s->config.vservice_id << 8 | id.p[i];
    int err = read_servers(g, errors, s);
    if (!err)
        err = read_routes(g, errors, s);
    if (!err && conf_boolean(g, "plain") == (s->ca != NULL))
        err = say(errors, g, "ca", "", "either the authority that is to be trusted, or plain = yes");
    return err;
}
