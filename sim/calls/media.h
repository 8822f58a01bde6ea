/* The ways of media between phones, edges, agents and carriers: packets that are late, lost, or arrive nowhere. A port is an address that somebody has
 * opened; what is sent to an address that nobody has is gone.
 *
 * What lies between two ports says their zones. Inside of an office packets take no time: they arrive within sim_media_send. Between two companies
 * is the Internet, between a company and a carrier its trunk; what goes wrong is set for each of them, and for each direction. */
#ifndef SIM_CALLS_MEDIA_H
#define SIM_CALLS_MEDIA_H

#include "world.h"

#include "base/addr.h"
#include "base/map.h"

#define SIM_PACKET_OCTETS_MAX 512 /* a phone's, with whatever protection makes of it */

enum sim_zone { SIM_ZONE_OFFICE, SIM_ZONE_INTERNET, SIM_ZONE_CARRIER };

/* The octets may be changed, up to SIM_PACKET_OCTETS_MAX of them. */
typedef void sim_media_fn(void *ctx, const struct addr *from, uint8_t *octets, size_t n);

struct sim_media_port {
    struct addr addr;
    enum sim_zone zone;
    uint32_t whose; /* of the company, or of the carrier */
    sim_media_fn *came;
    void *ctx;
};

/* One direction of a way. */
struct sim_media_way {
    bool dead;
    uint32_t loss_ppm;
    int64_t delay_us;  /* more than ever */
    int64_t jitter_us; /* each packet up to so much more */
};

struct sim_media {
    struct sim_world *world;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct map ports; /* address → struct sim_media_port */
    struct list packets;
    uint32_t companies;
    struct sim_media_way *internet; /* [from company][to company] */
    struct sim_media_way *trunks;   /* [company][0 to the carriers, 1 from there] */
    uint64_t sent, lost;
};

void sim_media_init(struct sim_media *m, struct sim_world *world, uint32_t companies);
void sim_media_fini(struct sim_media *m); /* no event of the world comes here afterwards */

/* The port is borrowed until it is closed. False: that address is taken. */
bool sim_media_open(struct sim_media *m, struct sim_media_port *port);
void sim_media_close(struct sim_media *m, struct sim_media_port *port);

void sim_media_send(struct sim_media *m, const struct sim_media_port *from, const struct addr *to,
                    const uint8_t *octets, size_t n);

/* From one company to another; from a company to the carriers, or from them. */
struct sim_media_way *sim_media_internet(const struct sim_media *m, uint32_t from, uint32_t to);
struct sim_media_way *sim_media_trunk(const struct sim_media *m, uint32_t company, bool from_carriers);
void sim_media_heal(const struct sim_media *m); /* nothing is wrong with any way */

#endif
