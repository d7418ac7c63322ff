# The certificate in a header of an AWS ALB in passthrough mode.
# trusted_ips in kong.conf names the proxy. ADMIN is the address of Kong's Admin API.
set -eu
ADMIN=${ADMIN:-http://localhost:8001}

curl -fsS "$ADMIN/services" --json '{"name": "echo", "url": "http://127.0.0.1:1027"}'
curl -fsS "$ADMIN/services/echo/plugins" --json '{
  "name": "header-cert-auth",
  "config": {
    "ca_certificates": ["cce8c384-721f-4f58-85dd-50834e3e733a"],
    "certificate_header_name": "X-Amzn-Mtls-Clientcert",
    "certificate_header_format": "url_encoded",
    "hide_certificate_header": true,
    "skip_consumer_lookup": true
  }
}'

# Last, so that no request passes meanwhile.
curl -fsS "$ADMIN/services/echo/routes" --json '{"name": "echo", "paths": ["/echo"]}'
