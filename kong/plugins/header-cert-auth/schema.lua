-- Generated from the schema that the query command prints: see go generate in
-- mtlsauth/internal/config. Kong checks configurations with it, also where the
-- program is not: on a control plane, in kong config parse, in migrations.
-- luacheck: no max line length

local typedefs = require "kong.db.schema.typedefs"

local plugin = (...):match("^kong%.plugins%.(.+)%.schema$")


local schema = {
  name = plugin,
  fields = {
    { protocols = {
        type = "set",
        default = { "grpc", "grpcs", "http", "https" },
        elements = { type = "string", one_of = { "grpc", "grpcs", "http", "https" } },
        required = true,
        description = "The protocols of the requests that the plugin runs on.",
      } },
    { consumer = { type = "foreign", eq = ngx.null, reference = "consumers", description = "The plugin cannot be set up for one consumer." } },
    { config = {
        type = "record",
        fields = {
          { ca_certificates = { type = "array", elements = { type = "string", uuid = true }, len_min = 1, required = true, description = "Ids of the Kong CA Certificates that are trusted." } },
          { certificate_header_name = {
              type = "string",
              match = "^[%w!#$%%&'*+%-.^_`|~]+$",
              match_none = {
                { err = "header has another meaning: must be a header of its own", pattern = "^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt][-_][Ll][Ee][Nn][Gg][Tt][Hh]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Oo][Kk][Ii][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Hh][Oo][Ss][Tt]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Kk][Ee][Ee][Pp][-_][Aa][Ll][Ii][Vv][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Ee][Nn][Tt][Ii][Cc][Aa][Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Ii][Ll][Ee][Rr]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr][-_][Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Uu][Pp][Gg][Rr][Aa][Dd][Ee]$" },
              },
              required = true,
              description = "The request header that has the client's certificate, spelled as it is sent, with - or _.",
            } },
          { certificate_header_format = {
              type = "string",
              one_of = { "base64_encoded", "url_encoded", "rfc9440", "xfcc", "base64_list", "pem" },
              required = true,
              description = "How the certificate is written in the header.",
            } },
          { secure_source = {
              type = "boolean",
              default = true,
              required = true,
              description = "Whether the header counts only from a peer in Kong's trusted_ips; from any other it is as if not sent.",
            } },
          { skip_consumer_lookup = { type = "boolean", default = false, required = true, description = "Whether a trusted certificate is enough, without a consumer." } },
          { consumer_by = {
              type = "array",
              default = { "username", "custom_id" },
              elements = { type = "string", one_of = { "username", "custom_id" } },
              description = "Attributes of a consumer that the names in the certificate are compared with; an empty list or null turns matching off.",
            } },
          { authenticated_group_by = {
              type = "string",
              default = "CN",
              one_of = { "CN", "DN" },
              description = "What of the certificate becomes the authenticated group that the ACL plugin sees; null for none.",
            } },
          { anonymous = { type = "string", description = "UUID or username of the consumer to use when authentication fails." } },
          { default_consumer = { type = "string", description = "UUID or username of the consumer to use when no consumer matches a trusted certificate." } },
          { allow_partial_chain = { type = "boolean", default = false, required = true, description = "Whether a certification path may end at a configured certificate that is not self-signed." } },
          { revocation_check_mode = {
              type = "string",
              default = "IGNORE_CA_ERROR",
              one_of = { "SKIP", "IGNORE_CA_ERROR", "STRICT" },
              description = "Whether certificates are checked for revocation: SKIP never; of a certificate whose status cannot be found out, IGNORE_CA_ERROR lets requests pass and STRICT refuses them.",
            } },
          { http_timeout = { type = "number", default = 30000, gt = 0, description = "Milliseconds for each OCSP or CRL exchange, including the connection." } },
          { cert_cache_ttl = {
              type = "number",
              between = { 0, 9007199254740991 },
              default = 60000,
              description = "Milliseconds after which an OCSP response is fetched again, and a CRL, which is fetched at most every five minutes.",
            } },
          { cache_ttl = {
              type = "number",
              between = { 0, 9007199254740991 },
              default = 60,
              required = true,
              description = "Seconds for which a consumer lookup is cached, one that found no consumer too; 0 caches none.",
            } },
          { http_proxy_host = { type = "string", match = "^[%w%-_%.:%[%]]+$", description = "Host of the forward proxy for OCSP and CRL at http URLs." } },
          { http_proxy_port = { type = "integer", between = { 0, 65535 }, description = "Port of the forward proxy for OCSP and CRL at http URLs." } },
          { https_proxy_host = { type = "string", match = "^[%w%-_%.:%[%]]+$", description = "Host of the forward proxy for OCSP and CRL at https URLs." } },
          { https_proxy_port = { type = "integer", between = { 0, 65535 }, description = "Port of the forward proxy for OCSP and CRL at https URLs." } },
          { ssl_verify = { type = "boolean", default = true, description = "Whether the TLS certificates of OCSP and CRL servers are verified, with the system's CAs." } },
          { san_dirname_matcher = {
              type = "array",
              default = {},
              elements = { type = "string" },
              description = "Attributes of a directoryName in the SAN that are subject names, by OID, long or short name; an empty list means all.",
            } },
          { credentials = {
              type = "array",
              elements = {
                type = "record",
                fields = {
                  { subject_name = { type = "string", required = true, description = "A name in the certificate." } },
                  { consumer = { type = "string", required = true, description = "UUID or username of the consumer." } },
                  { ca_certificate = { type = "string", uuid = true, description = "Id of the CA Certificate that must have issued the certificate; any when absent." } },
                },
              },
              description = "Manual mappings of names in certificates to consumers.",
            } },
          { certificate_chain_header_name = {
              type = "string",
              match = "^[%w!#$%%&'*+%-.^_`|~]+$",
              match_none = {
                { err = "header has another meaning: must be a header of its own", pattern = "^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt][-_][Ll][Ee][Nn][Gg][Tt][Hh]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Oo][Kk][Ii][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Hh][Oo][Ss][Tt]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Kk][Ee][Ee][Pp][-_][Aa][Ll][Ii][Vv][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Ee][Nn][Tt][Ii][Cc][Aa][Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Ii][Ll][Ee][Rr]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr][-_][Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Uu][Pp][Gg][Rr][Aa][Dd][Ee]$" },
              },
              description = "The request header that has the certificates above the client's; with rfc9440, base64_encoded, url_encoded and pem.",
            } },
          { hide_certificate_header = { type = "boolean", default = false, required = true, description = "Whether the headers with certificates are kept from the upstream." } },
          { verification_header_name = {
              type = "string",
              match = "^[%w!#$%%&'*+%-.^_`|~]+$",
              match_none = {
                { err = "header has another meaning: must be a header of its own", pattern = "^[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt][-_][Ll][Ee][Nn][Gg][Tt][Hh]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Cc][Oo][Oo][Kk][Ii][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Hh][Oo][Ss][Tt]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Kk][Ee][Ee][Pp][-_][Aa][Ll][Ii][Vv][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Ee][Nn][Tt][Ii][Cc][Aa][Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Pp][Rr][Oo][Xx][Yy][-_][Cc][Oo][Nn][Nn][Ee][Cc][Tt][Ii][Oo][Nn]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Ee]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Ii][Ll][Ee][Rr]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Tt][Rr][Aa][Nn][Ss][Ff][Ee][Rr][-_][Ee][Nn][Cc][Oo][Dd][Ii][Nn][Gg]$" },
                { err = "header has another meaning: must be a header of its own", pattern = "^[Uu][Pp][Gg][Rr][Aa][Dd][Ee]$" },
              },
              description = "The request header that has the proxy's own verdict on the certificate, which can only refuse.",
            } },
          { verification_header_values = {
              type = "array",
              default = { "SUCCESS" },
              elements = { type = "string" },
              len_min = 1,
              description = "The values of that header with which a certificate is not refused.",
            } },
          { upstream_certificate_headers = {
              type = "array",
              elements = { type = "string", one_of = { "rfc9440", "details" } },
              len_min = 1,
              description = "Headers in which the upstream is told the verified certificate: rfc9440 is Client-Cert and Client-Cert-Chain, details is X-Client-Cert and four more.",
            } },
          { spiffe_trust_domains = {
              type = "array",
              elements = {
                type = "record",
                fields = {
                  { trust_domain = {
                      type = "string",
                      len_max = 255,
                      match_any = { err = "expected a trust domain without spiffe://, at most 255 lower-case letters, digits, dots, dashes and underscores", patterns = { "^[a-z0-9%._%-]+$" } },
                      required = true,
                      description = "The trust domain, without spiffe://.",
                    } },
                  { ca_certificates = {
                      type = "array",
                      elements = { type = "string", uuid = true },
                      len_min = 1,
                      required = true,
                      description = "Ids of the CA Certificates that speak for it, which ca_certificates must have as well.",
                    } },
                },
              },
              len_min = 1,
              description = "SPIFFE trust domains; only X509-SVIDs pass, whose path ends at a CA Certificate of their own trust domain.",
            } },
          { required_policies = {
              type = "array",
              elements = {
                type = "string",
                len_max = 256,
                match_any = { err = "expected an OID in dotted form, such as 0.4.0.194112.1.0", patterns = { "^[012]%.%d[%d%.]*$" } },
                match_none = {
                  { err = "expected an OID in dotted form", pattern = "%.%." },
                  { err = "expected an OID in dotted form", pattern = "%.$" },
                  { err = "expected an OID in dotted form", pattern = "%.0%d" },
                  { err = "expected an OID in dotted form", pattern = "^[01]%.[4-9]%d" },
                  { err = "expected an OID in dotted form", pattern = "^[01]%.%d%d%d" },
                },
              },
              len_min = 1,
              description = "Certificate policies of which a path must be valid for at least one.",
            } },
          { required_extended_key_usages = {
              type = "array",
              elements = {
                type = "string",
                len_max = 256,
                match_any = {
                  err = "expected an OID in dotted form or one of: OCSPSigning, anyExtendedKeyUsage, clientAuth, codeSigning, emailProtection, ipsecIKE, msSmartcardLogin, pkInitClientAuth, serverAuth, timeStamping",
                  patterns = {
                    "^[012]%.%d[%d%.]*$",
                    "^OCSPSigning$",
                    "^anyExtendedKeyUsage$",
                    "^clientAuth$",
                    "^codeSigning$",
                    "^emailProtection$",
                    "^ipsecIKE$",
                    "^msSmartcardLogin$",
                    "^pkInitClientAuth$",
                    "^serverAuth$",
                    "^timeStamping$",
                  },
                },
                match_none = {
                  { err = "expected an OID in dotted form", pattern = "%.%." },
                  { err = "expected an OID in dotted form", pattern = "%.$" },
                  { err = "expected an OID in dotted form", pattern = "%.0%d" },
                  { err = "expected an OID in dotted form", pattern = "^[01]%.[4-9]%d" },
                  { err = "expected an OID in dotted form", pattern = "^[01]%.%d%d%d" },
                },
              },
              len_min = 1,
              description = "Purposes that must all be among the extended key usages of the client's certificate.",
            } },
        },
        required = true,
        entity_checks = {
          { mutually_required = { "http_proxy_host", "http_proxy_port" } },
          { mutually_required = { "https_proxy_host", "https_proxy_port" } },
          { distinct = { "certificate_header_name", "certificate_chain_header_name", "verification_header_name" } },
          { conditional = {
              if_field = "certificate_header_format",
              if_match = { one_of = { "xfcc", "base64_list" } },
              then_err = "certificate_chain_header_name: must not be set with xfcc and base64_list, which have the chain in the same header",
              then_field = "certificate_chain_header_name",
              then_match = { eq = ngx.null },
            } },
        },
      } },
  },
}


-- Kong Enterprise has consumer groups. A configuration for one would never run: no
-- consumer is known yet.
local no_consumer_group = rawget(typedefs, "no_consumer_group")
if no_consumer_group then table.insert(schema.fields, { consumer_group = no_consumer_group }) end

return schema
