/* imectl's commands about calls, routes, numbers, provisioning and services. The ctx is a struct agent. */
#ifndef AGENT_SHOW_H
#define AGENT_SHOW_H

struct ctl_request;

/* show_calls.c */
void agent_show_calls(void *ctx, struct ctl_request *request);
void agent_show_explanation(void *ctx, struct ctl_request *request);
void agent_show_causes(void *ctx, struct ctl_request *request);
void agent_show_fallback(void *ctx, struct ctl_request *request);
void agent_show_return(void *ctx, struct ctl_request *request);

/* show_routes.c */
void agent_show_route_list(void *ctx, struct ctl_request *request);
void agent_show_route_search(void *ctx, struct ctl_request *request);
void agent_show_route(void *ctx, struct ctl_request *request);
void agent_show_route_disable(void *ctx, struct ctl_request *request);
void agent_show_route_enable(void *ctx, struct ctl_request *request);
void agent_show_route_delete(void *ctx, struct ctl_request *request);
void agent_show_route_export(void *ctx, struct ctl_request *request);

/* show_numbers.c */
void agent_show_number_test(void *ctx, struct ctl_request *request);
void agent_show_publish_report(void *ctx, struct ctl_request *request);

/* show_services.c */
void agent_show_services(void *ctx, struct ctl_request *request);
void agent_show_record_add(void *ctx, struct ctl_request *request);
void agent_show_alarms(void *ctx, struct ctl_request *request);

/* show_provision.c */
void agent_show_enrolled(void *ctx, struct ctl_request *request);
void agent_show_enrolled_add(void *ctx, struct ctl_request *request);
void agent_show_enrolled_load(void *ctx, struct ctl_request *request);
void agent_show_enrolled_remove(void *ctx, struct ctl_request *request);
void agent_show_excluded(void *ctx, struct ctl_request *request);
void agent_show_excluded_add(void *ctx, struct ctl_request *request);
void agent_show_excluded_load(void *ctx, struct ctl_request *request);
void agent_show_excluded_remove(void *ctx, struct ctl_request *request);
void agent_show_trust(void *ctx, struct ctl_request *request);
void agent_show_trust_allow(void *ctx, struct ctl_request *request);
void agent_show_trust_block(void *ctx, struct ctl_request *request);
void agent_show_trust_load(void *ctx, struct ctl_request *request);
void agent_show_trust_remove(void *ctx, struct ctl_request *request);
void agent_show_trust_test(void *ctx, struct ctl_request *request);
void agent_show_provision(void *ctx, struct ctl_request *request);
void agent_show_provision_export(void *ctx, struct ctl_request *request);
void agent_show_reload(void *ctx, struct ctl_request *request);

#endif
