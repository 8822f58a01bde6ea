/* The syntax of telephone numbers. */
#include "base/e164.h"

bool e164_is_valid(struct slice text)
{
    if (text.n < 2 || text.n > E164_OCTETS_MAX || text.p[0] != '+' || text.p[1] == '0')
        return false;
    for (size_t i = 1; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    return true;
}

bool e164_parse(struct slice text, struct e164 *ret_number)
{
    if (!e164_is_valid(text))
        return false;
    struct e164 number = {""};
    memcpy(number.text, text.p, text.n);
    *ret_number = number;
    return true;
}
