return {
  "000_base_mtls_auth",
}
