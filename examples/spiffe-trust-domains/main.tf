# Only X509-SVIDs of example.org pass, and of these one workload.
terraform {
  required_providers {
    kong = {
      source = "kevholditch/kong"
    }
  }
}

provider "kong" {
  kong_admin_uri = "http://localhost:8001"
}

resource "kong_service" "echo" {
  name     = "echo"
  protocol = "http"
  host     = "127.0.0.1"
  port     = 1027
}

resource "kong_route" "echo" {
  name       = "echo"
  protocols  = ["http", "https"]
  paths      = ["/echo"]
  service_id = kong_service.echo.id

  # So that no request passes before the plugins are there.
  depends_on = [kong_plugin.mtls_auth, kong_plugin.acl]
}

resource "kong_plugin" "mtls_auth" {
  name       = "mtls-auth"
  service_id = kong_service.echo.id
  config_json = jsonencode({
    ca_certificates      = ["cce8c384-721f-4f58-85dd-50834e3e733a"]
    skip_consumer_lookup = true
    spiffe_trust_domains = [{
      trust_domain    = "example.org"
      ca_certificates = ["cce8c384-721f-4f58-85dd-50834e3e733a"]
    }]
  })
}

resource "kong_plugin" "acl" {
  name       = "acl"
  service_id = kong_service.echo.id
  config_json = jsonencode({
    allow = ["spiffe://example.org/ns/billing/sa/api"]
  })
}
