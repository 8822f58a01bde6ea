/* ime-wire reload: each line is one RELOAD message. */
#include "print_reload.h"
#include "wire.h"

const struct wire_command wire_reload = {
    .name = "reload",
    .summary = "a RELOAD message, or a fragment of one (RFC 6940 6.3)",
    .decode = print_reload,
    .option = print_reload_option,
    .options_help = print_reload_options_help,
};
