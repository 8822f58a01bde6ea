/* Names and reasons in the draft's words. */
#include "vap/message.h"

const char *vap_method_name(unsigned method)
{
    switch (method) {
    case VAP_REGISTER:
        return "Register";
    case VAP_UNREGISTER:
        return "Unregister";
    case VAP_PUBLISH:
        return "Publish";
    case VAP_UNPUBLISH:
        return "Unpublish";
    case VAP_PUBLISH_REVOKE:
        return "PublishRevoke";
    case VAP_SUBSCRIBE:
        return "Subscribe";
    case VAP_UNSUBSCRIBE:
        return "Unsubscribe";
    case VAP_NOTIFY:
        return "Notify";
    case VAP_UPLOAD_VCR:
        return "UploadVCR";
    default:
        return NULL;
    }
}

const char *vap_class_name(enum vap_class kind)
{
    return kind == VAP_REQUEST ? "request" : kind == VAP_SUCCESS ? "success" : "error";
}

const char *vap_code_reason(unsigned code)
{
    static const struct {
        unsigned code;
        const char *reason;
    } reasons[] = {
        {VAP_BAD_REQUEST, "Bad Request"},
        {VAP_FORBIDDEN, "Forbidden"},
        {VAP_TOO_LARGE, "Message Too Large"},
        {VAP_INTEGRITY_CHECK_FAILURE, "Integrity Check Failure"},
        {VAP_UNKNOWN_USERNAME, "Unknown Username"},
        {VAP_BAD_CLIENT_HANDLE, "Bad Client Handle"},
        {VAP_VERSION_TOO_LOW, "Version Number Too Low"},
        {VAP_UNREGISTERED, "Unregistered"},
        {VAP_UNKNOWN_SUBSCRIPTION, "Unknown Subscription"},
        {VAP_ALREADY_REGISTERED, "Already Registered"},
        {VAP_UNSUPPORTED_VERSION, "Unsupported Protocol Version"},
        {VAP_PUBLICATION_FAILED, "Publication Failed"},
        {VAP_SERVER_ERROR, "Server Error"},
        {VAP_OVERLOADED, "Overloaded"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "unknown";
}
