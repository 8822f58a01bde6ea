/* A direct call that may move, before the scripted peers: Ann is the phone behind our PBX, Bob the far agent (by our edge), Carl the phone network. */
#ifndef TEST_FALLBACK_SCENE_H
#define TEST_FALLBACK_SCENE_H

#include "agent_stage.h"

#define NUMBER "+49302000001"     /* of the far company */
#define OUR_NUMBER "+49301001234" /* Ann's */
#define FALLBACK_NUMBER "+4930200000"
#define OUR_FALLBACK_NUMBER "+4930100999"

struct scene {
    struct stage *s;
    struct talk ann, bob, carl;
    unsigned gone; /* who has hung up: a bit for each peer */
};

/* What the phones and the phone network describe. */
extern const char ann_sdp[], ann_video_sdp[], bob_sdp[], bob_video_sdp[], carl_sdp[];

/* With an edge, before agent_stage_start. */
struct stage *scene_stage(int64_t return_ms, unsigned digits);
int scene_setup(void **state); /* return after 30 s, no digits */

/* The edge says so. */
void scene_quality(struct scene *c, const char *quality);
/* The far agent says so in INFO; the answer is left to be taken. */
void scene_far_says(struct scene *c, const char *word);
/* The far agent is told that; answered with 200 and more. */
void scene_far_is_told(struct scene *c, const char *word, const char *more);
/* An end is told of a description with these parts (NULL: none), and answers. */
void scene_told(struct talk *t, const char *part, const char *other_part);
void scene_moves(struct talk *t, const char *part);
/* Whatever comes is answered as a healthy peer does, for so long. Returns who was told goodbye: a bit for each peer. */
unsigned scene_goes_on(struct scene *c, int64_t ms);
/* The call is over, and nothing is left of it. */
void scene_is_over(struct scene *c);
/* Someone hangs up, and the others hear it. */
void scene_hang_up(struct scene *c, struct talk *who, struct talk *first, struct talk *second);

#endif
