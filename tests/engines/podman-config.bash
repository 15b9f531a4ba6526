# shellcheck shell=bash
# The configuration of Podman and buildah in a run: what contrib/podman/containers.conf shows, and the loopback registry.

podman_config() {
	local name etc=/etc/containers ulimits='default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]'
	# an unprivileged user's own; a machine with every capability needs no lower limits
	[ "$(id -u)" = 0 ] || etc=$HOME/.config/containers
	[ -z "${VARIANT:-}" ] || ulimits=''
	export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} PODMAN_IGNORE_CGROUPSV1_WARNING=1
	cat >"$W/containers.conf" <<-TOML
	[containers]
	$ulimits
	[engine]
	cgroup_manager = "${MANAGER:-cgroupfs}"
	events_logger = "file"
	stop_timeout = 1
	runtime_supports_json = ["crun", "runc", "oci-rt"]
	runtime_supports_nocgroup = ["crun", "oci-rt"]
	[engine.runtimes]
	oci-rt = ["$OCI_RT"]
	crun = ["$W/bin/crun"]
	[network]
	network_backend = "netavark"
	TOML
	export CONTAINERS_CONF=$W/containers.conf
	mkdir -p "$etc"
	cat >"$etc/registries.conf" <<-TOML
	unqualified-search-registries = ["docker.io"]
	[[registry]]
	location = "docker.io"
	[[registry.mirror]]
	location = "127.0.0.1:5000"
	insecure = true
	[[registry]]
	location = "127.0.0.1:5000"
	insecure = true
	TOML
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$etc/policy.json"
	name=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v crun)
	if [ -n "${VARIANT:-}" ]; then
		ln -sf "$name" "$W/bin/crun"
		return
	fi
	mkdir -p /run/crun
	# crun refuses the hybrid hierarchy; it works where that is not seen
	printf '#!/bin/sh\nexec unshare -m --propagation slave sh -c "umount -l /sys/fs/cgroup/unified 2>/dev/null; exec %s \\"\\$@\\"" crun "$@"\n' \
		"$name" >"$W/bin/crun"
	chmod +x "$W/bin/crun"
}
