/* The commands of imectl that look. */
#ifndef SERVER_SHOW_H
#define SERVER_SHOW_H

#include "reload/peer.h"

struct ctl_request;

const char *show_health_name(enum peer_health health); /* "green" */

void show_status(void *ctx, struct ctl_request *request);
void show_ring(void *ctx, struct ctl_request *request);
void show_peers(void *ctx, struct ctl_request *request);
void show_numbers(void *ctx, struct ctl_request *request);
void show_vcrs(void *ctx, struct ctl_request *request);
void show_pools(void *ctx, struct ctl_request *request);
void show_routes(void *ctx, struct ctl_request *request);
void show_validations(void *ctx, struct ctl_request *request);
void show_clients(void *ctx, struct ctl_request *request);
void show_certificate(void *ctx, struct ctl_request *request);
void show_settings(void *ctx, struct ctl_request *request);
void show_tickets(void *ctx, struct ctl_request *request);
void show_revocations(void *ctx, struct ctl_request *request);
void show_counters(void *ctx, struct ctl_request *request);
void show_ring_config(void *ctx, struct ctl_request *request);
void show_ring_bans(void *ctx, struct ctl_request *request);
void show_explain(void *ctx, struct ctl_request *request);

#endif
