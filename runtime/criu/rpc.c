/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: one table per message; the numbers are facts of CRIU's protocol, which only grows. */
#include "runtime/criu/rpc.h"

#define MESSAGE(NAME, T, FIELDS) static const struct wire_message NAME = WIRE_MESSAGE_OF(T, FIELDS)

static const struct wire_field page_server_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_page_server, address),
	WIRE_F(2, WIRE_INT, struct criu_page_server, port),
};
MESSAGE(page_server_message, struct criu_page_server, page_server_fields);

static const struct wire_field mount_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_mount, key),
	WIRE_F(2, WIRE_STRING, struct criu_mount, value),
};
MESSAGE(mount_message, struct criu_mount, mount_fields);

static const struct wire_field join_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_join, ns),
	WIRE_F(2, WIRE_STRING, struct criu_join, file),
};
MESSAGE(join_message, struct criu_join, join_fields);

static const struct wire_field inherit_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_inherit, key),
	WIRE_F(2, WIRE_INT, struct criu_inherit, fd),
};
MESSAGE(inherit_message, struct criu_inherit, inherit_fields);

static const struct wire_field cgroup_root_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_cgroup_root, controller),
	WIRE_F(2, WIRE_STRING, struct criu_cgroup_root, path),
};
MESSAGE(cgroup_root_message, struct criu_cgroup_root, cgroup_root_fields);

#define F(NUMBER, KIND, M) WIRE_F(NUMBER, KIND, struct criu_opts, M)
#define LIST(NUMBER, M, MESSAGE) WIRE_F_LIST(NUMBER, WIRE_MESSAGES, struct criu_opts, M, .message = (MESSAGE))
static const struct wire_field opts_fields[] = {
	F(1, WIRE_INT, images_dir_fd),
	F(2, WIRE_INT, pid),
	F(3, WIRE_BOOL, leave_running),
	F(4, WIRE_BOOL, ext_unix_sk),
	F(5, WIRE_BOOL, tcp_established),
	F(6, WIRE_BOOL, evasive_devices),
	F(7, WIRE_BOOL, shell_job),
	F(8, WIRE_BOOL, file_locks),
	F(9, WIRE_INT, log_level),
	F(10, WIRE_STRING, log_file),
	WIRE_F_MESSAGE(11, struct criu_opts, ps, &page_server_message),
	F(12, WIRE_BOOL, notify_scripts),
	F(13, WIRE_STRING, root),
	F(14, WIRE_STRING, parent_img),
	F(15, WIRE_BOOL, track_mem),
	F(16, WIRE_BOOL, auto_dedup),
	F(17, WIRE_INT, work_dir_fd),
	F(18, WIRE_BOOL, link_remap),
	LIST(23, ext_mnt, &mount_message),
	F(24, WIRE_BOOL, manage_cgroups),
	LIST(25, cg_root, &cgroup_root_message),
	F(26, WIRE_BOOL, rst_sibling),
	LIST(27, inherit_fd, &inherit_message),
	F(29, WIRE_BOOL, ext_sharing),
	F(30, WIRE_BOOL, ext_masters),
	F(34, WIRE_INT, manage_cgroups_mode),
	WIRE_F_LIST(37, WIRE_STRINGS, struct criu_opts, external),
	F(38, WIRE_INT, empty_ns),
	LIST(39, join_ns, &join_message),
	F(44, WIRE_STRING, freeze_cgroup),
	F(46, WIRE_BOOL, tcp_skip_in_flight),
	F(48, WIRE_BOOL, lazy_pages),
	F(49, WIRE_INT, status_fd),
	F(50, WIRE_BOOL, orphan_pts_master),
	F(51, WIRE_STRING, config_file),
	F(52, WIRE_BOOL, tcp_close),
	F(53, WIRE_STRING, lsm_profile),
	F(63, WIRE_STRING, lsm_mount_context),
	F(64, WIRE_INT, network_lock),
};
#undef LIST
#undef F
MESSAGE(opts_message, struct criu_opts, opts_fields);

static const struct wire_field features_fields[] = {
	WIRE_F(1, WIRE_BOOL, struct criu_features, mem_track),
	WIRE_F(2, WIRE_BOOL, struct criu_features, lazy_pages),
};
MESSAGE(features_message, struct criu_features, features_fields);

static const struct wire_field request_fields[] = {
	WIRE_F(1, WIRE_INT, struct criu_request, type),
	WIRE_F_MESSAGE(2, struct criu_request, opts, &opts_message),
	WIRE_F(3, WIRE_BOOL, struct criu_request, notify_success),
	WIRE_F(4, WIRE_BOOL, struct criu_request, keep_open),
	WIRE_F_MESSAGE(5, struct criu_request, features, &features_message),
};
const struct wire_message criu_request_message = WIRE_MESSAGE_OF(struct criu_request, request_fields);

static const struct wire_field restore_fields[] = {
	WIRE_F(1, WIRE_INT, struct criu_pid, pid),
};
MESSAGE(restore_message, struct criu_pid, restore_fields);

static const struct wire_field notify_fields[] = {
	WIRE_F(1, WIRE_STRING, struct criu_pid, script),
	WIRE_F(2, WIRE_INT, struct criu_pid, pid),
};
MESSAGE(notify_message, struct criu_pid, notify_fields);

static const struct wire_field version_fields[] = {
	WIRE_F(1, WIRE_INT, struct criu_version, major),
	WIRE_F(2, WIRE_INT, struct criu_version, minor),
	WIRE_F(4, WIRE_INT, struct criu_version, sublevel),
};
MESSAGE(version_message, struct criu_version, version_fields);

static const struct wire_field response_fields[] = {
	WIRE_F(1, WIRE_INT, struct criu_response, type),
	WIRE_F(2, WIRE_BOOL, struct criu_response, success),
	WIRE_F_MESSAGE(4, struct criu_response, restore, &restore_message),
	WIRE_F_MESSAGE(5, struct criu_response, notify, &notify_message),
	WIRE_F(7, WIRE_INT, struct criu_response, cr_errno),
	WIRE_F_MESSAGE(8, struct criu_response, features, &features_message),
	WIRE_F_MESSAGE(10, struct criu_response, version, &version_message),
};
const struct wire_message criu_response_message = WIRE_MESSAGE_OF(struct criu_response, response_fields);
