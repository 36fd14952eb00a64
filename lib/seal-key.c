#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/seal-int.h"

#define KEY crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define HEX ((size_t)KEY * 2)
#define FILE_MAX 16384

struct seal_key {
	int count;
	int current;
	int version[SEAL_VERSIONS_MAX];
	unsigned char key[SEAL_VERSIONS_MAX][KEY];
};

const unsigned char *
seal_key_find(const struct seal_key *k, int version)
{
	for (int i = 0; i < k->count; i++)
		if (k->version[i] == version)
			return k->key[i];
	return NULL;
}

int
seal_key_current(const struct seal_key *k)
{
	return k->current;
}

void
seal_key_free(struct seal_key *k)
{
	sodium_free(k); /* wipes; NULL is fine */
}

static bool
add_key(struct seal_key *k, int version, const char *hex)
{
	size_t n = 0;

	if (k->count == SEAL_VERSIONS_MAX || seal_key_find(k, version) != NULL)
		return false;
	if (sodium_hex2bin(k->key[k->count], KEY, hex, HEX, NULL, &n, NULL) != 0 ||
		n != KEY)
		return false;
	k->version[k->count++] = version;
	if (version > k->current)
		k->current = version;
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line of len bytes, none of them a newline. bare: set if it was a key without a
 * version, which must then be the only one. */
static bool
add_line(struct seal_key *k, const char *line, size_t len, bool *bare)
{
	const char *end = line + len;
	int version = 0;

	while (end > line && is_space(end[-1]))
		end--;
	while (line < end && is_space(*line))
		line++;
	if (line == end || *line == '#')
		return true;
	if (*bare || (size_t)(end - line) < HEX)
		return false;
	if ((size_t)(end - line) == HEX) {
		*bare = true;
		return k->count == 0 && add_key(k, 1, line);
	}
	for (; line < end && *line >= '0' && *line <= '9'; line++)
		if ((version = version * 10 + (*line - '0')) > SEAL_VERSION_MAX)
			return false;
	if (version == 0 || line == end || !is_space(*line))
		return false;
	while (line < end && is_space(*line))
		line++;
	return (size_t)(end - line) == HEX && add_key(k, version, line);
}

static bool
add_lines(
	struct seal_key *k, const char *path, const char *text, size_t n, struct err *e)
{
	const char *end = text + n;
	bool bare = false;

	for (int number = 1; text < end; number++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (stop == NULL)
			stop = end;
		if (!add_line(k, text, (size_t)(stop - text), &bare))
			return err_set(e, ERR_CONFIG,
				"%s, line %d: not a new `<version> <64 hex digits>`",
				path, number);
		text = stop < end ? stop + 1 : end;
	}
	return k->count > 0 || err_set(e, ERR_CONFIG, "%s: no key in it", path);
}

/* Reads all of the file into room; SIZE_MAX and *e if that cannot be or must not be. */
static size_t
read_file(const char *path, char room[FILE_MAX], struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0, result = SIZE_MAX;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(e, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 007) != 0) {
		err_set(e, ERR_CONFIG, "%s: %s", path,
			S_ISREG(st.st_mode) ? "open to others, chmod o= it"
					    : "not a regular file");
		goto out;
	}
	while ((got = read(fd, room + n, FILE_MAX - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		err_set(e, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
	else if (n == FILE_MAX)
		err_set(e, ERR_CONFIG, "%s: too large for a key file", path);
	else
		result = n;
out:
	if (fd >= 0)
		close(fd);
	return result;
}

struct seal_key *
seal_key_load(const char *path, struct err *e)
{
	struct seal_key *k = sodium_malloc(sizeof(*k));
	char *room = sodium_malloc(FILE_MAX);
	bool ok = false;
	size_t n;

	if (k == NULL || room == NULL) {
		err_set(e, ERR_NOMEM, "no memory for the keys");
		goto out;
	}
	sodium_memzero(k, sizeof(*k));
	n = read_file(path, room, e);
	ok = n != SIZE_MAX && add_lines(k, path, room, n, e);
	if (ok)
		sodium_mprotect_readonly(k);
out:
	sodium_free(room);
	if (!ok) {
		seal_key_free(k);
		k = NULL;
	}
	return k;
}

/* One line with a new random key. */
static bool
write_key(int fd, int version)
{
	unsigned char key[KEY];
	char hex[HEX + 1], line[HEX + 16];
	int n;
	bool ok;

	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
	n = snprintf(line, sizeof(line), "%d %s\n", version, hex);
	ok = write(fd, line, (size_t)n) == n && fsync(fd) == 0;
	sodium_memzero(key, sizeof(key));
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(line, sizeof(line));
	return ok;
}

bool
seal_key_create(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return err_set(e, errno == EEXIST ? ERR_CONFLICT : ERR_CONFIG, "%s: %s",
			path, strerrordesc_np(errno));
	ok = write_key(fd, 1);
	if (!ok) {
		err_set(e, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
		unlink(path);
	}
	close(fd);
	return ok;
}

/* Writes the keys that are there, as they are, and a new one. */
static bool
write_keys(int fd, const struct seal_key *k, const struct stat *was)
{
	char hex[HEX + 1], line[HEX + 16];
	bool ok = fchmod(fd, was->st_mode & 07777) == 0 &&
		(fchown(fd, was->st_uid, was->st_gid) == 0 || geteuid() != 0);
	int n;

	for (int i = 0; ok && i < k->count; i++) {
		sodium_bin2hex(hex, sizeof(hex), k->key[i], KEY);
		n = snprintf(line, sizeof(line), "%d %s\n", k->version[i], hex);
		ok = write(fd, line, (size_t)n) == n;
	}
	sodium_memzero(hex, sizeof(hex));
	sodium_memzero(line, sizeof(line));
	return ok && write_key(fd, k->current + 1);
}

bool
seal_key_add(const char *path, int *version, struct err *e)
{
	struct seal_key *k = seal_key_load(path, e);
	char fresh[4096];
	struct stat was;
	bool ok = false;
	int fd = -1, n;

	if (k == NULL)
		return false;
	n = snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(fresh) || k->count == SEAL_VERSIONS_MAX ||
		k->current == SEAL_VERSION_MAX) {
		err_set(e, ERR_CONFIG, "%s: no room for another key", path);
		goto out;
	}
	*version = k->current + 1;
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && stat(path, &was) == 0 && write_keys(fd, k, &was) &&
		rename(fresh, path) == 0;
	if (!ok) {
		err_set(e, ERR_CONFIG, "%s: %s", fresh, strerrordesc_np(errno));
		if (fd >= 0)
			unlink(fresh);
	}
out:
	if (fd >= 0)
		close(fd);
	seal_key_free(k);
	return ok;
}
