return {
  "000_base_mtls_auth",
  "001_consumer_foreign_key",
}
