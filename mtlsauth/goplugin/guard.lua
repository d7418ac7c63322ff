-- mtls-auth.so: refuses what the plugin did not let pass. Goes into the "access"
-- list of a post-function plugin wherever mtls-auth is set up.
-- Kong goes on with a request when go-pluginserver gave no answer about it: it
-- has ended, is being started anew, or was silent for a minute.
if kong.ctx.shared.mtls_auth_passed ~= true then
  return kong.response.exit(500, { message = "An unexpected error occurred" })
end
