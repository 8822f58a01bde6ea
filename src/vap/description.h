/* The service description (draft-jennings-vipr-vap-02 section 10.1): the XML of a VService's publication. */
#ifndef VAP_DESCRIPTION_H
#define VAP_DESCRIPTION_H

#include "base/buf.h"
#include "base/region.h"

#define VAP_PUBLIC_DHT "Quetzalcoatl"
#define VAP_ROUTES_MAX 32
#define VAP_LIST_DOMAINS_MAX 512
#define VAP_URI_OCTETS_MAX 512
#define VAP_DHT_NAME_OCTETS_MAX 127

/* Absent, or one of the two (never both). */
enum vap_list_kind { VAP_LIST_NONE, VAP_LIST_BLACK, VAP_LIST_WHITE };

struct vap_description {
    const char *id; /* attributes of service-description: kept, not used */
    const char *schema_version;
    const char *dht_name;
    uint32_t did_count; /* numbers that the client publishes: for the quota */
    const char *domain;
    enum vap_list_kind list_kind;
    const char **list_domains;
    size_t list_count;
    const char **routes; /* SIP URIs, in order; their inside is not looked at (section 6) */
    size_t route_count;
    struct region region; /* holds all of the above when it was parsed */
};

/* At most VAP_CONTENT_OCTETS_MAX octets; a document type declaration is refused. Elements are known by their local name, since the draft's
 * schema and example disagree on the namespace; elements of other names are ignored. 0, ERR_LIMIT, ERR_SYNTAX, ERR_RANGE or ERR_NO_MEMORY
 * with the fault; then nothing needs freeing. */
int vap_description_parse(struct slice xml, struct vap_description *ret_description, struct fault *ret_fault);
void vap_description_fini(struct vap_description *d);

/* The canonical form, in the namespaces of the draft's example. */
void vap_description_format(const struct vap_description *d, struct buf *ret_xml);

/* What the black or white list says of a domain (section 8.4.1), without regard to case. */
bool vap_description_allows(const struct vap_description *d, struct slice domain);

#endif
