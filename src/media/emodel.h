/* How good a call sounds, estimated: the E-model of ITU-T G.107 (06/2015) with the impairments of codecs of ITU-T G.113. All that is not known to a
 * bystander (loudness, noise, echo) has the default values of G.107 table 2: without delay and loss the rating is 93.2. Codecs of more than
 * telephone bandwidth are rated on the scale of G.107.1, which ends at 129, and brought back to 100. */
#ifndef MEDIA_EMODEL_H
#define MEDIA_EMODEL_H

#include <stdbool.h>
#include <stdint.h>

struct emodel_codec {
    const char *name;     /* as in a=rtpmap */
    uint32_t clock_hz;    /* 0: any */
    bool is_wideband;     /* Ie is Ie,wb of G.107.1 */
    double ie;            /* equipment impairment without loss */
    double bpl;           /* packet-loss robustness */
    double look_ahead_ms; /* of the encoder, besides the packet's own duration */
    bool is_estimate;     /* not a value of ITU-T */
    const char *source;   /* where the values are from */
};

/* The index of the codec of that name (letters of either case); what nobody knows is taken for G.711 with concealment. */
unsigned emodel_find(const char *name, uint32_t clock_hz);

/* Static storage; NULL beyond the end of the table. Index 0: G.711 with concealment in the receiver, 1: without. */
#define EMODEL_G711 0
#define EMODEL_G711_BARE 1
const struct emodel_codec *emodel_codec_at(unsigned index);

/* 7.4: delay alone, without echo control being at fault: Idte + Idle + Idd for one way of delay_ms. */
double emodel_delay_impairment(double delay_ms);

/* 7.5: Ie,eff. loss_ratio 0 to 1; burst_ratio 1: random loss, more: in bursts (bounded to 1 … EMODEL_BURST_RATIO_MAX, beyond which G.107 has no
 * figures for it). */
#define EMODEL_BURST_RATIO_MAX 8.0
double emodel_loss_impairment(const struct emodel_codec *codec, double loss_ratio, double burst_ratio);

/* R, 0 to 100; wideband codecs brought to the same scale. Any input gives a result in that range. */
double emodel_rating(const struct emodel_codec *codec, double loss_ratio, double burst_ratio, double delay_ms);

/* Annex B: the mean opinion score that belongs to a rating, 1.0 to 4.5. */
double emodel_mos(double rating);

#endif
