-- SHA-256 of a text.
local sha256 = require "resty.sha256"

return function(text)
  local hash = sha256:new()
  hash:update(text)
  return hash:final()
end
