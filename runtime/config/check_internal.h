/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CONFIG_CHECK_INTERNAL_H
#define OCI_RT_RUNTIME_CONFIG_CHECK_INTERNAL_H

#include "runtime/config/check.h"

/* Shared by runtime/config/check*.c, for nobody else. */
struct check {
	const struct config *config; /* NULL when a process or resources stand alone */
	const char *prefix;	     /* path of the object being checked: "process.", "linux.resources.", "" */
	struct arena *arena;
	struct json_errors *errors, *warnings;
	/* What linux.namespaces says, by type. */
	const struct config_namespace *namespaces[CONFIG_NS_COUNT];
};

/* A JSON path, with the prefix; "" when the list of errors is full and nobody will see it. */
const char *check_at(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
/* Whether there is an error at this path (a whole one, with the prefix) or below it. */
bool check_failed(const struct check *c, const char *path);
/* Report; not when check_failed() already. */
void check_error(struct check *c, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4), cold));
void check_warning(struct check *c, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4), cold));

/* By subject.  Each is one file or a part of one. */
void check_process(struct check *c, const struct config_process *p);
void check_environment(struct check *c, const char *path, const char *const *env, size_t count);
void check_mounts(struct check *c);
void check_hooks(struct check *c, const struct config_hooks *hooks);
void check_namespaces(struct check *c);
void check_sysctl(struct check *c);
void check_linux(struct check *c);
void check_devices(struct check *c);
void check_resources(struct check *c, const struct config_resources *r);
void check_seccomp(struct check *c, const struct config_seccomp *s);

/* Ranges of a list of mappings; path names the list. */
void check_mappings(struct check *c, const char *path, const struct config_id_mapping *list, size_t count);

/* --- formats of strings (check_text.c) --------------------------------------- */

bool text_is_absolute(const char *s);
/* A byte below space, or DEL. */
bool text_has_control(const char *s);
/* ".." between the separators (any byte of them) and the ends. */
bool text_has_dotdot(const char *s, const char *separators);
/* MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD] of semver.org 2.0.0; the major version goes to *major. */
bool text_is_semver(const char *s, unsigned long *major);
/* "0-3,7": numbers up to 65535, ranges upwards, blanks around elements. */
bool text_is_number_list(const char *s);
/* A network interface's name as the kernel accepts it. */
bool text_is_interface_name(const char *s);
/* user:role:type[:level...] */
bool text_is_selinux_label(const char *s);
bool text_has_option(const char *const *options, size_t count, const char *option);

#endif
