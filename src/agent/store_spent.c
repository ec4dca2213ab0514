/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store_db.h"

#include <errno.h>

int store_put_spent(struct store *s, const struct token *t)
{
	sqlite3_stmt *q;
	int r = db_prepare_write(
		s, DB_PUT_SPENT, "INSERT OR IGNORE INTO spent (token) VALUES (?1)", &q);

	if (r < 0)
		return r;
	db_bind_token(q, 1, t);
	return db_write(s, q);
}

bool store_is_spent(struct store *s, const struct token *t)
{
	sqlite3_stmt *q;
	int r = db_prepare(s, DB_IS_SPENT,
		"SELECT 1 FROM spent WHERE token=?1 UNION ALL"
		" SELECT 1 FROM runs WHERE token=?1 AND state NOT IN " STORE_OPEN_STATES " LIMIT 1",
		&q);

	if (r == 0) {
		db_bind_token(q, 1, t);
		r = db_step(s, q);
		if (r > 0)
			db_reset(q);
	}
	return r != 0;
}
