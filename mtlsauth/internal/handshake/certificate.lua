-- mtls-auth: asks every TLS client for a certificate. Goes into the
-- "certificate" list of a global pre-function plugin.
-- It never blocks the handshake: what fails is logged, and a client that was
-- not asked is refused later, by the plugin, for having sent no certificate.
local ok, err = kong.client.tls.request_client_certificate()
if not ok then
  kong.log.err("mtls-auth: request_client_certificate: ", err)
end

-- OpenSSL keeps the client's leaf in a TLS session, but not the chain above
-- it. Without this, a resumed connection would come without intermediates.
ok, err = kong.client.tls.disable_session_reuse()
if not ok then
  kong.log.err("mtls-auth: disable_session_reuse: ", err)
end
