/* The commands of ime-server. */
#include "ctl/chapter.h"

#define DAY_MS INT64_C(86400000)

/* A validator setting: `set ime validator local NAME VALUE`. */
#define VALIDATOR_DETAIL                                                                                           \
    "The setting is kept in the server's database: it survives a restart and goes before the configuration file. " \
    "`show settings` lists "                                                                                       \
    "what holds."

static const struct ctl_command commands[] = {
    {
        .words = "show ring",
        .programs = CTL_SERVER,
        .help = "this node's place in the ring and the peers it is connected to",
        .rows = "peers",
        .columns = COLUMNS({"node_id", "NODE-ID"}, {"relation", "RELATION"}, {"address", "ADDRESS"}, {"state", "STATE"},
                           {"since_at", "SINCE"}),
        .empty = "no peers: this node is alone, or has not joined yet",
    },
    {
        .words = "show peers",
        .programs = CTL_SERVER,
        .help = "the live peers that this server knows: whose they are, since when, and how far away",
        .detail = "On a bootstrap server these are its neighbors in the ring and the newcomers that came to it first; "
                  "how many were "
                  "refused, and why, stands above them.",
        .rows = "peers",
        .columns = COLUMNS({"node_id", "NODE-ID"}, {"server_id", "SERVER ID"}, {"address", "ADDRESS"},
                           {"relation", "RELATION"}, {"since_at", "SINCE"}, {"round_trip_ms", "ROUND TRIP"},
                           {"configuration_sequence", "SEQUENCE"}),
        .empty = "no peers: this node is alone, or has not joined yet",
    },
    {
        .words = "show numbers",
        .programs = CTL_SERVER,
        .args = ARGS({"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "only this number"}),
        .help = "the numbers that clients publish through this server",
        .rows = "numbers",
        .columns = COLUMNS({"number", "NUMBER"}, {"vservice_id", "VSERVICE"}, {"state", "STATE"}, {"copies", "COPIES"},
                           {"expires_at", "EXPIRES"}),
        .empty = "no numbers are published; a client does that over VAP (ime-vcr publish)",
    },
    {
        .words = "show vcrs",
        .programs = CTL_SERVER,
        .args = ARGS(
            {"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "only calls from or to this number"},
            {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 100000, "how many at most, the newest (default 100)"}),
        .help = "the call records that are kept for validation",
        .rows = "vcrs",
        .columns = COLUMNS({"direction", "DIRECTION"}, {"called", "CALLED"}, {"calling", "CALLING"},
                           {"start_at", "START"}, {"stop_at", "STOP"}, {"state", "STATE"}, {"reason", "REASON"}),
        .empty = "no call records; a client uploads them over VAP (ime-vcr upload)",
    },
    {
        .words = "show pools",
        .programs = CTL_SERVER,
        .help = "what each peer has proved so far: its buckets and their fill",
        .detail = "A bucket becomes routes when its entropy exceeds the threshold. A number in the penalty box has a "
                  "bucket of its own.",
        .rows = "pools",
        .columns = COLUMNS({"domain", "DOMAIN"}, {"node_id", "NODE-ID"}, {"bucket", "BUCKET"}, {"entropy", "ENTROPY"},
                           {"threshold", "THRESHOLD"}, {"results", "RESULTS"}, {"penalty", "PENALTY"}),
        .empty = "no peer has been validated yet",
    },
    {
        .words = "show routes",
        .programs = CTL_SERVER,
        .args = ARGS({"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "only this number"}),
        .help = "the learned routes",
        .rows = "routes",
        .columns = COLUMNS({"number", "NUMBER"}, {"domain", "DOMAIN"}, {"uri", "ROUTE"}, {"learned_at", "LEARNED"},
                           {"expires_at", "EXPIRES"}),
        .empty = "no routes yet; `explain NUMBER` says what a number waits for",
    },
    {
        .words = "show validations",
        .programs = CTL_SERVER,
        .help = "validations that wait, run, or have just ended",
        .rows = "validations",
        .columns = COLUMNS({"number", "NUMBER"}, {"state", "STATE"}, {"method", "METHOD"}, {"node_id", "CLAIMANT"},
                           {"due_at", "DUE"}, {"reason", "REASON"}),
        .empty = "no validations",
    },
    {
        .words = "show clients",
        .programs = CTL_SERVER,
        .help = "the connected VAP clients",
        .rows = "clients",
        .columns = COLUMNS({"name", "CLIENT"}, {"address", "ADDRESS"}, {"security", "SECURITY"},
                           {"registered_at", "REGISTERED"}, {"services", "SERVICES"}, {"requests", "REQUESTS"}),
        .empty = "no client is connected",
    },
    {
        .words = "show certificate",
        .programs = CTL_SERVER,
        .help = "the ring certificate of this server and its validity",
    },
    {
        .words = "show settings",
        .programs = CTL_SERVER,
        .help = "the settings that `set` can change, with default and range",
        .rows = "settings",
        .columns = COLUMNS({"name", "SETTING"}, {"value", "VALUE"}, {"default", "DEFAULT"}, {"range", "RANGE"},
                           {"set_at", "SET"}),
    },
    {
        .words = "show tickets",
        .programs = CTL_SERVER,
        .help = "the epochs of the ticket keys, by granting domain",
        .rows = "epochs",
        .columns = COLUMNS({"domain", "DOMAIN"}, {"epoch", "EPOCH"}, {"state", "STATE"}, {"origin", "KEY"},
                           {"installed_at", "SINCE"}, {"valid_until_at", "UNTIL"}, {"fingerprint", "FINGERPRINT"},
                           {"edges", "EDGES"}),
        .empty = "no domain grants tickets here yet",
    },
    {
        .words = "show revocations",
        .programs = CTL_SERVER,
        .help = "the tickets that were revoked, by id, domain or number",
        .rows = "revocations",
        .columns = COLUMNS({"kind", "KIND"}, {"value", "VALUE"}, {"revoked_at", "REVOKED"}),
        .empty = "nothing is revoked",
    },
    {
        .words = "explain",
        .programs = CTL_SERVER,
        .args = ARGS({"number", CTL_NUMBER, 0, 0, 0, "the number as +E.164"}),
        .help = "what happened to a number, step by step, and what it waits for",
        .rows = "steps",
        .columns = COLUMNS({"at", "TIME"}, {"step", "STEP"}, {"text", "WHAT HAPPENED"}),
        .empty = "nothing is known of this number here: no call to it was uploaded, no client publishes it, nobody "
                 "asked for it",
    },
    {
        .words = "set ime validator local bucketentropy",
        .programs = CTL_SERVER,
        .args =
            ARGS({"value", CTL_INTEGER, 0, 1, 255, "the sum that a bucket must exceed; a validation is worth 12 or 8"}),
        .help = "how much a peer must prove before its routes are learned (default 24)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local minimum-interval",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_DURATION, 0, 0, 30 * DAY_MS, "0 to 30d"}),
        .help = "the shortest time between two validations of one called number (default 1h)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local maximum-delay",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_DURATION, 0, 0, 30 * DAY_MS, "0 to 30d"}),
        .help = "validation starts at a random time of up to this after the upload (default 10m)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local minimum-call",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_DURATION, 0, 1000, DAY_MS, "1s to 1d"}),
        .help = "shorter calls are not used: they hold too little secret (default 10s)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local pending-alert",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_INTEGER, 0, 1, 1000000, "number of pending validations"}),
        .help = "warn when more validations than this are pending (default 100)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local max-originating",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_INTEGER, 0, 1, 10000, "number of TLS sessions"}),
        .help = "validations that this server runs at the same time (default 32)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime validator local max-terminating",
        .programs = CTL_SERVER,
        .args = ARGS({"value", CTL_INTEGER, 0, 1, 10000, "number of TLS sessions"}),
        .help = "validations by other servers that this one answers at the same time (default 128)",
        .detail = VALIDATOR_DETAIL,
    },
    {
        .words = "set ime ticket password",
        .programs = CTL_SERVER,
        .args = ARGS(
            {"password", CTL_SECRET, 0, 10, 64, "10 to 64 printable characters without spaces; 20 or more are advised"},
            {"epoch", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 255, "the new epoch (default: the next one)"},
            {"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "derive the ticket key of a new epoch from a password",
        .detail = "The password is asked for, or read from the first line of standard input or of --file FILE; it is "
                  "never an argument. "
                  "Tickets of the epoch before stay valid for the grace period. Without a password the server makes "
                  "keys itself, "
                  "which is the better choice where no other border element must know them: `ticket rotate`.",
    },
    {
        .words = "set ime ticket epoch",
        .programs = CTL_SERVER,
        .args = ARGS({"epoch", CTL_INTEGER, 0, 1, 255, "an epoch that has no key yet"},
                     {"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "begin this epoch with a freshly generated key",
        .detail = "Tickets of other epochs stay valid for the grace period.",
    },
    {
        .words = "ticket rotate",
        .programs = CTL_SERVER,
        .args = ARGS({"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "begin a new epoch with a freshly generated key",
    },
    {
        .words = "ticket revoke id",
        .programs = CTL_SERVER,
        .args = ARGS({"id", CTL_HEX, 0, 16, 16, "the ticket's unique id, 32 hexadecimal digits"},
                     {"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "refuse one ticket from now on",
    },
    {
        .words = "ticket revoke domain",
        .programs = CTL_SERVER,
        .args = ARGS({"domain", CTL_DOMAIN, 0, 0, 0, "the domain that tickets were granted to"},
                     {"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "refuse every ticket granted to a domain so far",
    },
    {
        .words = "ticket revoke number",
        .programs = CTL_SERVER,
        .args = ARGS({"number", CTL_NUMBER, 0, 0, 0, "the number that tickets were granted for"},
                     {"as", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the granting domain, if there are several"}),
        .help = "refuse every ticket granted for a number so far",
    },
    {
        .words = "ticket verify",
        .programs = CTL_SERVER,
        .args = ARGS({"ticket", CTL_TEXT, 0, 1, 2048, "the ticket, base64 as in the X-Cisco-ViPR-Ticket header"},
                     {"domain", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the calling domain to check it for"},
                     {"number", CTL_NUMBER, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the called number to check it for"}),
        .help = "decode a ticket and check it with this server's keys",
        .detail = "Without --domain or --number that check is left out, and the answer says so.",
    },
    {
        .words = "ring lookup",
        .programs = CTL_SERVER,
        .args = ARGS({"number", CTL_NUMBER, 0, 0, 0, "the number"}),
        .help = "ask the ring who claims a number, without validating anybody",
        .detail = "A claim is not a proof: `explain NUMBER` says what this server has made of the claims.",
        .rows = "claimants",
        .columns = COLUMNS({"node_id", "CLAIMANT"}, {"vservice_id", "VSERVICE"}, {"copies", "COPIES"},
                           {"stored_at", "STORED"}),
        .empty = "nobody claims this number",
    },
    {
        .words = "ring config show",
        .programs = CTL_SERVER | CTL_ENROLL,
        .args = ARGS(
            {"signed", CTL_SWITCH, CTL_OPTION | CTL_OPTIONAL, 0, 0, "the document as it is signed, octet for octet"}),
        .help = "the ring's configuration in use, in the form that `ring config publish` takes",
        .detail = "With --signed it is the document that the ring's servers give one another; another server takes it "
                  "with `ring config load`.",
        .raw = "document",
    },
    {
        .words = "ring config load",
        .programs = CTL_SERVER,
        .args = ARGS({"file", CTL_FILE, 0, 0, 0, "a signed configuration document; \"-\": standard input"}),
        .help = "give this server a newer signed configuration, which it takes into use and passes on",
        .detail = "For signers that are kept away from the network. Only a document with a greater sequence number, "
                  "signed by a "
                  "configuration-signer of the one in use, is taken.",
    },
    {
        .words = "ring bans",
        .programs = CTL_SERVER | CTL_ENROLL,
        .help = "who is banned, why and since when",
        .rows = "bans",
        .columns =
            COLUMNS({"server_id", "SERVER ID"}, {"node_id", "NODE-ID"}, {"since_at", "SINCE"}, {"reason", "REASON"}),
        .empty = "nobody is banned",
    },
    {
        .words = "wait ring",
        .programs = CTL_SERVER,
        .args =
            ARGS({"timeout", CTL_DURATION, CTL_OPTION | CTL_OPTIONAL, 100, 3600000, "how long at most (default 60s)"}),
        .help = "answer when this node is a member of the ring",
        .detail = "For scripts: raise imectl's own --timeout, too.",
    },
    {
        .words = "leave",
        .programs = CTL_SERVER,
        .help = "leave the ring in good order, then end",
        .detail = "The neighbors are told (RELOAD Leave), so that they take over what this node stored at once.",
    },
};

const struct ctl_chapter ctl_chapter_server = {"Commands of ime-server", commands, COMMANDS(commands)};
