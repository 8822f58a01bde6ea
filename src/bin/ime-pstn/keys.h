/* Rows of the tables of keys that networks and PBXs have in common. */
#ifndef IME_PSTN_KEYS_H
#define IME_PSTN_KEYS_H

#include "bin/daemon/keys.h"
#include "program.h"

/* clang-format off */
#define POINT_KEYS(section) \
    {section, "udp", CONF_ADDR, 0, NULL, SIP_PORT, 0, NULL, "192.0.2.1:5060", "Listens over UDP."}, \
    {section, "tcp", CONF_ADDR, 0, NULL, SIP_PORT, 0, NULL, "192.0.2.1:5060", "Listens over TCP."}, \
    {section, "tls", CONF_ADDR, 0, NULL, SIP_TLS_PORT, 0, NULL, "192.0.2.1:5061", "Listens over TLS."}, \
    {section, "certificate", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/pstn.pem", "Certificate for TLS (PEM, own one first)."}, \
    {section, "key", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/pstn.key", "Its private key; mode 0600."}, \
    {section, "ca", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ca.pem", "Authorities whose certificates are believed when a trunk is reached over TLS (PEM)."}

#define TRUNK_KEYS(section, password_doc) \
    {section, "transport", CONF_CHOICE, 0, "udp", 0, 0, "udp|tcp|tls", NULL, "How it is reached there."}, \
    {section, "tls-name", CONF_DOMAIN, 0, NULL, 0, 0, NULL, "sip.example.net", "What its certificate must be for; if absent any that verifies will do."}, \
    {section, "user", CONF_TEXT, 0, NULL, 1, 128, NULL, "49301", "User name of the registration, and of the password."}, \
    {section, "password", CONF_TEXT, CONF_SECRET, NULL, 1, 128, NULL, NULL, password_doc " Better in a file: password-file."}, \
    {section, "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/trunk.password", "Its first line is the password; mode 0600."}
/* clang-format on */

#endif
