/* Black and white lists of domains, as a VService publishes them (draft-jennings-vipr-vap-02 section 10.1). */
#ifndef PVP_DOMAINS_H
#define PVP_DOMAINS_H

#include "base/slice.h"

enum pvp_list_kind { PVP_LIST_NONE, PVP_LIST_BLACK, PVP_LIST_WHITE };

/* Borrowed: the names belong to whoever made the list. */
struct pvp_domain_list {
    enum pvp_list_kind kind;
    const struct slice *domains;
    size_t count;
};

/* Whether the list lets the domain pass. An entry stands for itself and every name below it; case does not matter. */
bool pvp_domain_allowed(const struct pvp_domain_list *list, struct slice domain);

#endif
