/* Whose an address is: what a message may point at, and what it may not tell. Networks are those of the options, then those that the Internet keeps
 * for private use and for nobody (RFC 1918, 3927, 4193, 4291, 5735, 6598). IPv6 addresses that carry an IPv4 address (mapped, NAT64, 6to4) are judged
 * by that one, too. */
#ifndef EDGE_ALG_PLACE_H
#define EDGE_ALG_PLACE_H

#include "edge/options.h"

enum alg_place {
    ALG_FAR,    /* the Internet, and what the options call outside */
    ALG_OURS,   /* the edge itself: options.own, whose port 0 means any; media addresses that are advertised */
    ALG_INSIDE, /* inside networks, agents, private addresses */
    ALG_NOWHERE /* loopback, link-local, unspecified, multicast, broadcast, reserved: never another machine's */
};
enum alg_place alg_place_of(const struct edge_options *options, const struct addr *addr);

/* Configuration says that it is of the inside, whatever kind of address it is: of its networks, or an agent's. */
bool alg_is_listed_inside(const struct edge_options *options, const struct addr *addr);

/* Whatever the port: media of others, sent there, would come to us, or to another program of this machine. */
bool alg_is_own_host(const struct edge_options *options, const struct addr *addr);
const char *alg_place_name(enum alg_place place); /* for people: "inside", static storage */

/* 0.0.0.0 or ::, which in a session description is the old way to hold. */
bool alg_is_unspecified(const struct addr *addr);

/* Nobody outside may read it: an address that is inside or nowhere, whether it is ours or not. */
bool alg_hides(const struct edge_options *options, const struct addr *addr);

/* The same of the host of a URI or Via (IPv6 without brackets): also names that nobody outside can resolve (of one label; .local, .internal …), of
 * agents, and of our points inside, unless they are our names outside as well. */
bool alg_hides_host(const struct edge_options *options, struct slice host);

/* One of our points on that side: what others of that side call us. */
bool alg_is_point(const struct edge_options *options, enum edge_side side, struct slice host);

/* "host:port" of ours on a side, as this transport has it or else any other; empty: there is none. */
struct slice alg_point(const struct edge_options *options, enum edge_side side, enum sip_transport transport);

/* The first hidden address in free text, wherever it stands, or hidden name where a host can be told from a word: behind an "@", "sip:", "sips:" or
 * "://". Empty: none. */
struct slice alg_find_hidden(const struct edge_options *options, struct slice text);

/* The same in a session description, but for a=crypto: what stands there was drawn by lot, and may look like anything. */
struct slice alg_find_hidden_in_sdp(const struct edge_options *options, struct slice text);

#endif
