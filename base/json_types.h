/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_JSON_TYPES_H
#define OCI_RT_BASE_JSON_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values that a document may leave out: .set says whether it had them (null counts as absent). */
struct opt_bool {
	bool set;
	bool value;
};
struct opt_i64 {
	bool set;
	int64_t value;
};
struct opt_u64 {
	bool set;
	uint64_t value;
};

/* An object whose members are all strings, in the order of the document. */
struct json_key_value {
	const char *key;
	const char *value;
};

#endif
