/* The tap on what a node that lies sends: between its server and the links. */
#ifndef SIM_TAP_H
#define SIM_TAP_H

#include "conn.h"

/* Frames of the server's link, shown to the tap one by one. */
void sim_tap_send(struct sim_node *node, struct sim_conn_end *end, struct slice octets);

#endif
