#include "lib/account.h"

#include <string.h>

#include "lib/db.h"
#include "lib/password.h"
#include "lib/utf8.h"

static const struct db_stmt stmt_login = {"account_login",
	"SELECT id, email, role, password_hash FROM users"
	" WHERE lower(email) = lower($1) AND password_hash IS NOT NULL"
	" AND disabled_at IS NULL",
	1};

static const struct db_stmt stmt_put = {"account_put",
	"INSERT INTO users (email, password_hash, role) VALUES ($1, $2, $3)"
	" ON CONFLICT (lower(email)) WHERE password_hash IS NOT NULL DO UPDATE"
	" SET password_hash = excluded.password_hash,"
	" role = excluded.role, updated_at = now()"
	" RETURNING id, email, role",
	3};

static const struct db_stmt stmt_enable = {"account_enable",
	"UPDATE users SET updated_at = now(), disabled_at ="
	" CASE WHEN $2::boolean THEN NULL ELSE coalesce(disabled_at, now()) END"
	" WHERE id <> platform_user() AND (id::text = lower($1)"
	" OR lower(email) = lower($1) AND password_hash IS NOT NULL)"
	" RETURNING id",
	2};

enum { ID, EMAIL, ROLE, HASH };

bool
account_email_valid(const char *text)
{
	const char *at, *dot;
	size_t n;

	if (text == NULL)
		return false;
	n = strlen(text);
	at = strchr(text, '@');
	if (n > ACCOUNT_EMAIL_MAX || at == NULL || at == text ||
		strchr(at + 1, '@') != NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
			return false;
	dot = strrchr(at, '.');
	return dot != NULL && dot > at + 1 && dot[1] != '\0' && utf8_valid(text, n);
}

static void
read_user(const PGresult *r, struct user *out)
{
	*out = (struct user){.admin = strcmp(db_text(r, 0, ROLE), "admin") == 0};
	db_copy(r, 0, ID, out->id, sizeof(out->id));
	db_copy(r, 0, EMAIL, out->email, sizeof(out->email));
}

bool
account_login(struct app *app, const char *email, const char *password, deadline_t d,
	struct user *out, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_login, (const char *[]){email}, e);
	bool known, ok;

	if (r == NULL)
		return false;
	known = PQntuples(r) > 0;
	/* an unknown e-mail costs a hash too, so that time tells nothing */
	ok = password_verify(known ? db_text(r, 0, HASH) : NULL, password);
	if (ok)
		read_user(r, out);
	else
		err_set(e, ERR_UNAUTHORIZED,
			known ? "wrong password" : "unknown e-mail");
	PQclear(r);
	return ok;
}

bool
account_put(struct app *app, const char *email, const char *password, bool admin,
	deadline_t d, struct user *out, struct err *e)
{
	char hash[PASSWORD_HASH_SIZE];
	PGresult *r;

	if (!account_email_valid(email))
		return err_set(e, ERR_INPUT, "that is not an e-mail address");
	if (!password_valid(password, e) || !password_hash(password, hash, e))
		return false;
	r = db_query(app->db, d, &stmt_put,
		(const char *[]){email, hash, admin ? "admin" : "user"}, e);
	if (r != NULL && out != NULL)
		read_user(r, out);
	PQclear(r);
	return r != NULL;
}

bool
account_enable(
	struct app *app, const char *who, bool enabled, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_enable,
		(const char *[]){who, enabled ? "true" : "false"}, e);
	bool found = r != NULL && PQntuples(r) > 0;

	PQclear(r);
	return found ||
		(r != NULL && err_set(e, ERR_NOT_FOUND, "there is no such user"));
}
