#!/bin/sh
# Starts VictoriaMetrics with the password from its file. It goes in by the environment, because arguments are seen by all:
#     start.sh PROGRAM [FLAG …]
set -eu
httpAuth_password="$(cat "${SECRETS_DIR:-/run/secrets}/victoriametrics_password")"
export httpAuth_password
exec "$@" -envflag.enable -httpAuth.username=gateway
