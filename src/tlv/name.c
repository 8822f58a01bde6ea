/* Names of attribute types, as the draft writes them. */
#include "tlv/tlv.h"

static const struct {
    uint16_t type;
    const char *name;
} names[] = {
    {TLV_USERNAME, "USERNAME"},
    {TLV_MESSAGE_INTEGRITY, "MESSAGE-INTEGRITY"},
    {TLV_ERROR_CODE, "ERROR-CODE"},
    {TLV_REALM, "REALM"},
    {TLV_CLIENT_NAME, "Client-Name"},
    {TLV_CLIENT_HANDLE, "Client-Handle"},
    {TLV_PROTOCOL_VERSION, "Protocol-Version"},
    {TLV_CLIENT_LABEL, "Client-Label"},
    {TLV_KEEPALIVE, "Keepalive"},
    {TLV_SERVICE_IDENTITY, "ServiceIdentity"},
    {TLV_SERVICE_VERSION, "ServiceVersion"},
    {TLV_SERVICE_CONTENT, "ServiceContent"},
    {TLV_SUBSCRIPTION_ID, "SubscriptionID"},
    {TLV_CALL_DIRECTION, "CallDirection"},
    {TLV_START_TIME, "StartTime"},
    {TLV_STOP_TIME, "StopTime"},
    {TLV_CALLING_NUM, "CallingNum"},
    {TLV_CALLED_NUM, "CalledNum"},
    {TLV_PEER_ID, "peerID"},
    {TLV_QUOTA, "Quota"},
    {TLV_DHT_LIFETIME, "DHTLifetime"},
};

const char *tlv_type_name(uint16_t type)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}
