/* Signatures without cryptography, for rings that are too large for it: the same port (reload/security.h), the same sizes on the wire, the
 * same refusals. The table holds what an authority knows: every certificate that it issued, and the secret that goes with each. A security
 * object made from it signs with its own secret only, and remembers which certificates it was shown, as the real one does. */
#ifndef SIM_STAND_IN_H
#define SIM_STAND_IN_H

#include "base/entropy.h"
#include "reload/config.h"
#include "reload/security.h"

#define SIM_STAND_IN_SEEN 256 /* certificates that a node remembers */

struct sim_stand_in;

/* Certificates have as many octets as real ones. */
struct sim_stand_in *sim_stand_in_new(size_t certificate_octets, const struct entropy *entropy);
void sim_stand_in_free(struct sim_stand_in *table);

/* Its number, from 0. */
uint32_t sim_stand_in_issue(struct sim_stand_in *table, struct id id, const char *user, struct wall not_before,
                            struct wall not_after);
const struct security_cert *sim_stand_in_cert(const struct sim_stand_in *table, uint32_t number);

/* Signs with this certificate's secret. 0, or why the certificate is not admitted. */
int sim_stand_in_security_new(struct sim_stand_in *table, uint32_t number, const struct config *config, struct wall now,
                              struct security **ret_security);
void sim_stand_in_security_free(struct security *security);

/* On failure the former one stays in force. */
int sim_stand_in_set_config(struct security *security, const struct config *config, struct wall now);

bool sim_stand_in_verifies(const struct sim_stand_in *table, uint32_t number, struct slice octets,
                           struct slice signature);

#endif
