# A certificate or an API key (logical OR). ADMIN is the address of Kong's Admin API.
set -eu
ADMIN=${ADMIN:-http://localhost:8001}

curl -fsS "$ADMIN/services" --json '{"name": "echo", "url": "http://127.0.0.1:1027"}'
curl -fsS "$ADMIN/consumers" --json '{"username": "client.example.com"}'
curl -fsS "$ADMIN/consumers" --json '{"username": "alice"}'
curl -fsS "$ADMIN/consumers/alice/key-auth" --json '{"key": "replace-this-key"}'
curl -fsS "$ADMIN/consumers" --json '{"username": "without-credentials"}'
curl -fsS "$ADMIN/consumers/without-credentials/plugins" --json '{"name": "request-termination", "config": {"status_code": 401, "message": "Unauthorized"}}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{
  "name": "mtls-auth",
  "config": {"ca_certificates": ["cce8c384-721f-4f58-85dd-50834e3e733a"], "anonymous": "without-credentials"}
}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{"name": "key-auth", "config": {"anonymous": "without-credentials"}}'

# Last, so that no request passes meanwhile.
curl -fsS "$ADMIN/services/echo/routes" --json '{"name": "echo", "paths": ["/echo"]}'
