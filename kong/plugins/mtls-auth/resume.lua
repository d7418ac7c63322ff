-- Which TLS sessions are resumed. A session made where no certificate was asked for has
-- none, and a client that resumes it is never asked. OpenSSL takes a session for absent
-- when its context is not that of the connection (SSL_set_session_id_context(3)). It is
-- set when the ClientHello has come, before the session is looked up; Kong has a hook
-- there since 3.9.
local _M = { installed = false }

local MAX_NAME = 255 -- bytes of a server name

-- Wraps what Kong does at each ClientHello. context returns the context for a server
-- name, of 32 bytes, nil where no certificate is asked for.
function _M.install(context, failed)
  local phases = package.loaded.kong -- what nginx.conf calls
  local ssl_client_hello = phases and phases.ssl_client_hello
  local found, ffi = pcall(require, "ffi")
  if not found or type(ssl_client_hello) ~= "function" then return end
  local clienthello, tls = require "ngx.ssl.clienthello", require "resty.kong.tls"
  pcall(ffi.cdef, "int SSL_set_session_id_context(void *ssl, const unsigned char *context, unsigned int length);")

  local function set()
    local name, malformed = clienthello.get_client_hello_server_name()
    -- OpenSSL, which reads it later, refuses these.
    if malformed or name and #name > MAX_NAME then return end
    local value = context(name)
    if not value then return end
    local ssl, wrong = tls.get_request_ssl_pointer()
    if not ssl then error(wrong, 0) end
    if ffi.C.SSL_set_session_id_context(ffi.cast("void *", ssl), value, #value) ~= 1 then
      error("SSL_set_session_id_context", 0)
    end
  end

  phases.ssl_client_hello = function(...)
    ssl_client_hello(...)
    local ok, err = pcall(set)
    if ok then return end
    failed("session context, so TLS sessions are not resumed", err)
    _M.installed = false
  end
  _M.installed = true
end

return _M
