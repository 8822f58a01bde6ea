/* Names and samples of a day's result. */
#include "calls/result.h"

static const char *const names[] = {
#define CALL_END_NAME_(name, text) text,
    SIM_CALL_ENDS(CALL_END_NAME_)
#undef CALL_END_NAME_
};

const char *sim_call_end_name(enum sim_call_end end)
{
    return names[end];
}

enum sim_call_end sim_call_end_of(unsigned status)
{
    switch (status) {
    case 487:
        return SIM_CALL_CANCELLED;
    case 486:
    case 600:
        return SIM_CALL_BUSY;
    case 603:
        return SIM_CALL_DECLINED;
    case 480:
        return SIM_CALL_UNAVAILABLE;
    case 404:
    case 410:
    case 604:
        return SIM_CALL_NOT_FOUND;
    case 408:
    case 504:
        return SIM_CALL_TIMEOUT;
    case 500:
    case 502:
    case 503:
        return SIM_CALL_SERVICE;
    case 401:
    case 403:
    case 407:
        return SIM_CALL_FORBIDDEN;
    default:
        return SIM_CALL_OTHER;
    }
}

void sim_calls_result_fini(struct sim_calls_result *result)
{
    sim_samples_fini(&result->gaps);
    sim_samples_fini(&result->setup_direct);
    sim_samples_fini(&result->setup_pstn);
}
