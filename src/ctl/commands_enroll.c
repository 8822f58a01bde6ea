/* The commands of ime-enroll. */
#include "ctl/chapter.h"

#define DAY_MS INT64_C(86400000)

static const struct ctl_command commands[] = {
    {
        .words = "ring config publish",
        .programs = CTL_ENROLL,
        .args = ARGS({"file", CTL_FILE, 0, 0, 0,
                      "the configuration as `ring config show` prints it, edited; \"-\": standard input"},
                     {"dry-run", CTL_SWITCH, CTL_OPTION | CTL_OPTIONAL, 0, 0, "only show what would change"}),
        .help = "sign a changed configuration with the next sequence number; it reaches all servers by itself",
        .detail =
            "The file is checked as a whole first. Without the attribute sequence it gets the next one; a sequence "
            "that is "
            "not newer is refused, as is the configuration of another ring, one without this ring's authority and "
            "signer, and one that is signed already. Bans are kept: only `ring unban` ends them.",
        .rows = "differences",
        .columns = COLUMNS({"change", "CHANGE"}, {"line", "LINE"}),
        .empty = "nothing differs from the configuration in use",
    },
    {
        .words = "ring ban",
        .programs = CTL_ENROLL,
        .args = ARGS({"who", CTL_TEXT, 0, 1, 64, "a server ID, or a Node-ID of 32 hexadecimal digits"},
                     {"reason", CTL_TEXT, CTL_OPTION, 1, 200, "why; all servers are told, the banned one as well"}),
        .help = "shut a server out of the ring: no links, no certificates, nothing of it is kept",
        .detail =
            "All Node-IDs that the server was ever given are banned, whichever is named. The ban is part of the ring's "
            "configuration, which is published at once.",
    },
    {
        .words = "ring unban",
        .programs = CTL_ENROLL,
        .args = ARGS({"who", CTL_TEXT, 0, 1, 64, "a server ID, or a Node-ID of 32 hexadecimal digits"}),
        .help = "end a ban; the server comes back by itself",
    },
    {
        .words = "enroll token add",
        .programs = CTL_ENROLL,
        .args = ARGS(
            {"server-id", CTL_TEXT, CTL_OPTION, 1, 64, "the server ID that may enroll, for example ime1.example.com"},
            {"name", CTL_HOST, CTL_OPTION | CTL_OPTIONAL | CTL_REPEATED, 0, 0,
             "a host name or IP address that the certificate shall carry"},
            {"expires", CTL_DURATION, CTL_OPTION | CTL_OPTIONAL, 60000, 366 * DAY_MS,
             "how long it may be used (default 24h)"},
            {"node-ids", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 16,
             "Node-IDs that the server may have (default 1)"}),
        .help = "accept a server: make the one-time token with which it enrolls",
        .detail = "The token is shown once and only its digest is kept. Give it to the server as its enrollment token.",
    },
    {
        .words = "enroll token list",
        .programs = CTL_ENROLL,
        .help = "the tokens that are outstanding, used or revoked",
        .rows = "tokens",
        .columns = COLUMNS({"id", "ID"}, {"server_id", "SERVER ID"}, {"names", "NAMES"}, {"node_ids", "NODE-IDS"},
                           {"state", "STATE"}, {"expires_at", "EXPIRES"}),
        .empty = "no tokens; make one with `enroll token add --server-id X`",
    },
    {
        .words = "enroll token revoke",
        .programs = CTL_ENROLL,
        .args = ARGS({"id", CTL_TEXT, 0, 1, 64, "the token's id, as `enroll token list` shows it"}),
        .help = "make a token useless",
    },
    {
        .words = "enroll certificate list",
        .programs = CTL_ENROLL,
        .help = "the certificates issued so far",
        .rows = "certificates",
        .columns = COLUMNS({"serial", "SERIAL"}, {"server_id", "SERVER ID"}, {"node_ids", "NODE-IDS"},
                           {"not_before_at", "FROM"}, {"not_after_at", "UNTIL"}),
        .empty = "no certificates have been issued",
    },
    {
        .words = "enroll authority list",
        .programs = CTL_ENROLL,
        .help = "the authorities that servers trust, and how many servers use certificates of each",
        .rows = "authorities",
        .columns = COLUMNS({"serial", "SERIAL"}, {"state", "STATE"}, {"servers", "SERVERS"}, {"not_before_at", "FROM"},
                           {"not_after_at", "UNTIL"}),
        .empty = "there is no configuration yet",
    },
    {
        .words = "enroll authority add",
        .programs = CTL_ENROLL,
        .help = "make another authority, which all servers learn to trust; it does not issue yet",
        .detail =
            "The first step of replacing the authority: its root-cert joins the ring's configuration, which is "
            "published "
            "at once, and the ca-file. Before the next step give the ca-file to call agents, and see with `imectl show "
            "ring` on a bootstrap server that nobody is behind.",
    },
    {
        .words = "enroll authority switch",
        .programs = CTL_ENROLL,
        .help = "let the authority that stands by issue all certificates from now on; the other one stands by",
        .detail = "Servers see it in the ring's configuration and renew their certificates by themselves, spread over "
                  "a day at "
                  "most. Certificates of either are good.",
    },
    {
        .words = "enroll authority remove",
        .programs = CTL_ENROLL,
        .args = ARGS({"force", CTL_SWITCH, CTL_OPTION | CTL_OPTIONAL, 0, 0,
                      "also when servers have certificates of it: they are shut out"}),
        .help = "take the authority that stands by out of the ring: nothing that it issued is good any longer",
        .detail = "Refused as long as a server uses a certificate of it, or is about to sign anew what it has stored. "
                  "Its key "
                  "is destroyed. A server that was away all the time needs a fresh token and the new ca-file.",
    },
};

const struct ctl_chapter ctl_chapter_enroll = {"Commands of ime-enroll", commands, COMMANDS(commands)};
