# Only X509-SVIDs of example.org pass, and of these one workload. ADMIN is the address of Kong's Admin API.
set -eu
ADMIN=${ADMIN:-http://localhost:8001}

curl -fsS "$ADMIN/services" --json '{"name": "echo", "url": "http://127.0.0.1:1027"}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{
  "name": "mtls-auth",
  "config": {
    "ca_certificates": ["cce8c384-721f-4f58-85dd-50834e3e733a"],
    "skip_consumer_lookup": true,
    "spiffe_trust_domains": [{"trust_domain": "example.org", "ca_certificates": ["cce8c384-721f-4f58-85dd-50834e3e733a"]}]
  }
}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{"name": "acl", "config": {"allow": ["spiffe://example.org/ns/billing/sa/api"]}}'

# Last, so that no request passes meanwhile.
curl -fsS "$ADMIN/services/echo/routes" --json '{"name": "echo", "paths": ["/echo"]}'
