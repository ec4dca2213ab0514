/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/verdict.h"

static enum verdict claimed(const struct facts *f)
{
	switch (f->claim) {
	case CLAIM_ENDED:
		return VERDICT_RESULT;
	case CLAIM_RUNNING:
		return VERDICT_ADOPT;
	case CLAIM_INTERRUPTED:
		break;
	}
	return VERDICT_INTERRUPTED;
}

static enum verdict missed(const struct facts *f)
{
	return f->missed_run && !f->unconfirmed ? VERDICT_RUN : VERDICT_MISSED;
}

enum verdict verdict_of(const struct facts *f)
{
	if (f->found == FOUND_UNKNOWN)
		return VERDICT_FRESH;
	/* wherever the flag is: its press was served.  A present one is an unlink that a power cut
	 * took back */
	if (f->claimed)
		return claimed(f);
	if (f->found == FOUND_REPLACED)
		return VERDICT_FRESH;
	if (f->found == FOUND_PRESENT)
		return VERDICT_KEEP;
	if (f->found == FOUND_STAGED)
		return VERDICT_FRESH;
	/* nobody meant one button */
	if (f->directory_changed || f->absent_of_object > 1 || f->mass)
		return VERDICT_FRESH;
	if (f->no_trigger)
		return VERDICT_FRESH;
	if (f->found == FOUND_TAKEN)
		return missed(f);
	/* absent, and nobody claimed it */
	if (f->agent_restarted)
		return f->unconfirmed ? VERDICT_CONFIRM : VERDICT_PRESS;
	if (!f->same_boot)
		return VERDICT_MISSED_BOOT;
	return missed(f);
}
