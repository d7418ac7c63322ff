-- As much of Kong's key-auth as shows that plugins work together: a key in a header.
local KeyAuth = { PRIORITY = 1250, VERSION = "0" }

local function authenticate()
  local key = kong.request.get_header("apikey")
  if not key then return "No API key found in request" end
  local credential = kong.db.keyauth_credentials:select_by_key(key)
  if not credential then return "Unauthorized" end
  kong.client.authenticate(kong.db.consumers:select({ id = credential.consumer.id }), credential)
end

function KeyAuth:access(conf)
  if conf.anonymous and kong.client.get_credential() then return end
  local refused = authenticate()
  if refused and conf.anonymous then
    kong.client.authenticate(kong.db.consumers:select_by_username(conf.anonymous), nil)
  elseif refused then
    return kong.response.exit(401, { message = refused })
  end
end

return KeyAuth
