#include "lib/password.h"

#include <sodium.h>
#include <string.h>

#include "lib/utf8.h"

#define OPSLIMIT 2
#define MEMLIMIT ((size_t)19456 * 1024)

_Static_assert(PASSWORD_HASH_SIZE == crypto_pwhash_argon2id_STRBYTES,
	"a hash text is as long as libsodium's");

/* The hash of random bytes nobody kept, with the parameters above. */
static const char dummy[PASSWORD_HASH_SIZE] =
	"$argon2id$v=19$m=19456,t=2,p=1$Cle+vcIMwXkIk9luvGaPlA"
	"$eHRONCVGHXiLvnokjPvMi/a7Dmp+G+yE4g0GmPyVLiY";

/* C0 and DEL are one byte, C1 (U+0080 to U+009F) two. */
static bool
is_control(const char *s)
{
	unsigned char c = (unsigned char)s[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0);
}

bool
password_valid(const char *pw, struct err *e)
{
	size_t n = pw == NULL ? 0 : strnlen(pw, PASSWORD_MAX + 1);

	if (n < PASSWORD_MIN)
		return err_set(e, ERR_INPUT,
			"the password is too short: %d bytes at least", PASSWORD_MIN);
	if (n > PASSWORD_MAX)
		return err_set(e, ERR_INPUT,
			"the password is too long: %d bytes at most", PASSWORD_MAX);
	if (!utf8_valid(pw, n))
		return err_set(e, ERR_INPUT, "the password is not valid UTF-8");
	for (size_t i = 0; i < n; i++)
		if (is_control(pw + i))
			return err_set(e, ERR_INPUT,
				"the password holds a control character (tab, line "
				"end, ...)");
	return true;
}

bool
password_hash(const char *pw, char out[PASSWORD_HASH_SIZE], struct err *e)
{
	out[0] = '\0';
	if (pw == NULL)
		return err_set(e, ERR_INPUT, "there is no password");
	if (crypto_pwhash_argon2id_str(out, pw, strlen(pw), OPSLIMIT, MEMLIMIT) != 0) {
		out[0] = '\0';
		return err_set(e, ERR_NOMEM, "no memory to hash a password");
	}
	return true;
}

/* libsodium answers a malformed hash at once; to find it beforehand costs nothing. The
 * copy is there because libsodium declares that it reads the whole array. */
static bool
well_formed(const char *hash, char copy[PASSWORD_HASH_SIZE])
{
	size_t n = hash == NULL ? 0 : strnlen(hash, PASSWORD_HASH_SIZE);

	if (n == 0 || n == PASSWORD_HASH_SIZE)
		return false;
	memset(copy, 0, PASSWORD_HASH_SIZE);
	memcpy(copy, hash, n);
	return crypto_pwhash_argon2id_str_needs_rehash(copy, OPSLIMIT, MEMLIMIT) >= 0;
}

bool
password_verify(const char *hash, const char *pw)
{
	char copy[PASSWORD_HASH_SIZE];
	bool real = well_formed(hash, copy) && pw != NULL;
	bool same;

	if (pw == NULL)
		pw = "";
	same = crypto_pwhash_argon2id_str_verify(real ? copy : dummy, pw, strlen(pw)) ==
		0;
	return real && same;
}
