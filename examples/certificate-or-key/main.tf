# A certificate or an API key (logical OR).
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
  depends_on = [kong_plugin.mtls_auth, kong_plugin.key_auth, kong_plugin.request_termination]
}

resource "kong_consumer" "client" {
  username = "client.example.com"
}

resource "kong_consumer" "alice" {
  username = "alice"
}

resource "kong_consumer_key_auth" "alice" {
  consumer_id = kong_consumer.alice.id
  key         = "replace-this-key"
}

resource "kong_consumer" "without_credentials" {
  username = "without-credentials"
}

resource "kong_plugin" "request_termination" {
  name        = "request-termination"
  consumer_id = kong_consumer.without_credentials.id
  config_json = jsonencode({
    status_code = 401
    message     = "Unauthorized"
  })
}

resource "kong_plugin" "mtls_auth" {
  name       = "mtls-auth"
  service_id = kong_service.echo.id
  config_json = jsonencode({
    ca_certificates = ["cce8c384-721f-4f58-85dd-50834e3e733a"]
    anonymous       = "without-credentials"
  })
}

resource "kong_plugin" "key_auth" {
  name       = "key-auth"
  service_id = kong_service.echo.id
  config_json = jsonencode({
    anonymous = "without-credentials"
  })
}
