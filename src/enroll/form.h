/* Forms as browsers and RELOAD nodes post them: multipart/form-data (RFC 2388, RFC 2046 5.1, RFC 6940 11.3). Fields are slices of the
 * body. */
#ifndef ENROLL_FORM_H
#define ENROLL_FORM_H

#include "base/err.h"
#include "base/slice.h"

#define FORM_FIELDS_MAX 16
#define FORM_HEADER_OCTETS_MAX 2048 /* of one field's header lines together */
#define FORM_BOUNDARY_OCTETS_MAX 70 /* RFC 2046 5.1.1 */

struct form_field {
    struct slice name;
    struct slice content_type; /* empty if absent */
    struct slice value;
};

struct form {
    struct form_field fields[FORM_FIELDS_MAX];
    size_t n;
};

/* content_type: the header's value, with the boundary. 0, ERR_UNSUPPORTED (not multipart/form-data), ERR_SYNTAX or ERR_LIMIT; then the
 * fault says where in the body and why. */
int form_parse(struct slice content_type, struct slice body, struct form *ret_form, struct fault *ret_fault);

/* The first field of that name; NULL if there is none. */
const struct form_field *form_find(const struct form *form, const char *name);

#endif
