/* What agent.conf says of numbers and services: rows for the program's table of keys, and what becomes of them. The program puts the rows into
 * its own table (conf/conf.h), and reads passwords, which are files, itself. */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include "agent/dialing.h"
#include "agent/enrolled.h"
#include "agent/record.h"
#include "agent/route.h"
#include "agent/service.h"
#include "conf/conf.h"

/* clang-format off */
#define AGENT_CONF_SECTIONS \
    {"numbers", false, "Numbers that are dialed as they are."}, \
    {"routes", false, "Routes that were learned."}, \
    {"records", false, "Call records on their way to the IME server."}, \
    {"service", true, "An IME service: a domain of ours, and the IME servers that know it."}, \
    {"fallback", true, "A fallback profile: what calls of a group of numbers do when their quality is bad."}, \
    {"enrolled", true, "A group of our numbers that take part: they are published, and can be called directly."}, \
    {"excluded", true, "A group of numbers that do not take part though a pattern holds them."}, \
    {"trust", true, "A group of domains or numbers that we trust, or do not. If there are trusted ones, nobody else is trusted."}

/* For the section of a PBX or trunk: how it writes numbers. */
#define AGENT_CONF_DIALING_KEYS(section) \
    {section, "country", CONF_TEXT, 0, NULL, 1, 4, NULL, "49", \
     "The country code. Numbers without one are of this country; the prefixes below become those that are usual there."}, \
    {section, "area", CONF_TEXT, 0, NULL, 1, 7, NULL, "30", \
     "The area code, without the national prefix. Numbers without any prefix are of this area."}, \
    {section, "international-prefix", CONF_TEXT, 0, NULL, 1, AGENT_DIAL_PREFIX_MAX, NULL, "00", \
     "What is dialed before a country code; if absent, what is usual in the country, else 00."}, \
    {section, "national-prefix", CONF_TEXT, 0, NULL, 1, AGENT_DIAL_PREFIX_MAX, NULL, "0", \
     "What is dialed before an area code; if absent, what is usual in the country, else 0."}, \
    {section, "outside-line", CONF_TEXT, 0, NULL, 1, AGENT_DIAL_PREFIX_MAX, NULL, "9", \
     "What is dialed before all numbers but extensions."}, \
    {section, "extension-prefix", CONF_TEXT, 0, NULL, 2, AGENT_DIAL_PREFIX_MAX, NULL, "+4930123", \
     "What makes a +E.164 number of an extension."}, \
    {section, "extension-digits", CONF_INTEGER, 0, "0", 0, 15, NULL, NULL, \
     "Numbers without a prefix of up to so many digits are extensions."}, \
    {section, "format", CONF_CHOICE, 0, "e164", 0, 0, "e164|dialed", NULL, \
     "How numbers are written that are sent there: as +E.164, or as they are dialed, with prefixes."}, \
    {section, "in-rule", CONF_TEXT, CONF_LIST, NULL, 1, 80, NULL, "national 1 +49", \
     "What makes +E.164 of a kind of number: international, national, subscriber, extension or unknown, how many digits are taken off the front, and what is put there. Goes before what follows from the keys above."}, \
    {section, "out-rule", CONF_TEXT, CONF_LIST, NULL, 1, 80, NULL, "subscriber 5", \
     "The same for numbers that are sent there: of another country, the same country, the same area, our own ones."}

#define AGENT_CONF_KEYS \
    {"numbers", "short", CONF_TEXT, CONF_LIST, NULL, 1, AGENT_SHORT_DIGITS_MAX, NULL, "112, 110, 116XXX", \
     "Emergency and short numbers, X for any digit: they go to the phone network as they were dialed, always, and so does what has up to three digits and is no extension. If absent: 112, 911, 116XXX, and the emergency numbers of the PBX's country, or of all countries if it has none."}, \
    \
    {"routes", "max", CONF_INTEGER, 0, "10000000", 1, AGENT_ROUTES_MAX, NULL, NULL, \
     "Routes kept at most; each takes about 100 octets of memory. A new one beyond is refused, and comes again later."}, \
    {"routes", "lifetime", CONF_DURATION, 0, "1y", 60000, INT64_C(315360000000), NULL, NULL, \
     "A route is forgotten after this time, or when its ticket ends."}, \
    {"routes", "retry", CONF_DURATION, 0, "5m", 0, 86400000, NULL, NULL, \
     "For so long after a failure a route is tried only when there is no other one."}, \
    {"routes", "ticket-retry", CONF_DURATION, 0, "1d", 0, INT64_C(2592000000), NULL, NULL, \
     "The same after its ticket was refused."}, \
    \
    {"records", "max", CONF_INTEGER, 0, "100000", 1, 10000000, NULL, NULL, \
     "Call records kept at most while no server takes them; further ones are refused and counted."}, \
    {"records", "lifetime", CONF_DURATION, 0, "2d", 3600000, INT64_C(2592000000), NULL, NULL, \
     "Older ones are of no use to any server and are dropped."}, \
    {"records", "retry", CONF_DURATION, 0, "1m", 1000, 86400000, NULL, NULL, \
     "Between two attempts for a record that the server could not take."}, \
    {"records", "listen", CONF_ADDR, 0, NULL, 8443, 0, NULL, "127.0.0.1:8443", \
     "Takes records of calls that go past the agent: POST /records over HTTPS, as JSON; imectl help agent record add says how they look."}, \
    {"records", "certificate", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/agent.pem", "Certificate for it (PEM, own one first)."}, \
    {"records", "key", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/agent.key", "Its private key; mode 0600."}, \
    {"records", "token", CONF_TEXT, CONF_SECRET, NULL, 16, 128, NULL, NULL, "Better in a file: token-file."}, \
    {"records", "token-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/records.token", \
     "File with the token that who posts shows as Authorization: Bearer; readable by this user only."}, \
    \
    {"service", "domain", CONF_DOMAIN, CONF_REQUIRED, NULL, 0, 0, NULL, "a.example", \
     "Our domain: tickets are granted to it."}, \
    {"service", "vservice-id", CONF_HEX, CONF_REQUIRED, NULL, 8, 8, NULL, "7eeb6a7036478351", \
     "The VServiceID, the same on all call agents of this service."}, \
    {"service", "server", CONF_TEXT, CONF_LIST | CONF_REQUIRED, NULL, 1, 255, NULL, "ime1.a.example:5620, ime2.a.example:5620", \
     "The primary IME server, then the backup: HOST:PORT."}, \
    {"service", "user", CONF_TEXT, CONF_REQUIRED, NULL, 1, 128, NULL, "agent", "User name at the IME servers."}, \
    {"service", "password", CONF_TEXT, CONF_SECRET, NULL, 8, 128, NULL, NULL, \
     "Password there. Better kept in a file of its own: password-file."}, \
    {"service", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/agent.password", \
     "File with the password in its first line; readable by this user only."}, \
    {"service", "ca", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ca.pem", \
     "The authority that has signed the IME servers' certificates (PEM)."}, \
    {"service", "tls-name", CONF_DOMAIN, 0, NULL, 0, 0, NULL, "ime1.a.example", \
     "The name in the servers' certificates, if it is not HOST."}, \
    {"service", "plain", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, \
     "Connects without TLS: authenticated, but readable on the way. For loopback and trusted networks."}, \
    {"service", "reconnect", CONF_DURATION, 0, "2m", 60000, 600000, NULL, NULL, \
     "The longest pause between two attempts to connect."}, \
    {"service", "agent-id", CONF_TEXT, 0, "agent", 1, 63, NULL, NULL, "Names this agent in its routes."}, \
    {"service", "external-address", CONF_ADDR, CONF_LIST | CONF_REQUIRED, NULL, 5061, 0, NULL, "192.0.2.1:5061", \
     "Where our edge takes direct calls; one address per edge. They stand in the routes that others learn."}, \
    {"service", "overlay", CONF_TEXT, 0, VAP_PUBLIC_DHT, 1, VAP_DHT_NAME_OCTETS_MAX, NULL, NULL, \
     "The ring that the numbers are published in."}, \
    \
    {"fallback", "sensitivity", CONF_CHOICE, 0, "nominal", 0, 0, "off|utility|accommodative|nominal|moderate|aggressive", NULL, \
     "How bad the quality must be before a call moves to the phone network: aggressive moves first."}, \
    {"fallback", "number", CONF_NUMBER, 0, NULL, 0, 0, NULL, "+4930200000", \
     "The number that others call on the phone network when they move a call."}, \
    {"fallback", "answer-timer", CONF_DURATION, 0, "6s", 1000, 10000, NULL, NULL, \
     "How long the fallback call may take to be answered."}, \
    {"fallback", "caller-id-digits", CONF_INTEGER, 0, "5", 4, 15, NULL, NULL, \
     "So many last digits of caller IDs are compared to match a fallback call with its call."}, \
    {"fallback", "correlation-digits", CONF_INTEGER, 0, "6", 0, 16, NULL, NULL, \
     "So many digits, sent as tones, tell fallback calls apart where the caller ID cannot: carriers change and hide it, and two calls may come from one number. 0: none are sent, and such calls cannot move."}, \
    {"fallback", "simultaneous-calls", CONF_INTEGER, 0, "1000", 1, 1000000, NULL, NULL, \
     "On the fallback number. The correlation digits must tell ten times as many apart."}, \
    {"fallback", "collection-timer", CONF_DURATION, 0, "10s", 1000, 60000, NULL, NULL, \
     "How long the digits of a fallback call are waited for, from its answer to the last one."}, \
    {"fallback", "inter-digit-timer", CONF_DURATION, 0, "3s", 500, 60000, NULL, NULL, \
     "How long the next one of them is waited for; no longer than the collection timer."}, \
    {"fallback", "return", CONF_TEXT, 0, "30s", 1, 16, NULL, NULL, \
     "A call that has moved comes back to the Internet, with its video, when the quality there has been good for so long (5s to 10m; longer each time the same call had to move), if the other company wants that, too; no: it stays on the phone network."}, \
    {"fallback", "release-delay", CONF_DURATION, 0, "10s", 0, 600000, NULL, NULL, \
     "A call that does not come back gives up its way over the Internet so long after it has moved."}, \
    \
    {"enrolled", "pattern", CONF_TEXT, CONF_LIST | CONF_REQUIRED, NULL, 2, AGENT_PATTERN_OCTETS_MAX, NULL, "+4930200XXXX", \
     "Numbers as +E.164, X for any digit."}, \
    {"enrolled", "fallback", CONF_TEXT, 0, NULL, 1, AGENT_NAME_OCTETS_MAX, NULL, "default", \
     "The fallback profile of these numbers; if absent, one with the defaults."}, \
    {"excluded", "number", CONF_TEXT, CONF_LIST | CONF_REQUIRED, NULL, 2, AGENT_PATTERN_OCTETS_MAX, NULL, "+49302001234", \
     "Numbers as +E.164."}, \
    {"trust", "trusted", CONF_BOOLEAN, CONF_REQUIRED, NULL, 0, 0, NULL, "no", "Whether the group is trusted; if not, it is blocked."}, \
    {"trust", "domain", CONF_TEXT, CONF_LIST, NULL, 1, AGENT_TRUST_DOMAIN_OCTETS_MAX, NULL, "b.example, .b.example", \
     "Domains; with a dot in front, all domains below."}, \
    {"trust", "prefix", CONF_TEXT, CONF_LIST, NULL, 2, E164_OCTETS_MAX, NULL, "+1900!, +4930200000", \
     "Numbers; with ! at the end, all that begin so."}
/* clang-format on */

/* Each of these returns 0, ERR_NO_MEMORY, or ERR_SYNTAX after having appended a line to `errors` for everything that is wrong. */

/* The plan of a group that has the keys AGENT_CONF_DIALING_KEYS; `where` names it in errors: "trunk carrier". */
int agent_conf_dialing(const struct conf_group *g, const char *where, struct buf *errors,
                       struct agent_dial_plan *ret_plan);

int agent_conf_shorts(const struct conf *c, struct buf *errors, struct agent_short_numbers *ret_shorts);
int agent_conf_enrolled(const struct conf *c, struct buf *errors, struct agent_enrolled **ret_enrolled);

void agent_conf_routes(const struct conf *c, struct agent_routes_config *ret_config);
void agent_conf_records(const struct conf *c, struct agent_records_config *ret_config);

/* A group "service": everything but the password, which the caller sets. Texts live as long as this and the conf. */
struct agent_conf_service {
    struct agent_service_config config;
    const char *hosts[VAP_SERVERS_MAX]; /* of config.server_names, in hosts_text */
    uint16_t ports[VAP_SERVERS_MAX];
    const char *ca;       /* NULL if plain */
    const char *tls_name; /* NULL: the host */
    char hosts_text[VAP_SERVERS_MAX][256];
    char routes_text[AGENT_SERVICE_ROUTES_MAX][VALINFO_URI_OCTETS_MAX + 1];
};
int agent_conf_service(const struct conf_group *g, struct buf *errors, struct agent_conf_service *ret_service);

#endif
