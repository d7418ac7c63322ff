# The certificate in a header of an AWS ALB in passthrough mode.
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
  depends_on = [kong_plugin.header_cert_auth]
}

resource "kong_plugin" "header_cert_auth" {
  name       = "header-cert-auth"
  service_id = kong_service.echo.id
  config_json = jsonencode({
    ca_certificates           = ["cce8c384-721f-4f58-85dd-50834e3e733a"]
    certificate_header_name   = "X-Amzn-Mtls-Clientcert"
    certificate_header_format = "url_encoded"
    hide_certificate_header   = true
    skip_consumer_lookup      = true
  })
}
