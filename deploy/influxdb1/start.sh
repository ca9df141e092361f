#!/bin/bash
# InfluxDB 1.8's image makes its users from variables only: they are filled from the secrets' files here, at the start.
set -euo pipefail
secrets="${SECRETS_DIR:-/run/secrets}"
INFLUXDB_ADMIN_PASSWORD="$(<"$secrets/influxdb1_admin_password")"
INFLUXDB_USER_PASSWORD="$(<"$secrets/influxdb1_gateway_password")"
INFLUXDB_READ_USER_PASSWORD="$(<"$secrets/grafana_influx_password")"
export INFLUXDB_ADMIN_PASSWORD INFLUXDB_USER_PASSWORD INFLUXDB_READ_USER_PASSWORD
exec "${ENTRYPOINT:-/entrypoint.sh}" influxd
