#!/bin/bash
# Makes a replica of the primary when there is none yet, and runs it.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -d -o postgres -g postgres -m 700 "$PGDATA"
  gosu postgres pg_basebackup --host=primary --username=patron --pgdata="$PGDATA" --wal-method=stream \
    --write-recovery-conf --checkpoint=fast
  # By this name the primary waits for it.
  echo "primary_conninfo = 'host=primary user=patron password=$PGPASSWORD application_name=replica'" \
    >>"$PGDATA/postgresql.auto.conf"
  # Copied from the primary, which waits for this one. Once promoted, it has nobody to wait for.
  echo "synchronous_standby_names = ''" >>"$PGDATA/postgresql.auto.conf"
fi
exec gosu postgres postgres -c hot_standby=on
