return { "000_base_header_cert_auth" }
