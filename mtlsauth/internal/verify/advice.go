package verify

import (
	"fmt"
	"strings"
)

// sentences say for each reason code what it means and what to do.
var sentences = map[string]string{
	"passed":           "The certificate authenticates the request.",
	"none_sent":        "The client sent no certificate. Have it send one, and have Kong ask for it on this name: mtls-auth doctor tells whether it does.",
	"unreadable":       "What the client sends cannot be read as a certificate. Have its CA issue it again, or give the file as PEM or DER, the client's certificate first.",
	"issuer_not_found": "The path stops at a certificate whose issuer is not known. Have the client send the missing intermediate, or add its CA to ca_certificates.",
	"ca_not_loaded":    "Kong has no usable CA certificate with an id that ca_certificates names. Create it under that id, or correct the id: Kong takes a CA certificate only once, so that it may be there under another.",
	"bad_signature":    "A CA certificate of the issuer's name is known, but it did not sign this certificate: the CA was most likely renewed with another key. Add the CA certificate that signed it to ca_certificates, or issue the certificate again.",
	"expired":          "A certificate of the path has expired. Renew it, or correct the clock of the Kong node.",
	"not_yet_valid":    "A certificate of the path is not valid yet. Wait, or correct the clocks of the CA and of the Kong node.",
	"wrong_usage":      "The certificate is not for TLS clients. Have it issued with the extended key usage clientAuth and the key usage digitalSignature, and not as a CA certificate.",
	"constraint":       "A CA certificate of the path does not allow it: by its constraints on names, length or policies, or because it must not issue certificates; or a critical extension is not understood. Have the certificate issued within what its CA may issue.",
	"weak_algorithm":   "A key or a signature of the path is too weak, or of a kind that is not accepted. Issue the certificate with RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519, signed with SHA-256 or better.",
	"too_costly":       "To judge it takes more CPU time than a request may. Remove unneeded CA certificates of one name from ca_certificates, and have the client send its own path alone, with ordinary keys.",
	"revoked":          "Its CA has revoked a certificate of the path. Have a new one issued; what is revoked stays so.",
	"status_unknown":   "It cannot be found out whether a certificate of the path is revoked, or its CA does not know it. Let Kong's node reach the OCSP and CRL URLs, give CRLs by -crl-dir, or use IGNORE_CA_ERROR.",
	"spiffe_id":        "The certificate is not an X509-SVID of a trust domain in spiffe_trust_domains. Use one whose only URI is the workload's SPIFFE ID, issued by the CA of its trust domain.",
	"no_consumer":      "The certificate is trusted, and no consumer matches it. Create a consumer whose username or custom_id is one of its names, or a credential; or set default_consumer or skip_consumer_lookup.",
	"lookup_failed":    "Whose certificate it is cannot be found out: a consumer that the configuration or a credential names does not exist, or Kong's database failed. Create it, or correct the name.",
	"bad_config":       "The plugin's configuration is refused, so every request gets 500. Correct the field that is named.",
	"internal":         "A limit of the server was reached, or it failed. If it is not a limit, please report it.",
}

// Sentence is what a person needs to know about a reason code; "" for one that there is
// not.
func Sentence(reason string) string { return sentences[reason] }

// advice is the sentence for the report's reason, with what of this case is worth to add.
func advice(r *Report) string {
	text := sentences[r.Reason]
	switch {
	case r.Reason == "issuer_not_found" && len(r.Steps) > 0:
		if name := r.missingIssuer(); name != "" {
			text += fmt.Sprintf(" What is missing is the certificate of %s.", name)
		}
	case r.Reason == "ca_not_loaded" && len(r.Missing) > 0:
		text += " Missing: " + strings.Join(r.Missing, ", ") + "."
	case r.Reason == "wrong_usage" && r.About == "leaf" && r.Certificate != nil && r.Certificate.Subject == r.Certificate.Issuer:
		text += " It is self-signed: if the first certificate of the file is the CA's, put the client's before it."
	case r.Reason == "no_consumer" && r.Names != nil && len(r.Names.Values) > 0:
		text += " Its names: " + strings.Join(r.Names.Values, ", ") + "."
	case r.Reason == "status_unknown" && !r.Revocation.Network:
		text += " The network was not used here: -revocation STRICT asks the URLs."
	}
	return text
}

// missingIssuer is the issuer of the certificate at which the search stopped.
func (r *Report) missingIssuer() string {
	for i := len(r.Steps) - 1; i >= 0; i-- {
		s := r.Steps[i]
		if s.Check != "issuer known" || s.Error == "" {
			continue
		}
		for _, c := range r.all() {
			if c.Subject == s.Path[len(s.Path)-1] {
				return c.Issuer
			}
		}
	}
	return ""
}

func (r *Report) all() (all []Certificate) {
	if r.Certificate != nil {
		all = append(all, *r.Certificate)
	}
	all = append(all, r.Chain...)
	for _, ca := range r.CACertificates {
		all = append(all, ca.Certificate)
	}
	return all
}
