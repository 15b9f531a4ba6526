/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_STATUS_H
#define OCI_RT_IMAGE_TOOLS_STATUS_H

#include <errno.h>

/* errno values with a fixed meaning here, so that the exit status follows from the error alone. */
#define IMAGE_EAUTH EKEYREJECTED /* the registry wants other credentials */
#define IMAGE_ENETWORK ECOMM	 /* the network or the registry failed, retries included */
#define IMAGE_EDIGEST EBADMSG	 /* content does not have the digest it should have */
#define IMAGE_ESTEP ECHILD	 /* the program of a build step failed */

/* Exit statuses (documented in the usage text). */
enum image_exit {
	IMAGE_EXIT_OK = 0,
	IMAGE_EXIT_FAILURE = 1,
	IMAGE_EXIT_USAGE = 2,
	IMAGE_EXIT_NOT_FOUND = 3,
	IMAGE_EXIT_AUTH = 4,
	IMAGE_EXIT_NETWORK = 5,
	IMAGE_EXIT_DIGEST = 6,
	IMAGE_EXIT_STEP = 7,
};

#endif
