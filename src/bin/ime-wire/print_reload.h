/* RELOAD messages in print: what wire_reload.c and wire_framed.c share. */
#ifndef IME_WIRE_PRINT_RELOAD_H
#define IME_WIRE_PRINT_RELOAD_H

#include "print.h"
#include "reload/body.h"

/* Decodes a message (or a fragment) to the last field and prints it into the group that is open; nothing is printed when it is
 * refused. Appends what it encodes to when reencoded is not NULL. */
int print_reload(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault);

/* --kind=ID:MODEL. */
bool print_reload_option(const char *argument);
extern const char print_reload_options_help[];

/* The parts. */
void print_header(struct print *p, const struct reload_header *header);
void print_destination(struct print *p, const char *name, const struct reload_destination *destination);
void print_body(struct print *p, const struct reload_body *body);
void print_security(struct print *p, const struct reload_security *security);
void print_signature(struct print *p, const char *name, const struct reload_signature *signature);
void print_kind(struct print *p, uint32_t kind);
void print_data_body(struct print *p, const struct reload_body *body);

#endif
