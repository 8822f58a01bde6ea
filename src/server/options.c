/* The defaults, and the list of accounts. */
#include "server/options.h"

#include "base/mem.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

void server_options_default(struct server_options *options)
{
    *options = (struct server_options){
        .node_ids = 1,
        .vap_keepalive_ms = 60 * SECOND,
        .vap_transaction_ms = 39500,
        .vap_connections_max = 256,
        .vap_vcrs_per_second = 500,
        .vap_publishes_queued_max = 10000,
        .store_rate = 30,
        .read_rate = 30,
        .delay_min_ms = 30 * SECOND,
        .delay_max_ms = 10 * MINUTE,
        .minimum_interval_ms = HOUR,
        .minimum_call_ms = 10 * SECOND,
        .vcr_lifetime_ms = 2 * DAY,
        .retry_ms = 10 * MINUTE,
        .retries_max = 6,
        .bucket_entropy = 24,
        .claimants_max = 8,
        .originating_sessions_max = 32,
        .terminating_sessions_max = 128,
        .pending_alert = 100,
        .vcrs_max = 1000000,
        .ticket_lifetime_ms = 365 * DAY,
        .ticket_grace_ms = 365 * DAY,
        .ticket_edge_wait_ms = 10 * MINUTE,
        .route_lifetime_ms = 365 * DAY,
    };
}

static void wipe_text(char *text)
{
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

static void account_fini(struct server_account *account)
{
    mem_free(account->name);
    mem_free(account->user);
    for (size_t i = 0; i < account->key_domain_count; i++)
        mem_free(account->key_domains[i]);
    mem_free(account->key_domains);
    wipe_text(account->password);
}

void server_options_fini(struct server_options *options)
{
    for (size_t i = 0; i < options->account_count; i++)
        account_fini(&options->accounts[i]);
    mem_free(options->accounts);
    options->accounts = NULL;
    options->account_count = 0;
}

int server_options_account(struct server_options *options, const char *name, const char *user, const char *password)
{
    for (size_t i = 0; i < options->account_count; i++)
        if (slice_eq_str(slice_str(options->accounts[i].user), user))
            return ERR_EXISTS;
    struct server_account *accounts =
        mem_resize(options->accounts, (options->account_count + 1) * sizeof *options->accounts);
    if (!accounts)
        return ERR_NO_MEMORY;
    options->accounts = accounts;
    struct server_account a = {.name = mem_strdup(name), .user = mem_strdup(user), .password = mem_strdup(password)};
    if (!a.name || !a.user || !a.password) {
        account_fini(&a);
        return ERR_NO_MEMORY;
    }
    accounts[options->account_count++] = a;
    return 0;
}

int server_options_account_keys(struct server_options *options, const char *domain)
{
    struct server_account *a = &options->accounts[options->account_count - 1];
    if (a->key_domain_count == SERVER_KEY_DOMAINS_MAX)
        return ERR_LIMIT;
    char **domains = mem_resize(a->key_domains, (a->key_domain_count + 1) * sizeof *domains);
    if (!domains)
        return ERR_NO_MEMORY;
    a->key_domains = domains;
    domains[a->key_domain_count] = mem_strdup(domain);
    if (!domains[a->key_domain_count])
        return ERR_NO_MEMORY;
    a->key_domain_count++;
    return 0;
}
