-- mtls-auth: refuses what the plugin did not let pass, or with another certificate, in
-- go-pluginserver mode and, before Kong 3.8, in plugin-server mode. Goes first into the
-- "access" list of every post-function plugin of the routes and services that mtls-auth
-- is set up for: of several, Kong runs only the one that is nearest the route.
-- Kong goes on with a request when the plugin server gave no answer about it: it has
-- ended, is being started, or was silent for a minute.
local judged, shown = kong.ctx.shared.mtls_auth_passed, ngx.var.ssl_client_raw_cert
if shown == nil or shown == "" then
  shown = "none"
end
if judged ~= shown then
  local message, of = "An unexpected error occurred", kong.request.get_header("Content-Type") or ""
  if of:find("^application/grpc") and kong.request.get_http_version() == 2 then
    -- Kong adds grpc-status.
    return kong.response.exit(500, nil, { ["Content-Type"] = "application/grpc", ["grpc-message"] = message })
  end
  return kong.response.exit(500, { message = message })
end
