package suites

// PKITSDeviations are vectors of PKITS that are judged otherwise on purpose, with the reason.
var PKITSDeviations = map[string]string{
	"4.1.4":  "DSA is not supported",
	"4.1.5":  "DSA is not supported",
	"4.6.8":  "a CA certificate that is not a configured trust anchor is not a client's",
	"4.6.14": "a CA certificate that is not a configured trust anchor is not a client's",
}

// LimboDeviations are cases of x509-limbo that are judged otherwise on purpose, with the
// reason.
var LimboDeviations = map[string]string{
	"crl::revoked-certificate-with-crl":           "revocation is not path validation",
	"crl::crlnumber-missing":                      "revocation is not path validation",
	"crl::issuer-missing-crlsign":                 "revocation is not path validation",
	"pathlen::max-chain-depth-0-exhausted":        "there is no depth option; depth is bounded by what is presented and configured",
	"webpki::eku::ee-anyeku":                      "anyExtendedKeyUsage counts as client authentication: clients in the field have it",
	"pathlen::validation-ignores-pathlen-in-leaf": "a CA certificate that is not a configured trust anchor is not a client's",
	"webpki::v1-cert":                             "version 1 without extensions is what openssl x509 -req makes before 3.2; RFC 5280 has no rule against it as a leaf",
	"rfc5280::leaf-ku-keycertsign":                "clients in the field have it (OPC UA); basicConstraints say that it is not a CA, and so it issues nothing",
	"rfc5280::san::malformed":                     "a malformed value of the subject alternative name is not used, and not a reason to refuse the others",
	"rfc5280::serial::negative":                   "RFC 5280, section 4.1.2.2: users should handle negative serial numbers; CAs have issued them",
	"webpki::san::unicode-emoji-san":              "a name beyond ASCII is not used, and not a reason to refuse the others",
	"rfc5280::ca-as-leaf":                         "a CA certificate that is not a configured trust anchor is not a client's",
}
