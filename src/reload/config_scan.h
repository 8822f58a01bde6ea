/* Where the elements of an XML document begin and end, octet by octet. The parser of libxml2 gives the meaning of a document but not the
 * exact octets that a signature covers (RFC 6940 section 11.1); this finds them, for documents that libxml2 has accepted too. */
#ifndef RELOAD_CONFIG_SCAN_H
#define RELOAD_CONFIG_SCAN_H

#include "base/region.h"
#include "reload/config.h"

struct config_extent {
    size_t begin; /* of the start tag's '<' */
    size_t end;   /* behind the end tag's '>' */
};

/* The extents of all elements in document order: the nth is that of the nth start tag. A document type, NUL octets, more than the named
 * limits or unbalanced tags are refused: 0, ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED (document type) or ERR_NO_MEMORY. */
int config_scan(struct slice document, struct region *region, struct config_extent **ret_extents, size_t *ret_count,
                struct config_fault *ret_fault);

#endif
