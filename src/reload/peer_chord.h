/* The ring between the files of the peer: the table and its changes, joining, leaving, copies. Private to the peer. */
#ifndef RELOAD_PEER_CHORD_H
#define RELOAD_PEER_CHORD_H

#include "reload/chord_cells.h"
#include "reload/chord_table.h"
#include "reload/peer_message.h"

/* ---- Chord ---- */

/* chord.c: the table, and what a change of it means. handed_over: the node has its data from us already. */
void chord_node_ready(struct peer *peer, struct now now, struct id node, bool handed_over);
void chord_node_lost(struct peer *peer, struct now now, struct id node, bool failed);
void chord_became_member(struct peer *peer, struct now now); /* joined, or first */
void chord_set_state(struct peer *peer, enum peer_state state);
void chord_tell_state(struct peer *peer); /* if state or health is another */
void chord_take_duty(struct peer *peer);
void chord_copies_check(struct peer *peer, struct now now); /* that those who get copies have them */
size_t chord_neighbor_count(const struct peer *peer);       /* on each side */
bool chord_is_neighbor(const struct peer *peer, struct id node);
bool chord_is_replica_holder(const struct peer *peer, struct id node); /* one of the successors that get copies */
size_t chord_replica_holders(const struct peer *peer, struct id *ret_nodes, size_t max);
struct id chord_predecessor(const struct peer *peer); /* self when alone */

/* chord_update.c */
void chord_update_send(struct peer *peer, struct now now, struct id node, enum reload_chord_update_type type);
void chord_updates_send_all(struct peer *peer, struct now now);
void chord_updates_send_neighbors(struct peer *peer, struct now now);
void chord_update_soon(struct peer *peer, struct now now);
void chord_update_serve(struct peer *peer, struct now now, struct request *request);
void chord_repair_later(struct peer *peer, struct now now, struct id node);
void chord_update_learn(struct peer *peer, struct now now, struct id from, const struct reload_ids *nodes);
void chord_stabilize_start(struct peer *peer, struct now now);
void chord_stabilize_stop(struct peer *peer);

/* chord_fingers.c */
bool chord_is_finger(const struct peer *peer, struct id node); /* the nearest of a cell */
size_t chord_fingers(const struct peer *peer, struct id *ret_fingers, size_t max);
void chord_table_grew(struct peer *peer, struct id node);
bool chord_is_worth_showing(const struct peer *peer, const struct link *link); /* our table to a new link */

/* chord_route.c. Where a message for this place goes; tried (or NULL): where it went before, in vain. False: the table is empty. */
bool chord_next_hop(const struct peer *peer, struct id place, const struct first_hops *tried, struct link **ret_link);

/* A message for this place came over this link and goes on. */
void chord_correct(struct peer *peer, struct now now, struct link *from, struct id place);

/* chord_fingers.c: an Update told of a node, and where it is. */
void chord_finger_offer(struct peer *peer, struct now now, struct id node, struct id via,
                        const struct coordinate *coordinate);
void chord_finger_lost(struct peer *peer, struct now now, struct id node);

/* Whether another link to this node is welcome: neighbors always, others up to links_wanted. What is surplus gives way. */
bool chord_make_room_for(struct peer *peer, struct now now, struct id node);

/* A link, quiet for so long, that only we asked for, to a node that is neither neighbor nor finger. */
bool chord_link_is_surplus(const struct peer *peer, struct now now, const struct link *link, int64_t quiet_ms);
void chord_link_close_surplus(struct peer *peer, struct now now, struct link *link);
void chord_fingers_start(struct peer *peer, struct now now);
void chord_fingers_stop(struct peer *peer);
void chord_route_query_serve(struct peer *peer, struct now now, struct request *request);

/* chord_bootstrap.c */
struct bootstrap;
void chord_bootstrap_round(struct peer *peer, struct now now); /* begins to look for the ring */
void chord_bootstrap_look(struct peer *peer, struct now now);  /* goes on, after something has changed */
void chord_bootstrap_rest(struct peer *peer, struct now now);
void chord_bootstrap_timer(struct peer *peer, struct now now);
void chord_bootstrap_met(struct peer *peer, const struct link *link); /* the node of a link is known */
void chord_bootstrap_lost(struct peer *peer, uint64_t link);
void chord_bootstrap_answered(struct peer *peer, struct id node, int err); /* that it is outside itself */
void chord_bootstrap_claimed(struct peer *peer, struct id node,
                             const struct reload_attach *attach); /* where it listens */
bool chord_bootstrap_connect(struct peer *peer, struct now now, struct bootstrap *bootstrap);
struct link *chord_bootstrap_link(const struct peer *peer, const struct bootstrap *bootstrap);

/* chord_coordinates.c: what Updates say of places in the network, and of the size of the ring. */
void chord_coordinates_encode(const struct peer *peer, const struct reload_update_req *update, struct buf *out);
void chord_coordinates_learn(struct peer *peer, struct now now, struct link *link, const struct request *request);
void chord_coordinates_settle(struct peer *peer); /* our own, by what has been measured */

/* chord_join.c */
void chord_join_ask(struct peer *peer, struct now now, const struct link *link); /* for the admitting peer */
void chord_join_start(struct peer *peer, struct now now);
void chord_join_again(struct peer *peer, struct now now);
void chord_join_stop(struct peer *peer);
void chord_join_link_up(struct peer *peer, struct now now, struct link *link);
void chord_join_link_lost(struct peer *peer, struct now now, uint64_t link, struct id node);
void chord_join_update(struct peer *peer, struct now now, struct id from, const struct reload_update_req *update);
void chord_join_data_came(struct peer *peer, struct now now);
bool chord_join_is_admitting(const struct peer *peer, struct id node);

/* chord_admit.c */
void chord_admit_serve(struct peer *peer, struct now now, struct request *request);
void chord_admit_node_lost(struct peer *peer, struct now now, struct id node);
void chord_admissions_fini(struct peer *peer);

/* chord_handover.c */
void chord_handover(struct peer *peer, struct now now, struct id from); /* we were responsible from here on */
void chord_handover_drop(struct peer *peer, struct now now);            /* what is no duty of ours, bit by bit */
void chord_handover_stop(struct peer *peer);

/* chord_leave.c */
void chord_leave_serve(struct peer *peer, struct now now, struct request *request);
void peer_shut_out(struct peer *peer, struct now now);

/* chord_partition.c */
void chord_partition_start(struct peer *peer, struct now now);
void chord_partition_stop(struct peer *peer);
void chord_partition_link_up(struct peer *peer, struct now now, struct link *link);
void chord_partition_connect_failed(struct peer *peer, struct now now, uint64_t link);

/* ---- values (values.c, transfer.c) ---- */

void peer_values_serve(struct peer *peer, struct now now, struct request *request);
void peer_values_fini(struct peer *peer);

/* Comparing a range with another peer's (transfer_compare.c): a Ping with an extension, which others answer as any Ping. */
#define COMPARE_EXTENSION 0x0001 /* exp-ext (14.11) */
#define COMPARE_PARTS_MAX 16

struct comparison {
    uint64_t key[2];
    struct id bounds[COMPARE_PARTS_MAX + 1]; /* part i is (bounds[i], bounds[i + 1]] */
    size_t parts;
};
int peer_compare_start(struct peer *peer, struct now now, struct id node, const struct comparison *comparison,
                       answer_fn *done, void *ctx);

/* What the other peer has in each part. False if it does not compare. */
bool peer_compare_answer(const struct outcome *outcome, const struct comparison *comparison,
                         struct storage_digest *ret_digests);

/* Appends the extension of the answer. False: there is nothing to say. */
bool peer_compare_serve(struct peer *peer, struct now now, const struct request *request, struct buf *out);

enum transfer_purpose {
    TRANSFER_REPLICA, /* a successor became one of those that get copies */
    TRANSFER_ADMIT,   /* to a joining node, all that will be its */
    TRANSFER_OWNER,   /* to a peer that turned out to be responsible; it may be without a link */
    TRANSFER_LEAVE    /* to our successors, before we go */
};

/* Copies what is stored for (from, to] to a node. done may be NULL; it is called once: 0, or why the node did not take it all. */
typedef void transfer_fn(struct peer *peer, struct now now, void *ctx, int err);
int peer_transfer_start(struct peer *peer, struct now now, enum transfer_purpose purpose, struct id node,
                        struct id from, struct id to, uint8_t replica_number, int64_t delay_ms, transfer_fn *done,
                        void *ctx);

/* Something was stored here: copies go to the replicas, and to whom the place is being handed over to. */
void peer_transfers_stored(struct peer *peer, struct now now, struct id resource, uint64_t revision);
void peer_transfers_stop(struct peer *peer, struct now now, struct id node, int err);
bool peer_transfers_idle(const struct peer *peer);
void peer_transfers_fini(struct peer *peer); /* done is not called */

#endif
