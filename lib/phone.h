/*
 * phone: telephone numbers as people write them. Pure functions, safe from any thread.
 */
#ifndef WAPOOL_PHONE_H
#define WAPOOL_PHONE_H

#include <stdbool.h>

#define PHONE_SIZE 16 /* 15 digits (E.164) and the NUL */

/* Copies the digits of an international number ("+55 (11) 99999-9999" or digits alone)
 * to out. False if there is anything but digits, spaces, ()-. and a leading +, if there
 * are fewer than 8 or more than 15 digits, or if it begins with 0. NULL gives false. */
bool phone_digits(const char *s, char out[PHONE_SIZE]);

#endif
