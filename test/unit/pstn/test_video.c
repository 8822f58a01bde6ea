/* Pictures that are made up. */
#include "pstn/video.h"
#include "testing.h"

static struct seeded_entropy seeded = {.state = 5};

static void pictures_arrive(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_video from, to;
    uint8_t packet[PSTN_VIDEO_OCTETS];
    uint32_t timestamp = 0;
    (void)state;
    pstn_video_init(&from, &entropy);
    pstn_video_init(&to, &entropy);
    for (unsigned i = 0; i < 30; i++) {
        timestamp = from.timestamp;
        pstn_video_write(&from, 99, packet);
        assert_int_equal(packet[1], i % 3 == 2 ? 0x80 | 99 : 99); /* the last of a picture has the marker */
        assert_int_equal(from.timestamp - timestamp, i % 3 == 2 ? 3000 : 0);
        pstn_video_take(&to, slice_of(packet, sizeof packet));
    }
    assert_int_equal(from.sent, 30);
    assert_int_equal(to.received, 30);
    assert_int_equal(to.whole, 10);
}

static void a_lost_part_spoils_its_picture(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_video from, to;
    uint8_t packet[PSTN_VIDEO_OCTETS];
    (void)state;
    pstn_video_init(&from, &entropy);
    pstn_video_init(&to, &entropy);
    for (unsigned i = 0; i < 30; i++) {
        pstn_video_write(&from, 99, packet);
        if (i != 4 && i != 9)
            pstn_video_take(&to, slice_of(packet, sizeof packet));
    }
    assert_int_equal(to.received, 28);
    assert_int_equal(to.whole, 8);
}

static void something_else_is_strange(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_video from, to;
    uint8_t packet[PSTN_VIDEO_OCTETS];
    (void)state;
    pstn_video_init(&from, &entropy);
    pstn_video_init(&to, &entropy);
    pstn_video_write(&from, 99, packet);
    pstn_video_take(&to, slice_of(packet, 17));
    packet[12 + 5] = PSTN_VIDEO_PARTS;
    pstn_video_take(&to, slice_of(packet, sizeof packet));
    packet[0] = 0;
    pstn_video_take(&to, slice_of(packet, sizeof packet));
    assert_int_equal(to.strange, 3);
    assert_int_equal(to.received, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_arrive),
        cmocka_unit_test(a_lost_part_spoils_its_picture),
        cmocka_unit_test(something_else_is_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
