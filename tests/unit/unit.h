/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cmocka.h wants before it, and cmocka.h. */
#ifndef FLAGMAN_TESTS_UNIT_H
#define FLAGMAN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
