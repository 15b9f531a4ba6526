/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: prove the credentials with GET /v2/, then keep them in the auth file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/command/commands.h"
#include "image-tools/status.h"

struct options {
	struct registry_flags registry;
	const char *user, *password;
	bool password_stdin;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "username", 'u', OPTION_STRING, AT(user), "NAME", "user" },
	{ "password", 'p', OPTION_STRING, AT(password), "TEXT", "password (others can see it in ps)" },
	{ "password-stdin", 0, OPTION_FLAG, AT(password_stdin), NULL, "read the password from standard input" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

static int read_password(struct program *p, struct options *o, struct error *err)
{
	struct termios old, off;
	char *text;
	size_t len;
	bool echo = !o->password_stdin && tcgetattr(STDIN_FILENO, &old) == 0;
	int r;

	if (echo) {
		fputs("Password: ", stderr);
		off = old;
		off.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &off);
		char line[1024];

		r = fgets(line, sizeof line, stdin) ? 0 : -EINVAL;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
		text = arena_strdup(&p->arena, r == 0 ? line : "");
	} else {
		r = fd_read_all(STDIN_FILENO, &p->arena, 65536, &text, &len);
	}
	if (r < 0)
		return error_sys(err, -r, "read the password");
	text[strcspn(text, "\r\n")] = '\0';
	o->password = text;
	return 0;
}

static int try_login(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct program *p = opaque;
	struct connection c;
	struct call call = { .request = { .method = "GET", .url = "/v2/" } };
	struct http_response resp;
	int rc = connection_open(&c, r, &p->arena, err);

	(void)ref;
	if (rc == 0)
		rc = registry_call(&c, &call, &resp, err);
	connection_close(&c);
	return rc;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	const char *host = argc ? argv[0] : "docker.io", *file;
	struct credentials c;
	int r = 0;

	if (strncmp(host, "https://", 8) == 0)
		host += 8;
	if (!o->user && o->registry.user) {
		struct registry_options ro = registry_flags_options(&p->arena, &o->registry);

		o->user = ro.user;
		o->password = ro.password;
	}
	if (!o->user)
		return error_set(err, ERR_USAGE, EINVAL, "login: --username is missing");
	if (!o->password)
		r = read_password(p, o, err);
	if (r < 0)
		return r;
	o->registry.user = arena_printf(&p->arena, "%s:%s", o->user, o->password);
	r = registry_with(p, &o->registry, &(struct reference){ .domain = host, .path = "login" }, false, try_login, p, err);
	if (r < 0)
		return r;
	c = (struct credentials){ .user = o->user, .password = o->password };
	r = credentials_store(&p->arena, o->registry.authfile, host, &c, &file, err);
	if (r == 0 && !p->quiet)
		printf("logged in to %s (%s)\n", host, file);
	return r;
}

const struct command command_login = { "login", "[HOST]", "check credentials for a registry and keep them", specs,
	sizeof(struct options), 0, 1, run };
