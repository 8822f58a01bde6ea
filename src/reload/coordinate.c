/* Network coordinates after Dabek, Cox, Kaashoek, Morris: Vivaldi, a decentralized network coordinate system (SIGCOMM 2004): reload/coordinate.h. */
#include "reload/coordinate.h"

#include <math.h>

#define UNIT_MS 0.05f
#define ERROR_UNKNOWN 255
#define ERROR_UNITS 254.0f
#define AXIS_MAX_MS 1000.0f /* a quarter of the Earth is 50 ms away; satellites and bad lines are farther */
#define RTT_MAX_MS 5000.0f
#define STEP_MAX_MS 100.0f /* of one observation */
#define HEIGHT_MIN_MS 0.1f
#define ERROR_MIN 0.02f /* so that nobody is ever quite sure */
#define GAIN 0.25f      /* both constants of the paper */

struct coordinate coordinate_unknown(void)
{
    return (struct coordinate){.error = 2};
}

struct coordinate coordinate_origin(void)
{
    return (struct coordinate){.height = HEIGHT_MIN_MS, .error = 1};
}

static float plane_distance(const struct coordinate *a, const struct coordinate *b, float ret_between[3])
{
    double sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        ret_between[i] = a->axis[i] - b->axis[i];
        sum += (double)ret_between[i] * (double)ret_between[i];
    }
    return (float)sqrt(sum);
}

float coordinate_rtt_ms(const struct coordinate *a, const struct coordinate *b)
{
    float between[3];
    return plane_distance(a, b, between) + a->height + b->height;
}

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* Two nodes at the same point are driven apart in some direction. */
static float random_direction(const struct entropy *entropy, float ret_direction[3])
{
    double sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        ret_direction[i] = (float)entropy_between(entropy, -1000, 1000) / 1000;
        sum += (double)ret_direction[i] * (double)ret_direction[i];
    }
    if (sum == 0)
        ret_direction[0] = 1, sum = 1;
    return (float)sqrt(sum);
}

void coordinate_observe(struct coordinate *self, const struct coordinate *other, float rtt_ms,
                        const struct entropy *entropy)
{
    if (!coordinate_is_known(self) || !coordinate_is_known(other) || !(rtt_ms > 0 && rtt_ms <= RTT_MAX_MS))
        return;
    float direction[3];
    float plane = plane_distance(self, other, direction);
    float foretold = plane + self->height + other->height;
    /* Who is surer of itself moves less. */
    float trust = self->error / (self->error + clamp(other->error, ERROR_MIN, 1));
    float miss = clamp(fabsf(foretold - rtt_ms) / rtt_ms, 0, 1);
    self->error = clamp(miss * GAIN * trust + self->error * (1 - GAIN * trust), ERROR_MIN, 1);
    float force = clamp(GAIN * trust * (rtt_ms - foretold), -STEP_MAX_MS, STEP_MAX_MS);
    float length = plane < UNIT_MS ? random_direction(entropy, direction) : plane;
    /* The unit vector of a point with height: its part in the plane, and the rest upwards. */
    float flat = length == plane ? plane / foretold : 1;
    for (unsigned i = 0; i < 3; i++)
        self->axis[i] = clamp(self->axis[i] + force * flat * direction[i] / length, -AXIS_MAX_MS, AXIS_MAX_MS);
    float up = (self->height + other->height) / foretold;
    self->height = clamp(self->height + force * up, HEIGHT_MIN_MS, AXIS_MAX_MS);
}

void coordinate_encode(const struct coordinate *c, struct buf *out)
{
    if (!coordinate_is_known(c)) {
        for (unsigned i = 0; i < COORDINATE_OCTETS - 1; i++)
            buf_u8(out, 0);
        buf_u8(out, ERROR_UNKNOWN);
        return;
    }
    for (unsigned i = 0; i < 3; i++)
        buf_u16(out, (uint16_t)(int16_t)lround((double)(clamp(c->axis[i], -AXIS_MAX_MS, AXIS_MAX_MS) / UNIT_MS)));
    buf_u16(out, (uint16_t)lround((double)(clamp(c->height, 0, AXIS_MAX_MS) / UNIT_MS)));
    buf_u8(out, (uint8_t)lround((double)(clamp(c->error, 0, 1) * ERROR_UNITS)));
}

int coordinate_decode(struct reader *r, struct coordinate *ret_coordinate)
{
    static const char rule[] = "network coordinate";
    struct coordinate c;
    size_t at = r->at;
    for (unsigned i = 0; i < 3; i++) {
        c.axis[i] = (float)(int16_t)read_u16(r, rule) * UNIT_MS;
        if (fabsf(c.axis[i]) > AXIS_MAX_MS)
            reader_fail_at(r, ERR_RANGE, at, rule);
    }
    c.height = (float)read_u16(r, rule) * UNIT_MS;
    if (c.height > AXIS_MAX_MS)
        reader_fail_at(r, ERR_RANGE, at, rule);
    uint8_t error = read_u8(r, rule);
    c.error = (float)error / ERROR_UNITS;
    if (error == ERROR_UNKNOWN)
        c = coordinate_unknown();
    if (!r->err)
        *ret_coordinate = c;
    return r->err;
}
