# Only certificates pass that the CA has issued under a policy, for client authentication. ADMIN is the address of Kong's Admin API.
set -eu
ADMIN=${ADMIN:-http://localhost:8001}

curl -fsS "$ADMIN/services" --json '{"name": "echo", "url": "http://127.0.0.1:1027"}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{
  "name": "mtls-auth",
  "config": {
    "ca_certificates": ["cce8c384-721f-4f58-85dd-50834e3e733a"],
    "skip_consumer_lookup": true,
    "required_policies": ["0.4.0.194112.1.1"],
    "required_extended_key_usages": ["clientAuth"]
  }
}'

# Last, so that no request passes meanwhile.
curl -fsS "$ADMIN/services/echo/routes" --json '{"name": "echo", "paths": ["/echo"]}'
