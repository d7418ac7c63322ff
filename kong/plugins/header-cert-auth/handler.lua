-- header-cert-auth: a proxy that ends TLS hands clients' certificates over in a header. All
-- but where the certificate comes from is as in mtls-auth, whose modules it uses.
local base = (...):match("^(.+%.)handler$")
local shared = base:gsub("header%-cert%-auth", "mtls-auth")
local request, server, worker = require(shared .. "request"), require(shared .. "server"), require(shared .. "worker")
local presented = require(base .. "presented")

local Handler = { PRIORITY = 1009, VERSION = server.VERSION, access = request.phase(presented) }

-- Called with all configurations, at first and when they have changed.
function Handler:configure(configs)
  if not worker.configure() then return end
  for _, conf in ipairs(configs or {}) do presented.prepare(conf) end
end

function Handler:init_worker()
  if worker.runs() then worker.start() end
end

return Handler
