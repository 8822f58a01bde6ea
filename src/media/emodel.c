/* The E-model with default values, and the table of codecs.
 *
 * What does not change during a call (noise, loudness, sidetone: Ro and Is) is a constant of G.107; what delay does is computed here as in 7.4, what loss
 * does as in 7.5. */
#include "media/emodel.h"

#include <math.h>
#include <stddef.h>
#include <strings.h>

/* 7.2 and 7.3 with all defaults: Ro - Is. Less the echo that is left without delay, 0.15, that makes the well-known 93.2. */
#define RATING_BEST 93.355
/* G.107.1: the same of a wideband connection. */
#define RATING_BEST_WIDEBAND 129.0
/* 7.5: what loss adds up to at the most. */
#define IE_MAX 95.0

/* Default values of G.107 table 2 that delay and echo depend on. */
#define TELR 65.0   /* dB, talker echo loudness rating */
#define WEPL 110.0  /* dB, weighted echo path loss */
#define RLR 2.0     /* dB, receive loudness rating */
#define RO 94.77    /* 7.2 with all defaults: basic signal-to-noise ratio */
#define NO (-61.18) /* dBm0p, 7.2 with all defaults: the sum of all noise */

#define G113_I "ITU-T G.113 Appendix I"
#define G113_IV "ITU-T G.113 Appendix IV"

static const struct emodel_codec codecs[] = {
    [EMODEL_G711] = {"PCMA", 8000, false, 0, 25.1, 0, false, G113_I ", G.711 with Appendix I concealment"},
    [EMODEL_G711_BARE] = {"PCMA-bare", 8000, false, 0, 4.3, 0, false, G113_I ", G.711 without concealment"},
    {"PCMU", 8000, false, 0, 25.1, 0, false, G113_I ", G.711 with Appendix I concealment"},
    {"G729", 8000, false, 11, 19.0, 5, false, G113_I ", G.729A with VAD"},
    {"G723", 8000, false, 15, 16.1, 7.5, false, G113_I ", G.723.1 at 6.3 kbit/s with VAD"},
    {"GSM-EFR", 8000, false, 5, 10.0, 0, false, G113_I ", GSM-EFR"},
    {"AMR", 8000, false, 5, 10.0, 5, true, "as GSM-EFR, which its mode of 12.2 kbit/s is; lower modes are worse"},
    {"GSM", 8000, false, 20, 15.0, 0, true, "Ie of " G113_I ", Bpl between G.729 and GSM-EFR: estimated"},
    {"G726-32", 8000, false, 7, 15.0, 0, true, "Ie of " G113_I ", Bpl estimated"},
    {"iLBC", 8000, false, 11, 32.0, 10, true, "estimated: clean as G.729, frames that do not depend on one another"},
    {"speex", 8000, false, 11, 19.0, 10, true, "estimated, as G.729"},
    {"G722", 8000, true, 13, 13.0, 1.5, true, "Ie,wb of " G113_IV " at 64 kbit/s; Bpl estimated"},
    {"AMR-WB", 16000, true, 7, 12.0, 5, true, "Ie,wb of " G113_IV " at 15.85 kbit/s; Bpl estimated"},
    {"opus", 48000, true, 8, 20.0, 6.5, true, "estimated: better than AMR-WB of the same rate, with redundancy"},
    {"speex", 16000, true, 14, 12.0, 14, true, "estimated"},
    {"L16", 0, true, 0, 20.0, 0, true, "no coding; Bpl estimated"},
};

const struct emodel_codec *emodel_codec_at(unsigned index)
{
    return index < sizeof codecs / sizeof codecs[0] ? &codecs[index] : NULL;
}

unsigned emodel_find(const char *name, uint32_t clock_hz)
{
    for (unsigned i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        const struct emodel_codec *c = &codecs[i];
        if (strcasecmp(c->name, name) == 0 && (c->clock_hz == 0 || clock_hz == 0 || c->clock_hz == clock_hz))
            return i;
    }
    return EMODEL_G711;
}

/* min and max of C would let a number that is none through. */
static double bounded(double value, double least, double most)
{
    if (!(value > least))
        return least;
    return value < most ? value : most;
}

double emodel_delay_impairment(double delay_ms)
{
    double t = bounded(delay_ms, 0, 10000);
    /* 7.4.1, talker echo */
    double terv = TELR - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t * t);
    double re = 80 + 2.5 * (terv - 14);
    double roe = -1.5 * (NO - RLR);
    double half = (roe - re) / 2;
    double idte = bounded((half + sqrt(half * half + 100) - 1) * (1 - exp(-t)), 0, IE_MAX);
    /* 7.4.2, listener echo: the round trip of the four-wire loop */
    double rle = 10.5 * (WEPL + 7) * pow(2 * t + 1, -0.25);
    double low = (RO - rle) / 2;
    double idle = low + sqrt(low * low + 169);
    /* 7.4.3, too long for a conversation; sensitivity sT 1, smallest noticeable delay mT 100 ms */
    double idd = 0;
    if (t > 100) {
        double x = log2(t / 100);
        idd = 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2);
    }
    return idte + idle + idd;
}

double emodel_loss_impairment(const struct emodel_codec *codec, double loss_ratio, double burst_ratio)
{
    double percent = 100 * bounded(loss_ratio, 0, 1);
    double burst = bounded(burst_ratio, 1, EMODEL_BURST_RATIO_MAX);
    if (percent == 0)
        return codec->ie;
    return codec->ie + (IE_MAX - codec->ie) * percent / (percent / burst + codec->bpl);
}

double emodel_rating(const struct emodel_codec *codec, double loss_ratio, double burst_ratio, double delay_ms)
{
    double ie = emodel_loss_impairment(codec, loss_ratio, burst_ratio);
    double id = emodel_delay_impairment(delay_ms);
    double rating =
        codec->is_wideband ? (RATING_BEST_WIDEBAND - id - ie) * 100 / RATING_BEST_WIDEBAND : RATING_BEST - id - ie;
    return bounded(rating, 0, 100);
}

double emodel_mos(double rating)
{
    double r = bounded(rating, 0, 100);
    return bounded(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1, 4.5);
}
