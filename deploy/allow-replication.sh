#!/bin/bash
# Lets the replica in, and has the primary wait for it. Run once, when the primary is made; what it writes holds from
# the next start on, so that the primary can be made before there is a replica.
set -euo pipefail
echo "host replication all 172.28.5.0/24 scram-sha-256" >>"$PGDATA/pg_hba.conf"
echo "synchronous_standby_names = 'replica'" >>"$PGDATA/postgresql.auto.conf"
