-- mtls-auth.so: refuses what the plugin did not let pass, or with another
-- certificate. Goes first into the "access" list of every post-function plugin of
-- the routes and services that mtls-auth is set up for: of several, Kong runs only
-- the one that is nearest the route.
-- Kong goes on with a request when go-pluginserver gave no answer about it: it
-- has ended, is being started anew, or was silent for a minute.
local judged, shown = kong.ctx.shared.mtls_auth_passed, ngx.var.ssl_client_raw_cert
if shown == nil or shown == "" then
  shown = "none"
end
if judged ~= shown then
  return kong.response.exit(500, { message = "An unexpected error occurred" })
end
