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
  return kong.response.exit(500, { message = "An unexpected error occurred" })
end
