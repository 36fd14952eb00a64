/*
 * account: users that log in here with a password. Thread-safety: as db.
 */
#ifndef WAPOOL_ACCOUNT_H
#define WAPOOL_ACCOUNT_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/auth.h"

#define ACCOUNT_EMAIL_MAX 254 /* RFC 5321 section 4.5.3.1.3 */

/* True if text may be an e-mail address: something@something.something, without spaces
 * or control characters, at most ACCOUNT_EMAIL_MAX bytes. NULL is not. */
bool account_email_valid(const char *text);

/* The user of that e-mail and password. False with ERR_UNAUTHORIZED if there is none,
 * he is disabled or the password is wrong (always after the time of one argon2 hash),
 * or with an error of db; *out is then as it was. */
bool account_login(struct app *app, const char *email, const char *password,
	deadline_t d, struct user *out, struct err *e);

/* Makes the user, or gives the one of that e-mail a new password and role. out may be
 * NULL. False with ERR_INPUT if e-mail or password are not acceptable (e->text tells
 * the person why), ERR_NOMEM, or an error of db. */
bool account_put(struct app *app, const char *email, const char *password, bool admin,
	deadline_t d, struct user *out, struct err *e);

/* Lets a user log in again, or shuts him out: by his id, or the e-mail he logs in with.
 * ERR_NOT_FOUND if there is none. The platform's own user stays as it is. */
bool account_enable(
	struct app *app, const char *who, bool enabled, deadline_t d, struct err *e);

#endif
