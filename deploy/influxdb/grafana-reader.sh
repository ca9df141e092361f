#!/bin/bash
# Run once by InfluxDB's image after its setup: a login that may read the bucket and nothing else, for Grafana's InfluxQL.
set -euo pipefail
influx v1 auth create \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --username grafana \
  --password "$(cat /run/secrets/grafana_influx_password)" \
  --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
