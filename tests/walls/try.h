/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tries what a process that was taken over would try, and says for each on stderr
 * "walls: NAME: ok" or "walls: NAME: ERRNO".  None of it does harm where it succeeds: signals are
 * number 0, what is mounted is nothing, files have names of their own.
 */
#ifndef FLAGMAN_TESTS_WALLS_TRY_H
#define FLAGMAN_TESTS_WALLS_TRY_H

void try_everything(const char *who);

#endif
