#!/usr/bin/env bash
# Makes the passwords and tokens of docker-compose.yml: random, once each; what is there stays. `--show` prints what sensors
# and boards must be told.
#
# The folder is for you alone (0700). The files in it are readable to all, because each container reads them as a user of its
# own, and docker mounts them one by one.
set -euo pipefail
cd "$(dirname "$0")"
secrets="${SECRETS_DIR:-secrets}"
mkdir -p "$secrets"
chmod 700 "$secrets"

for name in mqtt_gateway_password mqtt_sensors_password mqtt_boards_password influx_admin_password influx_token \
  grafana_admin_password grafana_influx_password; do
  if [ ! -s "$secrets/$name" ]; then
    # 32 random bytes, written with letters and digits only: they go through headers, URLs and shells unharmed.
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$secrets/$name"
    chmod 444 "$secrets/$name"
  fi
done

# mosquitto keeps PBKDF2-SHA512 hashes: $7$iterations$salt$hash. Made here, so that mosquitto need not be installed.
python3 - "$secrets" <<'PYTHON'
import base64, hashlib, os, pathlib, sys

folder = pathlib.Path(sys.argv[1])
lines = []
for user in ("gateway", "sensors", "boards"):
    password = (folder / f"mqtt_{user}_password").read_bytes()
    salt, iterations = os.urandom(12), 1000
    digest = hashlib.pbkdf2_hmac("sha512", password, salt, iterations)
    lines.append(f"{user}:$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
path = folder / "mosquitto_passwords"
path.unlink(missing_ok=True)
path.write_text("".join(lines))
path.chmod(0o444)
PYTHON

if [ "${1:-}" = "--show" ]; then
  echo "MQTT user sensors: $(cat "$secrets/mqtt_sensors_password")"
  echo "MQTT user boards:  $(cat "$secrets/mqtt_boards_password")"
  echo "Grafana admin:     $(cat "$secrets/grafana_admin_password")"
else
  echo "Secrets are in $(cd "$secrets" && pwd). deploy/make-secrets.sh --show prints those that people need."
fi
