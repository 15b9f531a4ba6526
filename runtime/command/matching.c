/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: --regex of kill and delete (crun): the operand is a POSIX
 * extended regular expression, and every container whose id it matches, anywhere
 * unless anchored, is meant.  What fails with one of them is a warning, and the
 * others have their turn.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/log.h"
#include "runtime/command/command.h"

int containers_matching(struct runtime *rt, const struct arguments *args, container_fn *act, struct error *err)
{
	const char **ids, *pattern = args->operands[0];
	regex_t expression;
	size_t count;
	int e, r;

	e = regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB);
	if (e) {
		char why[128];

		regerror(e, &expression, why, sizeof why);
		return error_set(err, ERR_USAGE, EINVAL, "--regex \"%s\": %s", pattern, why);
	}
	r = list_ids(rt, &ids, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct error one = { 0 };

		if (regexec(&expression, ids[i], 0, NULL, 0) == 0 && act(rt, ids[i], args, &one) < 0)
			log_warning("container \"%s\": %s", ids[i], one.msg);
	}
	regfree(&expression);
	return r;
}
