/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_SECCOMP_PROGRAM_H
#define OCI_RT_RUNTIME_FACILITY_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "specs/config.h"

/* A filter as seccomp(2) takes it: classic BPF over struct seccomp_data. */
struct seccomp_program {
	struct sock_filter *insns;
	size_t count;
};

/* What decides the program: linux.seccomp, and whether an unknown name of a system call is an error. */
struct seccomp_profile {
	const struct config_seccomp *config;
	bool fail_unknown;
};

/* Compile through libseccomp, add the ENOSYS answers, make it small.  Errors: ERR_CONFIG, ERR_UNSUPPORTED (this
 * libseccomp does not know an architecture).  (seccomp_compile.c) */
int seccomp_compile(
	const struct seccomp_profile *profile, struct arena *a, struct seccomp_program *out, struct error *err);

/* The same before it is made small. */
int seccomp_compile_plain(
	const struct seccomp_profile *profile, struct arena *a, struct seccomp_program *out, struct error *err);

/* A compiled filter from annotation run.oci.seccomp_bpf_data: 1, 0 when there is none, or a negative errno.
 * (seccomp_raw.c) */
int seccomp_raw(const struct config_map *annotations, struct arena *a, struct seccomp_program *out, struct error *err);

/* A program with the same answers: one balanced tree of intervals of system call numbers per architecture, sharing
 * equal tests of arguments.  Returns false, and leaves *out alone, when `in` uses instructions that it does not
 * understand, when the result is not smaller or when its answers differ.  (seccomp_shrink.c) */
bool seccomp_shrink(const struct seccomp_program *in, struct arena *a, struct seccomp_program *out);

/* Where the answer of a program may change: what it compares with what. */
struct seccomp_constants {
	uint32_t *archs, *numbers, *words[12]; /* 32-bit words of the six arguments, as they lie in memory */
	size_t archs_count, numbers_count, words_count[12];
};

/* Collect the constants of `in`, appending; false when it uses instructions other than loads of the data, AND,
 * comparisons with constants and returns of constants.  (seccomp_equal.c) */
bool seccomp_constants(const struct seccomp_program *in, struct arena *a, struct seccomp_constants *out);

/* Do both programs give the same answers?  Tries every architecture and every boundary between numbers that either
 * compares with, with arguments around every constant that either compares with.  (seccomp_equal.c) */
bool seccomp_equal(const struct seccomp_program *x, const struct seccomp_program *y, struct arena *a);

/* Run the program as the kernel does: its return value.  False when it is not well formed: a jump or a load outside,
 * an instruction that seccomp(2) does not take.  *looked (may be NULL) becomes true when the program looks beyond
 * number and architecture.  (seccomp_run.c) */
bool seccomp_run(const struct seccomp_program *p, const struct seccomp_data *data, uint32_t *result, bool *looked);

/*
 * Compiled programs kept in <root>/.cache/seccomp, a directory of the user alone.  A file holds the whole text the
 * program was made from, so a wrong file is never mistaken for the right one.  (seccomp_cache.c)
 */
struct seccomp_key {
	const char *text; /* everything that decides the program, unambiguous */
	size_t len;
	char name[33]; /* of the file: digest of the text */
};
void seccomp_cache_key(const struct seccomp_profile *profile, struct arena *a, struct seccomp_key *key);

/* True when the program was found whole. */
bool seccomp_cache_load(const char *root, const struct seccomp_key *key, struct arena *a, struct seccomp_program *out);

/* Keep the program; failure costs time later and is no error. */
void seccomp_cache_store(const char *root, const struct seccomp_key *key, const struct seccomp_program *p);

/* How many programs are kept; the oldest make room. */
#define SECCOMP_CACHE_MAX 64

#endif
