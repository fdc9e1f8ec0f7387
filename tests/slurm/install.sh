#!/bin/sh
# Debian's SLURM, munge and MariaDB, for the tests that run a study on a real cluster.
#
# Only programs are wanted: tests/slurm/cluster.py starts and ends them itself, so no service
# is started here. Where SLURM cannot be installed this says why and succeeds; the tests then
# say the same and are skipped. With SIGHTLINE_NEEDS_SLURM set both fail instead.
set -eu

PROGRAMS="munged mariadbd mariadb-install-db slurmdbd slurmctld slurmd sbatch sacct sacctmgr"
PACKAGES="munge mariadb-server-core mariadb-client-core slurmdbd slurmctld slurmd slurm-client"
export PATH="$PATH:/usr/sbin:/sbin"

missing() {
    for program in $PROGRAMS; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

without() {
    if [ -n "${SIGHTLINE_NEEDS_SLURM:-}" ]; then
        echo "SLURM is not installed, and its tests may not be skipped: $1" >&2
        exit 1
    fi
    echo "SLURM is not installed, its tests are skipped: $1" >&2
    exit 0
}

if [ -z "$(missing)" ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    without "it takes root to install $PACKAGES"
fi
command -v apt-get >/dev/null || without "this is no Debian, install $PACKAGES another way"

# A package starts its services unless this file, which Debian's tools ask, forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
fi

log=$(mktemp)
install() {
    DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends $PACKAGES > "$log" 2>&1
}
if ! install; then
    # An image's package lists are empty, or older than what the mirror holds.
    if ! apt-get update > "$log" 2>&1 || ! install; then
        tail -n 20 "$log" >&2
        without "apt-get failed, as above"
    fi
fi
rm -f "$log"
[ -z "$(missing)" ] || without "after installing $PACKAGES there is no $(missing | tr '\n' ' ')"
