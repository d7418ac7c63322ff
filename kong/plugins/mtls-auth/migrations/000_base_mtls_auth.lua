-- CA certificates are of no workspace, consumers are of one, and so are mappings.
return {
  postgres = {
    up = [[
      CREATE TABLE IF NOT EXISTS "mtls_auth_credentials" (
        "id"                 UUID                      PRIMARY KEY,
        "created_at"         TIMESTAMP WITH TIME ZONE  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
        "consumer_id"        UUID                      NOT NULL,
        "subject_name"       TEXT                      NOT NULL,
        "ca_certificate_id"  UUID                      REFERENCES "ca_certificates" ("id") ON DELETE CASCADE,
        "cache_key"          TEXT                      UNIQUE,
        "tags"               TEXT[],
        "ws_id"              UUID                      REFERENCES "workspaces" ("id"),

        UNIQUE ("id", "ws_id"),
        CONSTRAINT "mtls_auth_credentials_consumer_id_fkey"
          FOREIGN KEY ("consumer_id", "ws_id") REFERENCES "consumers" ("id", "ws_id") ON DELETE CASCADE
      );

      CREATE INDEX IF NOT EXISTS "mtls_auth_credentials_consumer_id_idx"
        ON "mtls_auth_credentials" ("consumer_id");
      CREATE INDEX IF NOT EXISTS "mtls_auth_credentials_ca_certificate_id_idx"
        ON "mtls_auth_credentials" ("ca_certificate_id");
      CREATE INDEX IF NOT EXISTS "mtls_auth_credentials_tags_idx"
        ON "mtls_auth_credentials" USING GIN ("tags");

      DROP TRIGGER IF EXISTS "mtls_auth_credentials_sync_tags_trigger" ON "mtls_auth_credentials";
      CREATE TRIGGER "mtls_auth_credentials_sync_tags_trigger"
        AFTER INSERT OR UPDATE OF "tags" OR DELETE ON "mtls_auth_credentials"
        FOR EACH ROW EXECUTE PROCEDURE sync_tags();
    ]],
  },
}
