/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: one table; the compression of a layer is never taken from its type but sniffed. */
#include "image-tools/media.h"

#include <string.h>

static const struct {
	const char *type;
	enum media_role role;
} table[] = {
	{ MEDIA_OCI_INDEX, MEDIA_INDEX },
	{ MEDIA_DOCKER_LIST, MEDIA_INDEX },
	{ MEDIA_OCI_MANIFEST, MEDIA_MANIFEST },
	{ MEDIA_DOCKER_MANIFEST, MEDIA_MANIFEST },
	{ MEDIA_OCI_CONFIG, MEDIA_CONFIG },
	{ MEDIA_DOCKER_CONFIG, MEDIA_CONFIG },
	{ MEDIA_OCI_LAYER, MEDIA_LAYER },
	{ MEDIA_OCI_LAYER_GZIP, MEDIA_LAYER },
	{ MEDIA_OCI_LAYER_ZSTD, MEDIA_LAYER },
	{ MEDIA_DOCKER_LAYER_GZIP, MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1 },
	{ MEDIA_OCI_EMPTY, MEDIA_EMPTY },
};

enum media_role media_role(const char *type)
{
	size_t n;

	if (!type)
		return MEDIA_UNKNOWN;
	n = strcspn(type, "; \t");
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (strlen(table[i].type) == n && strncmp(type, table[i].type, n) == 0)
			return table[i].role;
	return MEDIA_UNKNOWN;
}

bool media_is_docker(const char *type)
{
	return type && strncmp(type, "application/vnd.docker.", 23) == 0;
}
