/* Black and white lists. */
#include "pvp/domains.h"

#include "base/text.h"

/* The name itself, or one below it. */
static bool covers(struct slice entry, struct slice domain)
{
    if (!entry.n || domain.n < entry.n)
        return false;
    size_t before = domain.n - entry.n;
    return text_equal_nocase(slice_of(domain.p + before, entry.n), entry) && (!before || domain.p[before - 1] == '.');
}

bool pvp_domain_allowed(const struct pvp_domain_list *list, struct slice domain)
{
    bool listed = false;
    for (size_t i = 0; i < list->count && !listed; i++)
        listed = covers(list->domains[i], domain);
    switch (list->kind) {
    case PVP_LIST_NONE:
        return true;
    case PVP_LIST_BLACK:
        return !listed;
    case PVP_LIST_WHITE:
        return listed;
    }
    return false;
}
