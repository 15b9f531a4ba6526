/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_FEATURES_H
#define OCI_RT_RUNTIME_COMMAND_FEATURES_H

/* The versions of runtime-spec whose configurations are understood; `spec` writes the newest. */
#define OCI_VERSION_MIN "1.0.0"
#define OCI_VERSION_MAX "1.3.0"

/* Parts that a build may lack.  `features` says no more than this, and the annotations they would honour are left
 * out with them. */
#define FEATURE_INTEL_RDT 1  /* runtime/facility/intel_rdt.c */
#define FEATURE_CHECKPOINT 1 /* checkpoint and restore */
#ifdef HAVE_SYSTEMD
#define FEATURE_SYSTEMD 1
#else
#define FEATURE_SYSTEMD 0
#endif
#ifdef HAVE_SELINUX
#define FEATURE_SELINUX 1
#else
#define FEATURE_SELINUX 0
#endif

#endif
