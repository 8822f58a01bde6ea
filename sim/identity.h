/* Who the nodes are: keys, certificates, signatures, and the ring's signed configuration.
 *
 * The authority and the signer of the configuration are always real (X.509, ECDSA P-256), so that the document that the nodes read is one as
 * ever. Nodes are either real as well, or have the stand-in behind the same port (struct security): a certificate is then a blob of a real
 * one's size, tagged by the authority; a signature has the length of ECDSA's and is a keyed hash (SipHash) that only who has the node's
 * secret can make. Whoever verifies looks the secret up in the table of the world, which a node has no other access to. Admission,
 * expiry, bans and the memory of certificates seen before are as in the real one. */
#ifndef SIM_IDENTITY_H
#define SIM_IDENTITY_H

#include "base/entropy.h"
#include "options.h"
#include "reload/config.h"
#include "reload/security.h"

#define SIM_OVERLAY "ring.sim"

struct sim_identities;

/* entropy is drawn from for keys; it outlives the object. While it exists, OpenSSL's random octets come from it as well, so that real
 * signatures can be reproduced. Aborts when memory is short, as all of the simulator does. */
struct sim_identities *sim_identities_new(enum sim_signatures kind, uint32_t nodes, const struct entropy *entropy,
                                          struct wall began);
void sim_identities_free(struct sim_identities *identities);

/* Gives node `index` its keys and the certificate for this Node-ID, valid in this period. A second call renews it. */
void sim_identity_issue(struct sim_identities *identities, uint32_t index, struct id id, struct wall not_before,
                        struct wall not_after);

/* DER, or what stands for it; valid until the node's certificate is issued anew. */
struct slice sim_identity_certificate(const struct sim_identities *identities, uint32_t index);
struct wall sim_identity_certificate_end(const struct sim_identities *identities, uint32_t index);

/* The port for a start of this node; freed by sim_identity_security_free. 0, or why its own certificate is not admitted. */
int sim_identity_security_new(struct sim_identities *identities, uint32_t index, const struct config *config,
                              struct wall now, struct security **ret_security);
void sim_identity_security_free(struct sim_identities *identities, struct security *security);
int sim_identity_set_config(struct sim_identities *identities, struct security *security, const struct config *config,
                            struct wall now);

/* A newer signed document: the callback changes the copy of what was in force. Kept until the identities are freed; the newest is
 * sim_identities_document. The first call makes the first document. */
typedef void sim_configure_fn(void *ctx, struct config *config, struct region *region);
struct slice sim_identities_configure(struct sim_identities *identities, sim_configure_fn *change, void *ctx);
struct config *sim_identities_config(const struct sim_identities *identities); /* parsed: for config_share */
struct slice sim_identities_document(const struct sim_identities *identities);

/* For checkers: verifies apart from the nodes' own security objects, as one who trusts the authority and has seen all certificates. */
bool sim_identity_verifies(const struct sim_identities *identities, uint32_t index, struct slice octets,
                           struct slice signature);

#endif
