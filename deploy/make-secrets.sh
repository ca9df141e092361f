#!/usr/bin/env bash
# Makes the passwords and tokens of docker-compose.yml: random, once each; what is there stays. Every user of mosquitto's access
# list gets one, so run it again when `envgw stations acl` has brought new devices.
#
#     deploy/make-secrets.sh                 make what is missing
#     deploy/make-secrets.sh --show [USER]   the MQTT users and their passwords (of one: the password alone), and Grafana's
#
# SECRETS_DIR and ACL name other places (docs/how-to/install-on-debian.md). The folder is for you alone (0700). The files in it
# are readable to all, because each container reads them as a user of its own, and docker mounts them one by one.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
secrets="${SECRETS_DIR:-$here/secrets}"
acl="${ACL:-$here/mosquitto/acl}"

if [ "${1:-}" = "--show" ]; then
  if [ -n "${2:-}" ]; then
    [ -f "$secrets/mqtt/$2" ] || { echo "no user $2 in $acl: add it to the registry, make the list and the secrets anew" >&2; exit 1; }
    cat "$secrets/mqtt/$2"
    echo
    exit
  fi
  for file in "$secrets"/mqtt/*; do printf 'mqtt %s %s\n' "$(basename "$file")" "$(cat "$file")"; done
  [ ! -f "$secrets/grafana_admin_password" ] || printf 'grafana admin %s\n' "$(cat "$secrets/grafana_admin_password")"
  exit
fi

umask 077
mkdir -p "$secrets/mqtt"
chmod 700 "$secrets"
chmod 755 "$secrets/mqtt"

random() {
  [ -s "$1" ] && return
  # 32 random bytes, written with letters and digits only: they go through headers, URLs and shells unharmed.
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
}

for name in influx_admin_password influx_token grafana_admin_password grafana_influx_password \
  influxdb1_admin_password influxdb1_gateway_password victoriametrics_password; do
  random "$secrets/$name"
done

users=()
while read -r word user; do [ "$word" != user ] || users+=("$user"); done <"$acl"
for user in "${users[@]}"; do
  case "$user" in */* | .*) echo "user '$user' in $acl cannot be the name of a file" >&2; exit 1 ;; esac
  random "$secrets/mqtt/$user"
done

# mosquitto keeps PBKDF2-SHA512 hashes: $7$iterations$salt$hash. Made here, so that mosquitto need not be installed. A user who is
# no longer in the list cannot log in any more. The file is written in place, because docker has mounted it, and only if it changes.
python3 - "$secrets" "${users[@]}" <<'PYTHON'
import base64, hashlib, os, pathlib, sys

def hashed(password: bytes, salt: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password, base64.b64decode(salt), 1000)
    return f"$7$1000${salt}${base64.b64encode(digest).decode()}"

secrets = pathlib.Path(sys.argv[1])
path = secrets / "mosquitto_passwords"
before = path.read_text() if path.exists() else ""
salts = {user: rest.split("$")[3] for user, _, rest in (line.partition(":") for line in before.splitlines())}
text = ""
for user in sys.argv[2:]:
    salt = salts.get(user) or base64.b64encode(os.urandom(12)).decode()
    text += f"{user}:{hashed((secrets / 'mqtt' / user).read_bytes(), salt)}\n"
if text != before:
    path.touch()
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(0o444)
PYTHON

echo "Secrets of ${#users[@]} MQTT users and the servers are in $secrets. deploy/make-secrets.sh --show prints those that people need."
