/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_PUBLISHER_H
#define OCI_RT_SHIM_PUBLISHER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * Delivers events to containerd: over ttrpc to ttrpc_address; when there is no
 * such address, by running `binary --address grpc_address publish`; when there
 * is no address at all (CRI-O) events are dropped.
 */
void publisher_init(
	const char *ttrpc_address, const char *grpc_address, const char *binary, const char *namespace_name);

/* Queue one event; the time stamp is now. */
void publisher_send(const char *topic, const char *type_url, const ProtobufCMessage *msg);

/* Nothing is waiting. */
bool publisher_idle(void);

#endif
