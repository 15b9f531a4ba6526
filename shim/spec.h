/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_SPEC_H
#define OCI_RT_SHIM_SPEC_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/* What the shim wants to know from a bundle's config.json. */
struct spec {
	bool private_pidns;  /* linux.namespaces has a pid namespace without a path */
	bool systemd_cgroup; /* linux.cgroupsPath has the form slice:prefix:name */
	const char *group;   /* annotation that groups containers, "" when there is none */
};

int spec_read(const char *bundle, struct arena *a, struct spec *spec, struct error *err);

#endif
