-- mtls-auth: clients authenticate with a certificate in the TLS handshake. The server
-- decides; this is the plugin in Kong's worker that asks it and carries out the answer.
local base = (...):match("^(.+%.)handler$")
local presented, request, worker = require(base .. "presented"), require(base .. "request"), require(base .. "worker")
local handshake, server = require(base .. "handshake"), require(base .. "server")

local Handler = {
  PRIORITY = 1600, VERSION = server.VERSION, certificate = handshake.certificate, access = request.phase(presented),
}

-- Called with all configurations, at first and when they have changed.
function Handler:configure(configs)
  if worker.configure() then handshake.configure(configs or {}) end
end

function Handler:init_worker()
  if not worker.runs() then return end
  handshake.install()
  worker.start(handshake.later)
end

return Handler
