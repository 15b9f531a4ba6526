/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SPECS_ENUMS_H
#define OCI_RT_SPECS_ENUMS_H

#include "base/json.h"

/*
 * The names that the runtime specification knows, each with the value that
 * specs/config.h (or the kernel, where the comment says so) gives it.  The
 * reader accepts exactly these, and `features` prints them.
 */
extern const struct json_enum config_namespace_types;	  /* enum config_namespace_type */
extern const struct json_enum config_capability_names;	  /* the kernel's capability numbers */
extern const struct json_enum config_rlimit_types;	  /* enum config_rlimit_type */
extern const struct json_enum config_scheduler_policies;  /* enum config_scheduler_policy */
extern const struct json_enum config_scheduler_flags;	  /* the kernel's SCHED_FLAG_* bits */
extern const struct json_enum config_io_priority_classes; /* enum config_io_priority_class */
extern const struct json_enum config_memory_policy_modes; /* enum config_memory_policy_mode */
extern const struct json_enum config_memory_policy_flags; /* the kernel's MPOL_F_* bits */
extern const struct json_enum config_personality_domains; /* the kernel's PER_* values */
extern const struct json_enum config_propagations;	  /* enum config_propagation */
extern const struct json_enum config_device_types;	  /* 'c', 'b', 'u', 'p' */
extern const struct json_enum config_device_rule_types;	  /* 'a', 'c', 'b' */
extern const struct json_enum config_seccomp_actions;	  /* enum config_seccomp_action */
extern const struct json_enum config_seccomp_operators;	  /* enum config_seccomp_operator */
extern const struct json_enum config_seccomp_archs;	  /* 1, 2, ...: only the names matter */
extern const struct json_enum config_seccomp_flags;	  /* the kernel's SECCOMP_FILTER_FLAG_* bits */
extern const struct json_enum config_hook_names;	  /* 1, 2, ...: in the order in which they run */
extern const struct json_enum config_clock_names;	  /* the kernel's CLOCK_* numbers */

#endif
